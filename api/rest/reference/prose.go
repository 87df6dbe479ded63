package reference

import (
	"regexp"
	"strings"
)

// paragraph is a piece of text.
type paragraph []span

// span is text of one kind.
type span struct {
	Text string
	Code bool
	Bold bool
	Link string
}

var marks = regexp.MustCompile("`[^`]+`|\\*\\*[^*]+\\*\\*|https://[^ )]+[^ ).,]")

// prose reads the little of CommonMark that contracts are described with:
// paragraphs, code, strong text and addresses.
func prose(text string) (all []paragraph) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, spans(part))
		}
	}
	return all
}

func spans(text string) (p paragraph) {
	at := 0
	for _, m := range marks.FindAllStringIndex(text, -1) {
		if m[0] > at {
			p = append(p, span{Text: text[at:m[0]]})
		}
		switch found := text[m[0]:m[1]]; found[0] {
		case '`':
			p = append(p, span{Text: found[1 : len(found)-1], Code: true})
		case '*':
			p = append(p, span{Text: found[2 : len(found)-2], Bold: true})
		default:
			p = append(p, span{Text: found, Link: found})
		}
		at = m[1]
	}
	if at < len(text) {
		p = append(p, span{Text: text[at:]})
	}
	return p
}

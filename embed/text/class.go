package text

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/rangetable"
)

// The tokenizers library takes some classes from the tables of Unicode 8 and 9.
// What has been assigned since belongs to none of them, and the characters that
// have changed their class since keep the old one.

func assigned(version string, r rune) bool { return unicode.Is(rangetable.Assigned(version), r) }

// isSpace is Unicode's property White_Space.
func isSpace(r rune) bool { return unicode.Is(unicode.White_Space, r) }

// isPunctuation holds for the general category P and for ASCII's symbols.
func isPunctuation(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return unicode.IsPunct(r) || unicode.IsSymbol(r)
	case r == 0x166D || r == 0x111C9:
		return true
	}
	return unicode.IsPunct(r) && assigned("8.0.0", r)
}

// isNumber is the general category N.
func isNumber(r rune) bool { return unicode.IsNumber(r) }

// isWord is a word's character as of Unicode Technical Standard 18, annex C:
// alphabetic, mark, decimal number, connector punctuation or join control.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc,
		unicode.Other_Alphabetic, unicode.Join_Control)
}

// isControl is the general category C, less the controls that are spaces.
func isControl(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) && assigned("8.0.0", r)
}

// isMark is the general category M.
func isMark(r rune) bool {
	switch r {
	case 0x1CF2, 0x1CF3:
		return true
	case 0x111C9:
		return false
	}
	return unicode.Is(unicode.M, r) && assigned("9.0.0", r)
}

// isNonspacing is the general category Mn.
func isNonspacing(r rune) bool {
	switch r {
	case 0x1734:
		return true
	case 0x1885, 0x1886, 0xA9BD, 0x111C9:
		return false
	}
	return unicode.Is(unicode.Mn, r) && assigned("8.0.0", r)
}

// isIdeograph holds for the blocks that BERT's tokenizer sets apart. The gap
// before U+2B920 is the library's.
func isIdeograph(r rune) bool {
	for _, block := range [...][2]rune{
		{0x4E00, 0x9FFF}, {0x3400, 0x4DBF}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
		{0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF}, {0x2F800, 0x2FA1F},
	} {
		if r >= block[0] && r <= block[1] {
			return true
		}
	}
	return false
}

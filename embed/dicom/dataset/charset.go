package dataset

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

const escape = 0x1B

// decodeText returns value as UTF-8, read in a Specific Character Set (PS3.3
// C.12.1.1.2). Its first term is in force until an escape sequence (PS3.5
// 6.1.2.5) and again behind a delimiter. Unknown terms are read as ISO 8859-1.
func decodeText(value []byte, charset string) string {
	first, _, _ := strings.Cut(charset, `\`)
	initial := codes{high: repertoire(strings.Trim(first, " \x00"))}
	if bytes.IndexByte(value, escape) < 0 {
		return initial.text(value)
	}
	var out strings.Builder
	for current := initial; len(value) > 0; {
		if n := current.change(value); n > 0 {
			value = value[n:]
			continue
		}
		n := current.run(value)
		out.WriteString(current.text(value[:n]))
		if value = value[n:]; len(value) > 0 && value[0] != escape {
			current = initial
		}
	}
	return out.String()
}

// codes are the character sets that are in force.
type codes struct {
	double byte              // final byte of a set of two 7-bit bytes: B or D, else 0
	high   encoding.Encoding // of everything else
}

// run returns how many bytes, at least 1, are read alike: up to an escape
// sequence, and up to and with a delimiter.
func (c codes) run(value []byte) int {
	for i, b := range value {
		switch {
		case b == escape:
			return max(i, 1)
		case b < ' ', c.double == 0 && (b == '\\' || b == '^' || b == '='):
			return i + 1
		}
	}
	return len(value)
}

// text returns value, a run, as UTF-8.
func (c codes) text(value []byte) string {
	high := c.high
	if c.double != 0 {
		value, high = euc(value, c.double), japanese.EUCJP
	}
	text, err := high.NewDecoder().Bytes(value)
	if err != nil {
		text = value
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// euc returns pairs of 7-bit bytes of JIS X 0208 (B) or 0212 (D) as EUC-JP.
func euc(value []byte, double byte) []byte {
	var out []byte
	for ; len(value) > 1 && value[0] > ' '; value = value[2:] {
		if double == 'D' {
			out = append(out, 0x8F)
		}
		out = append(out, value[0]|0x80, value[1]|0x80)
	}
	return append(out, value...)
}

// change applies the escape sequence that value begins with and returns its
// length, 0 if it is none of PS3.3 tables C.12-3 and C.12-4.
func (c *codes) change(value []byte) int {
	has := func(s string) bool { return bytes.HasPrefix(value[1:], []byte(s)) }
	if value[0] != escape || len(value) < 3 {
		return 0
	}
	switch {
	case has("(B"), has("(J"):
		c.double = 0
		return 3
	case has("$B"):
		c.double = 'B'
		return 3
	case has("$(D"):
		c.double = 'D'
		return 4
	case has("$)C"):
		*c = codes{high: korean.EUCKR}
		return 4
	case has("$)A"):
		*c = codes{high: simplifiedchinese.GB18030}
		return 4
	case has(")I"):
		*c = codes{high: japanese.ShiftJIS}
		return 3
	}
	const finals, terms = "ABCDLGFHMTb", "100 101 109 110 144 127 126 138 148 166 203"
	if i := strings.IndexByte(finals, value[2]); i >= 0 && value[1] == '-' {
		*c = codes{high: repertoire("ISO_IR " + terms[4*i:4*i+3])}
		return 3
	}
	return 0
}

// repertoire returns the encoding of a defined term (PS3.3 tables C.12-2 to
// C.12-5) when no escape sequence is in force.
func repertoire(term string) encoding.Encoding {
	switch strings.NewReplacer("ISO 2022 IR ", "", "ISO_IR ", "").Replace(term) {
	case "101":
		return charmap.ISO8859_2
	case "109":
		return charmap.ISO8859_3
	case "110":
		return charmap.ISO8859_4
	case "126":
		return charmap.ISO8859_7
	case "127":
		return charmap.ISO8859_6
	case "138":
		return charmap.ISO8859_8
	case "144":
		return charmap.ISO8859_5
	case "148":
		return charmap.ISO8859_9
	case "166":
		return charmap.Windows874
	case "203":
		return charmap.ISO8859_15
	case "13":
		return japanese.ShiftJIS
	case "149":
		return korean.EUCKR
	case "58":
		return simplifiedchinese.GB18030
	case "192":
		return unicode.UTF8
	case "GB18030", "GBK":
		return simplifiedchinese.GB18030
	}
	return charmap.ISO8859_1
}

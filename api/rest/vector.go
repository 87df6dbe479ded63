package rest

import (
	"bytes"
	"strconv"
)

// cutVector takes the numbers of the property vector out of a JSON object, of
// which only the first remains in its place: to check the syntax of hundreds of
// numbers, decode them and hold each to its schema by reflection costs more than
// the search that they are for. It returns no vector, and the text as it is, unless
// there is one such property of at least two numbers, each in JSON's syntax and
// within float32: what is then wrong, if anything is, the decoder says.
func cutVector(object []byte) (rest []byte, vector []float32) {
	start := vectorAt(object)
	if start < 0 {
		return object, nil
	}
	end, first := start, 0
	for {
		n, value, ok := float(object[end:])
		if !ok {
			return object, nil
		}
		vector = append(vector, value)
		end += n
		if len(vector) == 1 {
			first = end
		}
		if object[end] == ']' { // float has seen what follows
			break
		}
		end++
	}
	rest = append(append(make([]byte, 0, len(object)-end+first), object[:first]...), object[end:]...)
	if len(vector) < 2 || bytes.Contains(rest[first:], []byte(vectorKey)) {
		return object, nil
	}
	return rest, vector
}

const vectorKey = `"vector"`

// vectorAt returns where the numbers of an object's own property vector begin, after
// the bracket; below 0 for nowhere, or if the first property of that name is not the
// object's own.
func vectorAt(text []byte) int {
	at := bytes.Index(text, []byte(vectorKey))
	if at < 0 || depth(text[:at]) != 1 {
		return -1
	}
	at += len(vectorKey)
	at += space(text[at:])
	if at == len(text) || text[at] != ':' {
		return -1
	}
	at++
	at += space(text[at:])
	if at == len(text) || text[at] != '[' {
		return -1
	}
	return at + 1
}

// depth returns within how many objects and lists JSON is where it breaks off; 0
// within a string.
func depth(text []byte) (n int) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			n++
		case '}', ']':
			n--
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if i >= len(text) {
				return 0
			}
		}
	}
	return n
}

// float reads a number with the space around it that has a comma or a bracket after
// it, and returns how many bytes that was.
func float(text []byte) (n int, value float32, ok bool) {
	n = space(text)
	length := number(text[n:])
	x, err := strconv.ParseFloat(string(text[n:n+length]), 32)
	if length == 0 || err != nil {
		return 0, 0, false
	}
	n += length
	n += space(text[n:])
	return n, float32(x), n < len(text) && (text[n] == ',' || text[n] == ']')
}

// space counts the bytes of JSON's white space at the beginning.
func space(text []byte) int {
	for i, b := range text {
		if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return i
		}
	}
	return len(text)
}

// number returns the length of the number at the beginning, in JSON's syntax (RFC
// 8259, section 6); 0 for none.
func number(text []byte) int {
	i := 0
	if i < len(text) && text[i] == '-' {
		i++
	}
	whole := digits(text[i:])
	if whole == 0 || whole > 1 && text[i] == '0' {
		return 0
	}
	i += whole
	if i < len(text) && text[i] == '.' {
		fraction := digits(text[i+1:])
		if fraction == 0 {
			return 0
		}
		i += 1 + fraction
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		exponent := digits(text[i:])
		if exponent == 0 {
			return 0
		}
		i += exponent
	}
	return i
}

func digits(text []byte) int {
	for i, b := range text {
		if b < '0' || b > '9' {
			return i
		}
	}
	return len(text)
}

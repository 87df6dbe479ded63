package text

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// charsmap is SentencePiece's table of replacements: a double-array trie
// (Darts-clone) from characters to offsets into strings that end with NUL.
type charsmap struct {
	units   []uint32
	strings string
}

// precompiled reads SentencePiece's normalizer: the trie's length in bytes, 32
// bits little endian, the trie and the strings, in base64.
func precompiled(raw json.RawMessage, path string) (normalizer, error) {
	var s struct {
		Type string `json:"type"`
		Map  string `json:"precompiled_charsmap"`
	}
	if err := fields(raw, path, &s); err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(s.Map)
	if err != nil {
		return nil, fmt.Errorf("%s.precompiled_charsmap: %w", path, err)
	}
	c, err := readCharsmap(data)
	if err != nil {
		return nil, fmt.Errorf("%s.precompiled_charsmap: %w", path, err)
	}
	return sure(c.normalize), nil
}

func readCharsmap(data []byte) (charsmap, error) {
	if len(data) < 4 {
		return charsmap{}, fmt.Errorf("%d bytes hold no length", len(data))
	}
	size, data := int64(binary.LittleEndian.Uint32(data)), data[4:]
	if size > int64(len(data)) || size%4 != 0 || size == 0 {
		return charsmap{}, fmt.Errorf("a trie of %d bytes where %d follow", size, len(data))
	}
	c := charsmap{units: make([]uint32, size/4), strings: string(data[size:])}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	if !utf8.ValidString(c.strings) {
		return charsmap{}, fmt.Errorf("its strings are not UTF-8")
	}
	return c, nil
}

// normalize replaces grapheme clusters of fewer than six bytes as a whole where
// the table has a start of them, and everything else character by character.
func (c charsmap) normalize(s string) string {
	var b strings.Builder
	state := -1
	for s != "" && b.Len() <= maxWorked {
		var cluster string
		cluster, s, _, state = uniseg.FirstGraphemeClusterInString(s, state)
		if len(cluster) < 6 {
			if to, ok := c.lookUp(cluster); ok {
				b.WriteString(to)
				continue
			}
		}
		for _, r := range cluster {
			if to, ok := c.lookUp(string(r)); ok {
				b.WriteString(to)
			} else {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// lookUp returns what the shortest start of key in the table is replaced by.
// A damaged trie leads nowhere.
func (c charsmap) lookUp(key string) (string, bool) {
	at := offset(c.units[0])
	for i := range len(key) {
		at ^= uint32(key[i])
		if key[i] == 0 || int64(at) >= int64(len(c.units)) {
			return "", false
		}
		unit := c.units[at]
		if unit&(1<<31|0xFF) != uint32(key[i]) {
			return "", false
		}
		at ^= offset(unit)
		if unit>>8&1 == 1 {
			return c.value(at)
		}
	}
	return "", false
}

// offset returns where a unit's children lie, relative to itself.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

// value returns the string that a leaf means.
func (c charsmap) value(at uint32) (string, bool) {
	if int64(at) >= int64(len(c.units)) {
		return "", false
	}
	start := int64(c.units[at] & (1<<31 - 1))
	if start >= int64(len(c.strings)) {
		return "", false
	}
	to, _, _ := strings.Cut(c.strings[start:], "\x00")
	return to, utf8.ValidString(to)
}

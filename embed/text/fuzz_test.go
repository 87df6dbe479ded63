package text

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Law: Parse answers a tokenizer that encodes, or ErrTokenizer, within seconds.
func FuzzParse(f *testing.F) {
	r := readReference(f)
	for _, m := range r.Models {
		f.Add([]byte(m.Tokenizer))
	}
	for _, s := range r.Spelt {
		f.Add([]byte(s.Tokenizer))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		k, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrTokenizer) {
				t.Fatalf("Parse = %v, want %v", err, ErrTokenizer)
			}
			return
		}
		ids, mask, err := k.Encode("A photo of a [MASK] naïve 肺炎's 12 👩‍⚕️ e\u0301", 256)
		if err == nil && (len(ids) != 256 || len(mask) != 256) {
			t.Fatalf("Encode = %d ids, %d in the mask, want 256", len(ids), len(mask))
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("%d bytes took %v", len(data), took)
		}
	})
}

// Law: of every text a tokenizer makes ids below its vocabulary, as many as are
// asked for, and those of padding are the ones that the mask leaves out.
func FuzzEncode(f *testing.F) {
	r := readReference(f)
	var tokenizers []*Tokenizer
	for _, m := range r.Models {
		k, err := Parse(m.Tokenizer)
		if err != nil {
			f.Fatal(err)
		}
		k.padded = true
		tokenizers = append(tokenizers, k)
	}
	for i, text := range r.Texts {
		f.Add(text, i%100, i)
	}
	f.Add(strings.Repeat("ab", maxText/2), 77, 0)
	f.Fuzz(func(t *testing.T, text string, length, which int) {
		k := tokenizers[uint(which)%uint(len(tokenizers))]
		start := time.Now()
		ids, mask, err := k.Encode(text, length)
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("%d bytes took %v", len(text), took)
		}
		if err != nil {
			if !errors.Is(err, ErrText) {
				t.Fatalf("Encode(%+q, %d) = %v, want %v", text, length, err, ErrText)
			}
			return
		}
		if len(ids) != length || len(mask) != length {
			t.Fatalf("Encode(%+q, %d) = %d ids, %d in the mask", text, length, len(ids), len(mask))
		}
		for i, id := range ids {
			if id < 0 || id >= int64(k.Vocabulary()) || mask[i] == 0 && id != k.pad {
				t.Fatalf("Encode(%+q, %d) = %v, %v: a vocabulary of %d, padding %d", text, length, ids, mask, k.Vocabulary(), k.pad)
			}
		}
	})
}

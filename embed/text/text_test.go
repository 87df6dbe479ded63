package text

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reference is testdata/reference.json; see reference.js.
type reference struct {
	Texts  []string
	Models []struct {
		Name      string
		Tokenizer json.RawMessage
		IDs       [][]int64 // of Texts, neither cut nor padded
		Cut       []struct {
			Text   string
			Length int
			Left   bool
			IDs    []int64
		}
	}
	Spelt []struct {
		Name      string
		Tokenizer json.RawMessage // without its model
		Texts     []*string       // what becomes of Texts; nil: one piece
	}
}

func readReference(t testing.TB) (r reference) {
	t.Helper()
	data, err := os.ReadFile("testdata/reference.json")
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// unpadded returns the ids of a text without padding.
func unpadded(t testing.TB, k *Tokenizer, text string, length int) []int64 {
	t.Helper()
	k.padded = true
	ids, mask, err := k.Encode(text, length)
	if err != nil {
		t.Fatalf("Encode(%.60q, %d) = %v", text, length, err)
	}
	var own []int64
	for i, id := range ids {
		if mask[i] == 1 {
			own = append(own, id)
		}
	}
	return own
}

func TestIdsAreThoseOfTheReference(t *testing.T) {
	r := readReference(t)
	for _, m := range r.Models {
		t.Run(m.Name, func(t *testing.T) {
			k, err := Parse(m.Tokenizer)
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range r.Texts {
				if got := unpadded(t, k, text, 1024); !slices.Equal(got, m.IDs[i]) {
					t.Errorf("Encode(%+q) = %v, want %v", text, got, m.IDs[i])
				}
			}
			for _, c := range m.Cut {
				k.cutLeft = c.Left
				if got := unpadded(t, k, c.Text, c.Length); !slices.Equal(got, c.IDs) {
					t.Errorf("Encode(%.40q…, %d), left %v = %v, want %v", c.Text, c.Length, c.Left, got, c.IDs)
				}
			}
		})
	}
}

// spelling returns a tokenizer whose model writes each piece as its bytes and a
// bar behind them, so that pieces can be seen.
func spelling(t testing.TB, parts json.RawMessage) *Tokenizer {
	t.Helper()
	vocab := make(map[string]int)
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = b
	}
	model, err := json.Marshal(map[string]any{
		"type": "BPE", "end_of_word_suffix": "|", "byte_fallback": true, "vocab": vocab, "merges": []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(parts, &file); err != nil {
		t.Fatal(err)
	}
	file["model"] = model
	whole, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// spelt returns the pieces that a tokenizer of spelling makes.
func spelt(t testing.TB, k *Tokenizer, text string) string {
	var b strings.Builder
	for _, id := range unpadded(t, k, text, 4096) {
		if id < 256 {
			b.WriteByte(byte(id))
		} else {
			fmt.Fprintf(&b, "\ue000%d\ue000", id)
		}
	}
	return b.String()
}

func TestPiecesAreThoseOfTheReference(t *testing.T) {
	r := readReference(t)
	for _, s := range r.Spelt {
		t.Run(s.Name, func(t *testing.T) {
			k := spelling(t, s.Tokenizer)
			for i, text := range r.Texts {
				want := text + "|"
				if s.Texts[i] != nil {
					want = *s.Texts[i]
				} else if text == "" {
					want = ""
				}
				if got := strings.ToValidUTF8(spelt(t, k, text), "\ufffd"); got != want {
					t.Errorf("pieces of %+q = %+q, want %+q", text, got, want)
				}
			}
		})
	}
}

func TestSpecialTokensStayAndTheRestIsPadded(t *testing.T) {
	r := readReference(t)
	k, err := Parse(r.Models[0].Tokenizer) // CLIP's
	if err != nil {
		t.Fatal(err)
	}
	start, end := k.before[0], k.after[0]
	for _, length := range []int{2, 3, 64, 77, 256} {
		for _, text := range []string{"", "red", strings.Repeat("a photo ", 300)} {
			ids, mask, err := k.Encode(text, length)
			if err != nil || len(ids) != length || len(mask) != length {
				t.Fatalf("Encode(%.20q, %d) = %d ids, %d in the mask, %v", text, length, len(ids), len(mask), err)
			}
			last := strings.Count(fmt.Sprint(mask), "1") - 1
			if ids[0] != start || ids[last] != end || slices.ContainsFunc(ids[last:], func(id int64) bool { return id != end }) {
				t.Errorf("Encode(%.20q, %d) = %v, want %d … %d and that as padding", text, length, ids, start, end)
			}
			if slices.Contains(mask[:last+1], 0) || slices.Contains(mask[last+1:], 1) {
				t.Errorf("Encode(%.20q, %d): mask %v, want %d ones", text, length, mask, last+1)
			}
		}
	}
	if k.Length() != 77 || k.Vocabulary() != int(end)+1 {
		t.Errorf("length %d and vocabulary %d, want 77 and %d", k.Length(), k.Vocabulary(), end+1)
	}
}

func TestPaddingAndCuttingKeepTheirSide(t *testing.T) {
	k := spelling(t, []byte(`{"version":"1.0",
		"padding":{"strategy":"BatchLongest","direction":"Left","pad_id":7,"pad_type_id":0,"pad_token":"x"},
		"truncation":{"direction":"Left","max_length":9,"strategy":"LongestFirst","stride":0}}`))
	for text, want := range map[string]string{"ab": "[7 7 97 98 124] [0 0 1 1 1]", "abcdef": "[99 100 101 102 124] [1 1 1 1 1]"} {
		ids, mask, err := k.Encode(text, 5)
		if got := fmt.Sprint(ids, mask); err != nil || got != want {
			t.Errorf("Encode(%q, 5) = %s, %v, want %s", text, got, err, want)
		}
	}
	if k.Length() != 9 {
		t.Errorf("length %d, want truncation's 9", k.Length())
	}
}

func TestTextsThatCannotBeEncoded(t *testing.T) {
	r := readReference(t)
	clip, err := Parse(r.Models[0].Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	grows := spelling(t, []byte(`{"version":"1.0","normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"`+strings.Repeat("b", 100)+`"}}`))
	for name, c := range map[string]struct {
		k      *Tokenizer
		text   string
		length int
		want   error
	}{
		"no room for the special tokens": {clip, "a", 1, ErrText},
		"no length":                      {clip, "a", 0, ErrText},
		"a negative length":              {clip, "a", -1, ErrText},
		"a huge length":                  {clip, "a", 1 << 30, ErrText},
		"not UTF-8":                      {clip, "a\xffb", 77, ErrText},
		"too long":                       {clip, strings.Repeat("a", maxText+1), 77, ErrText},
		"growing":                        {grows, strings.Repeat("a", maxText), 77, ErrText},
		"read again for every match": {
			spelling(t, []byte(`{"version":"1.0","pre_tokenizer":{"type":"Split","pattern":{"Regex":"a*b|a"},"behavior":"Isolated","invert":false}}`)),
			strings.Repeat("a", 9000), 77, ErrText,
		},
		"no token for padding": {spelling(t, []byte(`{"version":"1.0"}`)), "a", 77, ErrTokenizer},
	} {
		if ids, _, err := c.k.Encode(c.text, c.length); !errors.Is(err, c.want) {
			t.Errorf("%s: Encode = %v, %v, want %v", name, ids, err, c.want)
		}
	}
}

// naive merges the earliest pair again and again, as the algorithm is written.
func naive(ids []int64, merges map[[2]int32]merge) []int64 {
	for {
		best, rank := -1, int32(0)
		for i := 0; i+1 < len(ids); i++ {
			if m, ok := merges[[2]int32{int32(ids[i]), int32(ids[i+1])}]; ok && (best < 0 || m.rank < rank) {
				best, rank = i, m.rank
			}
		}
		if best < 0 {
			return ids
		}
		m := merges[[2]int32{int32(ids[best]), int32(ids[best+1])}]
		ids = slices.Replace(ids, best, best+2, int64(m.id))
	}
}

// Law: the queue merges as the list that is searched from the start each time.
func TestMergingEqualsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		merges := make(map[[2]int32]merge)
		small := rapid.Int32Range(0, 6)
		for i := range rapid.IntRange(0, 20).Draw(t, "merges") {
			merges[[2]int32{small.Draw(t, "left"), small.Draw(t, "right")}] = merge{int32(i), small.Draw(t, "id")}
		}
		ids := rapid.SliceOfN(rapid.Int64Range(0, 6), 0, 40).Draw(t, "ids")
		w := new(word)
		for _, id := range ids {
			w.add(id)
		}
		want := naive(slices.Clone(ids), merges)
		if got := w.merged(nil, merges); !slices.Equal(got, want) {
			t.Fatalf("merged(%v) by %v = %v, want %v", ids, merges, got, want)
		}
	})
}

// A pair that has been merged with another is not taken for it where the pair
// that stands there now has the same token.
func TestAPairIsMergedAtItsOwnRank(t *testing.T) {
	merges := map[[2]int32]merge{{1, 3}: {0, 6}, {6, 1}: {8, 3}, {2, 6}: {10, 0}, {6, 6}: {16, 3}}
	w := new(word)
	for _, id := range []int64{2, 6, 1, 3} {
		w.add(id)
	}
	if got, want := w.merged(nil, merges), []int64{0, 6}; !slices.Equal(got, want) {
		t.Errorf("merged = %v, want %v", got, want)
	}
}

// score returns the best sum of scores over all ways to write s.
func score(m *unigram, s string) float64 {
	best := map[int]float64{len(s): 0}
	for start := len(s) - 1; start >= 0; start-- {
		for end := start + 1; end <= len(s); end++ {
			rest, ok := best[end]
			own, known := m.ids[s[start:end]]
			value := m.unknownScore
			if known {
				value = m.scores[own]
			}
			if was, has := best[start]; ok && (known || end == start+1) && (!has || value+rest > was) {
				best[start] = value + rest
			}
		}
	}
	return best[0]
}

// Law: no other way to write a piece has a larger sum of scores.
func TestUnigramFindsTheBestWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &unigram{unknown: 0, ids: map[string]int64{}}
		tokens := rapid.SliceOfNDistinct(rapid.StringMatching(`[abc]{1,4}`), 1, 20, rapid.ID).Draw(t, "tokens")
		entries := []scored{{"<unk>", 0}}
		for _, token := range tokens {
			entries = append(entries, scored{token, -rapid.Float64Range(0, 10).Draw(t, "score")})
		}
		if err := m.fill(entries); err != nil {
			t.Fatal(err)
		}
		s := rapid.StringMatching(`[abcd]{0,20}`).Draw(t, "piece")
		steps, err := m.ways(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := steps[len(s)].score, score(m, s); got < want-1e-9 || got > want+1e-9 {
			t.Fatalf("the best way to write %q by %v scores %v, want %v", s, entries, got, want)
		}
	})
}

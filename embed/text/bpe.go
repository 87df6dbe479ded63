package text

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"strings"
)

// bpe is byte pair encoding (Sennrich et al., arXiv 1508.07909): the characters
// of a piece, of which pairs are merged, the earliest merge first.
type bpe struct {
	vocabulary
	merges     map[[2]int32]merge
	prefix     string // of every character but a piece's first
	suffix     string // of a piece's last
	unknown    int64  // -1 where characters that are not known are left out
	fuse       bool   // whether unknown characters side by side are one
	bytes      bool   // whether what is not known is written by <0x00>…
	wholeFirst bool   // whether a piece that is a token is not merged
}

// A merge has its place among the merges and the id that it makes.
type merge struct{ rank, id int32 }

// mergesJSON is a list of pairs, or of texts with a space between two tokens.
type mergesJSON [][2]string

func (m *mergesJSON) UnmarshalJSON(data []byte) error {
	if err := countable(data, 2); err != nil {
		return fmt.Errorf("merges: %w", err)
	}
	var pairs [][]string
	if json.Unmarshal(data, &pairs) == nil {
		return m.pairs(pairs)
	}
	var lines []string
	if err := json.Unmarshal(data, &lines); err != nil {
		return err
	}
	return m.lines(lines)
}

func (m *mergesJSON) pairs(pairs [][]string) error {
	for i, p := range pairs {
		if len(p) != 2 {
			return fmt.Errorf("merges[%d]: %d tokens, expected 2", i, len(p))
		}
		*m = append(*m, [2]string(p))
	}
	return nil
}

func (m *mergesJSON) lines(lines []string) error {
	for i, line := range lines {
		if strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(b, " ") {
			return fmt.Errorf("merges[%d]: %.40q is no pair", i, line)
		}
		*m = append(*m, [2]string{a, b})
	}
	return nil
}

type bpeJSON struct {
	Type         string     `json:"type"`
	Dropout      *float64   `json:"dropout"`
	Unknown      *string    `json:"unk_token"`
	Prefix       *string    `json:"continuing_subword_prefix"`
	Suffix       *string    `json:"end_of_word_suffix"`
	Fuse         bool       `json:"fuse_unk"`
	ByteFallback bool       `json:"byte_fallback"`
	IgnoreMerges bool       `json:"ignore_merges"`
	Vocabulary   vocabulary `json:"vocab"`
	Merges       mergesJSON `json:"merges"`
}

func readBPE(raw json.RawMessage) (model, error) {
	var s bpeJSON
	if err := fields(raw, "model", &s); err != nil {
		return nil, err
	}
	return s.build()
}

func (s *bpeJSON) build() (model, error) {
	if s.Dropout != nil && *s.Dropout != 0 {
		return nil, fmt.Errorf("model.dropout: %v is not supported", *s.Dropout)
	}
	m := &bpe{vocabulary: s.Vocabulary, unknown: -1, fuse: s.Fuse, bytes: s.ByteFallback, wholeFirst: s.IgnoreMerges}
	if s.Prefix != nil {
		m.prefix = *s.Prefix
	}
	if s.Suffix != nil {
		m.suffix = *s.Suffix
	}
	if s.Unknown != nil {
		id, ok := m.id(*s.Unknown)
		if !ok {
			return nil, fmt.Errorf("model.unk_token: %q is not in the vocabulary", *s.Unknown)
		}
		m.unknown = id
	}
	m.merges = make(map[[2]int32]merge, len(s.Merges))
	for i, pair := range s.Merges {
		if err := m.add(i, pair); err != nil {
			return nil, fmt.Errorf("model.merges[%d]: %w", i, err)
		}
	}
	return m, nil
}

func (m *bpe) add(rank int, pair [2]string) error {
	a, known := m.vocabulary[pair[0]]
	b, knownToo := m.vocabulary[pair[1]]
	if !known || !knownToo || len(pair[1]) < len(m.prefix) {
		return fmt.Errorf("%.40q and %.40q are not in the vocabulary", pair[0], pair[1])
	}
	whole := pair[0] + pair[1][len(m.prefix):]
	id, ok := m.vocabulary[whole]
	if !ok {
		return fmt.Errorf("%.80q is not in the vocabulary", whole)
	}
	m.merges[[2]int32{int32(a), int32(b)}] = merge{int32(rank), int32(id)}
	return nil
}

func (m *bpe) encode(ids []int64, piece string) ([]int64, error) {
	if id, ok := m.vocabulary[piece]; ok && m.wholeFirst {
		return append(ids, id), nil
	}
	return m.characters(piece).merged(ids, m.merges), nil
}

// characters returns the ids of the piece's characters.
func (m *bpe) characters(piece string) *word {
	w := new(word)
	waits := false // whether an unknown character is still to be added
	for i, r := range piece {
		size := len(string(r))
		c := piece[i : i+size]
		if i > 0 {
			c = m.prefix + c
		}
		if i+size == len(piece) {
			c += m.suffix
		}
		if id, ok := m.vocabulary[c]; ok {
			if waits {
				w.add(m.unknown)
			}
			waits = false
			w.add(id)
			continue
		}
		if m.bytes && m.spelt(w, c) {
			continue
		}
		if waits && !m.fuse {
			w.add(m.unknown)
		}
		waits = m.unknown >= 0
	}
	if waits {
		w.add(m.unknown)
	}
	return w
}

// spelt adds the bytes of c, unless one is missing in the vocabulary.
func (m *bpe) spelt(w *word, c string) bool {
	ids, ok := byteTokens(nil, c, m.id)
	for _, id := range ids {
		w.add(id)
	}
	return ok
}

// byteTokens appends the ids of <0x00> to <0xFF> for the bytes of s, or nothing
// where one is missing.
func byteTokens(ids []int64, s string, id func(string) (int64, bool)) ([]int64, bool) {
	was := len(ids)
	for i := range len(s) {
		v, ok := id(fmt.Sprintf("<0x%02X>", s[i]))
		if !ok {
			return ids[:was], false
		}
		ids = append(ids, v)
	}
	return ids, true
}

// A word is a list of symbols, of which neighbours are merged.
type word struct {
	symbols []symbol
	queue   candidates
}

type symbol struct {
	id             int32
	previous, next int32 // -1 at the ends
	gone           bool
}

func (w *word) add(id int64) {
	n := int32(len(w.symbols))
	if n > 0 {
		w.symbols[n-1].next = n
	}
	w.symbols = append(w.symbols, symbol{id: int32(id), previous: n - 1, next: -1})
}

// merged merges until no pair can be and appends the ids that are left. It
// takes n log n steps for n symbols.
func (w *word) merged(ids []int64, merges map[[2]int32]merge) []int64 {
	for i := range w.symbols {
		w.propose(int32(i), merges)
	}
	heap.Init(&w.queue)
	for len(w.queue) > 0 {
		c := heap.Pop(&w.queue).(candidate)
		left := &w.symbols[c.at]
		if left.gone || left.next < 0 {
			continue
		}
		right := &w.symbols[left.next]
		now, ok := merges[[2]int32{left.id, right.id}]
		if !ok || now.rank != c.rank {
			continue // one of the two has been merged with another
		}
		left.id, left.next, right.gone = now.id, right.next, true
		if left.next >= 0 {
			w.symbols[left.next].previous = c.at
		}
		for _, at := range [...]int32{left.previous, c.at} {
			if w.propose(at, merges) {
				heap.Fix(&w.queue, len(w.queue)-1)
			}
		}
	}
	for _, s := range w.symbols {
		if !s.gone {
			ids = append(ids, int64(s.id))
		}
	}
	return ids
}

// propose adds the merge of the symbol and its next one, if there is one.
func (w *word) propose(at int32, merges map[[2]int32]merge) bool {
	if at < 0 || w.symbols[at].next < 0 {
		return false
	}
	m, ok := merges[[2]int32{w.symbols[at].id, w.symbols[w.symbols[at].next].id}]
	if ok {
		w.queue = append(w.queue, candidate{m.rank, at})
	}
	return ok
}

// candidates is a heap, the earliest merge first and then the leftmost.
type candidates []candidate

type candidate struct{ rank, at int32 }

func (c candidates) Len() int      { return len(c) }
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c *candidates) Push(x any) { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

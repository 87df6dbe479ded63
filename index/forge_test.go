package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// forged is a snapshot whose parts can be changed, all in place.
type forged struct {
	*header
	bytes                       []byte
	keys, alive                 []uint64
	base, first, upper, wait    []uint32
	level                       []uint8
	live, free, waiting, upper1 uint32 // a row of each kind; a live one with a list of layer 1
}

func forge(t testing.TB, b []byte) *forged {
	t.Helper()
	f := &forged{header: headerOf(t, b), bytes: b}
	part := func(i int) []byte { return b[f.Offsets[i] : f.Offsets[i]+f.Lengths[i]] }
	f.keys, f.alive = numbers[uint64](part(sectionKeys)), numbers[uint64](part(sectionAlive))
	f.base, f.first, f.upper = numbers[uint32](part(sectionBase)), numbers[uint32](part(sectionFirst)), numbers[uint32](part(sectionUpper))
	f.wait, f.level = numbers[uint32](part(sectionWaiting)), part(sectionLevel)
	f.waiting = f.wait[0]
	for row := range uint32(f.Rows) {
		switch isLive := isSet(f.alive, row); {
		case isLive && f.level[row] == 1:
			f.upper1 = row
		case isLive && f.level[row] == 0:
			f.live = row
		case !isLive && !slices.Contains(f.wait, row):
			f.free = row
		}
	}
	return f
}

// seal writes the header and makes the checksums right.
func (f *forged) seal() []byte {
	copy(f.bytes, f.encode())
	reseal(f.bytes)
	return f.bytes
}

// list is the list of a row in layer 0.
func (f *forged) list(row uint32) []uint32 {
	m := uint32(f.M)
	return f.base[2*m*row : 2*m*(row+1)]
}

// forgeries are snapshots that no program writes, though all sums are right.
var forgeries = []struct {
	name string
	do   func(f *forged)
}{
	{"another version", func(f *forged) { f.Version++ }},
	{"sixty-four rows more", func(f *forged) { f.Rows += 64 }},
	{"no rows", func(f *forged) { f.Rows = 0 }},
	{"as many rows as there can be", func(f *forged) { f.Rows = maxRows }},
	{"more rows than there can be", func(f *forged) { f.Rows = 1 << 63 }},
	{"one live row more", func(f *forged) { f.Live++ }},
	{"no live rows", func(f *forged) { f.Live = 0 }},
	{"more live rows than rows", func(f *forged) { f.Live = f.Rows + 1 }},
	{"a last key smaller than others", func(f *forged) { f.Last = 10 }},
	{"rows but no key ever", func(f *forged) { f.Used = 0 }},
	{"used twice", func(f *forged) { f.Used = 2 }},
	{"no entry", func(f *forged) { f.Entry = 0 }},
	{"an entry beyond the rows", func(f *forged) { f.Entry = uint64(entryOf(uint32(f.Rows), 0)) }},
	{"an entry far beyond the rows", func(f *forged) { f.Entry = ^uint64(0) }},
	{"an entry above its row's layer", func(f *forged) { f.Entry = uint64(entryOf(f.live, 1)) }},
	{"an entry that is free", func(f *forged) { f.Entry = uint64(entryOf(f.free, 0)) }},
	{"heads of an odd size", func(f *forged) { f.Head = 1 }},
	{"heads larger than vectors", func(f *forged) { f.Head = 64 }},
	{"heads that overflow", func(f *forged) { f.Head = 1 << 62 }},
	{"a mean that is not there", func(f *forged) { f.Square = 0 }},
	{"a section elsewhere", func(f *forged) { f.Offsets[sectionCodes] += pageSize }},
	{"a section at the end of all", func(f *forged) { f.Offsets[sectionVectors] = ^uint64(0) - 10 }},
	{"a shorter section", func(f *forged) { f.Lengths[sectionKeys] -= 8 }},
	{"a longer section", func(f *forged) { f.Lengths[sectionUpper] += 1 << 40 }},
	{"a section of nearly all", func(f *forged) { f.Lengths[sectionMeta] = ^uint64(0) - pageSize }},
	{"the sums as long as the file", func(f *forged) { f.Lengths[sectionSums] = uint64(len(f.bytes)) }},
	{"half a slot", func(f *forged) { f.Lengths[sectionUpper] -= 2 }},
	{"a key twice", func(f *forged) { f.keys[f.live] = f.keys[f.upper1] }},
	{"a key beyond the last", func(f *forged) { f.keys[f.live] = f.Last + 1 }},
	{"a live row beyond the rows", func(f *forged) { f.alive[f.Rows/64] |= 1 << (f.Rows % 64); f.Live++ }},
	{"a dead row that is live", func(f *forged) { f.alive[f.waiting/64] |= 1 << (f.waiting % 64); f.Live++ }},
	{"a linked row that is free", func(f *forged) { f.alive[f.live/64] &^= 1 << (f.live % 64); f.Live-- }},
	{"a row that waits twice", func(f *forged) { f.wait[1] = f.wait[0] }},
	{"a live row that waits", func(f *forged) { f.wait[1] = f.live }},
	{"a row beyond the rows that waits", func(f *forged) { f.wait[1] = uint32(f.Rows) }},
	{"a row far beyond the rows that waits", func(f *forged) { f.wait[1] = none }},
	{"a list that leads beyond the rows", func(f *forged) { f.list(f.live)[0] = uint32(f.Rows) }},
	{"a list that leads far beyond the rows", func(f *forged) { f.list(f.live)[0] = none - 1 }},
	{"a list that leads to a free row", func(f *forged) { f.list(f.live)[0] = f.free }},
	{"a removed row's list that leads to a free row", func(f *forged) { f.list(f.waiting)[0] = f.free }},
	{"a list of layer 1 that leads to layer 0", func(f *forged) { f.upper[f.first[f.upper1]] = f.live }},
	{"a list of layer 1 that leads beyond the rows", func(f *forged) { f.upper[f.first[f.upper1]] = uint32(f.Rows) }},
	{"a level above all", func(f *forged) { f.level[f.live] = maxLevel + 1 }},
	{"a level without a place", func(f *forged) { f.level[f.live], f.first[f.live] = 2, uint32(len(f.upper)-3) }},
	{"a place beyond all", func(f *forged) { f.first[f.upper1] = none }},
	{"a place at the end", func(f *forged) { f.first[f.upper1] = uint32(len(f.upper)) }},
	{"a place between two", func(f *forged) { f.first[f.upper1]++ }},
	{"two rows in one place", func(f *forged) { f.level[f.live], f.first[f.live] = 1, f.first[f.upper1] }},
	{"a free row in another's place", func(f *forged) { f.level[f.free], f.first[f.free] = 1, f.first[f.upper1] }},
}

func TestForgeriesAreRefused(t *testing.T) {
	sound := smallSnapshot(t)
	if _, err := loadBytes(t, forge(t, slices.Clone(sound)).seal()); err != nil {
		t.Fatalf("Load of what is only sealed anew = %v, want no error", err)
	}
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			f := forge(t, slices.Clone(sound))
			c.do(f)
			mustRefuse(t, c.name, f.seal())
		})
	}
}

// mustWork checks that an index of unknown origin, whatever it holds, can be
// searched and changed.
func mustWork(t testing.TB, x Index) {
	t.Helper()
	query := clustered(1, smallDimension)[0]
	check := func() {
		for _, f := range []Filter{{}, {In: multiples(3, 1000)}, {Group: func(key uint64) uint64 { return key % 3 }}} {
			for _, find := range []func([]float32, int, Filter) ([]Neighbour, error){x.Search, x.SearchExact, walking(x).Search} {
				got, err := find(query, 9, f)
				if err != nil || len(got) > 9 {
					t.Fatalf("Search = %v, %v, want up to 9 neighbours", got, err)
				}
				mustBeThere(t, x, got)
			}
		}
	}
	check()
	last, _ := x.LastKey()
	for i := range uint64(150) { // so many that all lists are mended
		if last+i+1 > last { // it may be the largest
			mustAdd(t, x, last+i+1, query)
		}
		x.Remove(i * 2)
	}
	check()
}

// mustBeThere checks that neighbours are different keys of the index.
func mustBeThere(t testing.TB, x Index, found []Neighbour) {
	t.Helper()
	seen := map[uint64]bool{}
	for _, n := range found {
		if _, ok := x.Vector(n.Key); !ok || seen[n.Key] {
			t.Fatalf("Search = %v, want different keys that are present", found)
		}
		seen[n.Key] = true
	}
}

// Whatever the bytes, Load refuses them with ErrSnapshot or returns an index that
// works. Random changes hardly ever have right sums: half of them are sealed.
func FuzzLoad(f *testing.F) {
	sound := smallSnapshot(f)
	h := headerOf(f, sound)
	f.Add(uint32(0), uint64(0), false)
	for i := range sections {
		f.Add(uint32(h.Offsets[i]), uint64(1), true)
		f.Add(uint32(h.Offsets[i]+h.Lengths[i]/2), ^uint64(0), true)
	}
	for at := uint32(0); at < 500; at += 8 {
		f.Add(at, uint64(0x80), true)
		f.Add(at, uint64(1)<<40, true)
	}
	path := filepath.Join(f.TempDir(), "snapshot")
	f.Fuzz(func(t *testing.T, at uint32, change uint64, sealed bool) {
		b := slices.Clone(sound)
		for i := range 8 {
			if at := int(at) + i; at < len(b) {
				b[at] ^= byte(change >> (8 * i))
			}
		}
		mustRefuseOrWork(t, path, b, sealed)
	})
}

// FuzzLoadOfSections changes only what Load looks into: several numbers at once.
func FuzzLoadOfSections(f *testing.F) {
	sound := smallSnapshot(f)
	h := headerOf(f, sound)
	for seed := range uint64(8) {
		f.Add(seed, uint8(1+seed))
	}
	path := filepath.Join(f.TempDir(), "snapshot")
	f.Fuzz(func(t *testing.T, seed uint64, changes uint8) {
		b, r := slices.Clone(sound), rand.New(rand.NewPCG(seed, 0))
		for range changes % 16 {
			section := sectionKeys + r.IntN(sectionSums-sectionKeys)
			if length := int(h.Lengths[section]); length > 0 {
				at := int(h.Offsets[section]) + r.IntN(length)
				b[at] = []byte{b[at] ^ 1<<r.IntN(8), byte(r.IntN(4)), byte(r.Uint32()), 0xff}[r.IntN(4)]
			}
		}
		mustRefuseOrWork(t, path, b, true)
	})
}

func mustRefuseOrWork(t *testing.T, path string, b []byte, sealed bool) {
	t.Helper()
	if sealed {
		reseal(b)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	x, meta, err := loadFrom(path, smallSpec, smallDimension)
	if err != nil {
		if !errors.Is(err, ErrSnapshot) || x != nil || meta != nil {
			t.Fatalf("Load = %T, %q, %v, want ErrSnapshot", x, meta, err)
		}
		return
	}
	if s := x.Stats(); s.Len > s.Rows || s.Ef < 1 {
		t.Fatalf("Stats() = %s, want sound ones", fmt.Sprint(s))
	}
	mustWork(t, x)
}

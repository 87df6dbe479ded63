package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// smallSpec and smallDimension are those of the snapshot that is damaged.
var smallSpec = Spec{Engine: EngineGraph, M: 3, EfConstruction: 8}

const smallDimension = 8

// smallSnapshot returns the bytes of a snapshot that has something in every
// section: meta, layers, rows that wait to be mended, and free ones. There are few
// rows in a block, so that most bytes are zeros.
func smallSnapshot(t testing.TB) []byte {
	t.Helper()
	vectors := clustered(260, smallDimension)
	g := graphOf(t, smallSpec, vectors[:200])
	for key := uint64(0); key < 120; key += 2 {
		g.Remove(key)
	}
	mustAddAll(t, g, keysFrom(200, 10), vectors[200:210])
	g.reframe()
	g.Remove(201)
	if len(g.sweep.waiting) == 0 || len(g.free) == 0 || len(g.arrays.Load().upper) == 0 {
		t.Fatalf("%d rows wait, %d are free: the snapshot needs some", len(g.sweep.waiting), len(g.free))
	}
	return mustRead(t, saved(t, g, []byte("what the caller wants kept")))
}

// loadBytes is Load of a file that holds b.
func loadBytes(t testing.TB, b []byte) (Index, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	x, _, err := loadFrom(path, smallSpec, smallDimension)
	return x, err
}

func mustRefuse(t testing.TB, what string, b []byte) {
	t.Helper()
	if x, err := loadBytes(t, b); !errors.Is(err, ErrSnapshot) || x != nil {
		t.Errorf("%s: Load = %T, %v, want ErrSnapshot", what, x, err)
	}
}

// headerOf decodes the header of a snapshot.
func headerOf(t testing.TB, b []byte) *header {
	t.Helper()
	h := new(header)
	if _, err := binary.Decode(b, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	return h
}

// verified is the number of bytes that checksums cover: all but what fills the
// last page.
func verified(t testing.TB, b []byte) int {
	h := headerOf(t, b)
	return int(h.Offsets[sectionSums] + h.Lengths[sectionSums])
}

func TestASmallSnapshotIsLoaded(t *testing.T) {
	x, err := loadBytes(t, smallSnapshot(t))
	if err != nil {
		t.Fatalf("Load = %v, want no error: the tests of damage need a sound file", err)
	}
	mustBeSound(t, x.(*Graph))
}

func TestAFlippedByteIsNoticed(t *testing.T) {
	b, r := smallSnapshot(t), rand.New(rand.NewPCG(1, 1))
	h, end := headerOf(t, b), verified(t, b)
	var at []int
	for i := range sections { // the ends of every section, and what fills its page
		from, to := int(h.Offsets[i]), int(h.Offsets[i]+h.Lengths[i])
		at = append(at, from-1, from, (from+to)/2, to-1, to)
	}
	for i := 0; i < binary.Size(h); i += 3 {
		at = append(at, i)
	}
	for range 300 {
		at = append(at, r.IntN(end))
	}
	for _, i := range at {
		if i >= end {
			continue
		}
		bit := byte(1) << r.IntN(8)
		b[i] ^= bit
		mustRefuse(t, "a flipped bit", b)
		b[i] ^= bit
	}
}

func TestATruncatedOrLongerFileIsNoticed(t *testing.T) {
	b, r := smallSnapshot(t), rand.New(rand.NewPCG(1, 1))
	h := headerOf(t, b)
	lengths := []int{0, 1, 100, pageSize - 1, pageSize, pageSize + 1, len(b) - pageSize, len(b) - 1}
	for i := range sections {
		lengths = append(lengths, int(h.Offsets[i]), int(h.Offsets[i]+h.Lengths[i]), int(h.Offsets[i])+7)
	}
	for range 50 {
		lengths = append(lengths, r.IntN(len(b)))
	}
	for _, n := range lengths {
		mustRefuse(t, "a truncated file", b[:min(n, len(b)-1)])
	}
	for _, n := range []int{1, pageSize, 3 * pageSize} {
		mustRefuse(t, "a longer file", append(slices.Clone(b), make([]byte, n)...))
	}
}

func TestALostPageIsNoticed(t *testing.T) {
	b := smallSnapshot(t)
	zeros := make([]byte, pageSize)
	for from := 0; from < verified(t, b); from += pageSize {
		page := slices.Clone(b[from : from+pageSize])
		if bytes.Equal(page, zeros) {
			continue
		}
		copy(b[from:], zeros)
		mustRefuse(t, "a page of zeros", b)
		other := (from + 3*pageSize) % (len(b) - pageSize)
		if kept := slices.Clone(b[other : other+pageSize]); !bytes.Equal(kept, page) {
			copy(b[from:], kept)
			copy(b[other:], page)
			mustRefuse(t, "two pages in each other's place", b)
			copy(b[other:], kept)
		}
		copy(b[from:], page)
	}
}

// Pieces have sums of their own: none may stand for another.
func TestSwappedPiecesAreNoticed(t *testing.T) {
	const d = 1024
	vectors := make([][]float32, 3*blockRows)
	for i := range vectors {
		vectors[i] = make([]float32, d)
		vectors[i][i%d] = 1
	}
	path := saved(t, filledWith(t, Spec{}, vectors), nil)
	b := mustRead(t, path)
	first, second := b[pageSize:pageSize+pieceSize], b[pageSize+pieceSize:pageSize+2*pieceSize]
	kept := slices.Clone(first)
	copy(first, second)
	copy(second, kept)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadFrom(path, Spec{}, d); !errors.Is(err, ErrSnapshot) {
		t.Errorf("Load of swapped pieces = %v, want ErrSnapshot", err)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	text := bytes.Repeat([]byte("no index at all\n"), 3*pageSize/16)
	for name, b := range map[string][]byte{
		"no bytes": nil, "text": text, "zeros": make([]byte, 10*pageSize), "only a magic": []byte(snapshotMagic),
		"text with a magic": append([]byte(snapshotMagic), text[len(snapshotMagic):]...),
	} {
		mustRefuse(t, name, b)
	}
	if _, _, err := loadFrom(t.TempDir(), smallSpec, smallDimension); !errors.Is(err, ErrSnapshot) {
		t.Errorf("Load of a folder = %v, want ErrSnapshot", err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, _, err := loadFrom(missing, smallSpec, smallDimension); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrSnapshot) {
		t.Errorf("Load of a missing file = %v, want fs.ErrNotExist", err)
	}
}

func TestAnotherIndexIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	if err := os.WriteFile(path, smallSnapshot(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		spec      Spec
		dimension int
		want      error
	}{
		{"another engine", Spec{}, smallDimension, ErrSnapshot},
		{"the library's engine", Spec{Engine: EngineCoder, M: 3}, smallDimension, ErrSnapshot},
		{"another M", Spec{Engine: EngineGraph, M: 4}, smallDimension, ErrSnapshot},
		{"the default M", Spec{Engine: EngineGraph}, smallDimension, ErrSnapshot},
		{"another dimension", smallSpec, smallDimension + 1, ErrSnapshot},
		{"no dimension", smallSpec, 0, ErrSnapshot},
		{"an invalid spec", Spec{Engine: "hsnw"}, smallDimension, ErrSpec},
	} {
		if x, _, err := loadFrom(path, c.spec, c.dimension); !errors.Is(err, c.want) || x != nil {
			t.Errorf("%s: Load = %T, %v, want %v", c.name, x, err, c.want)
		}
	}
}

// reseal makes the checksums of a snapshot right again, where its header allows.
func reseal(b []byte) {
	h := new(header)
	if _, err := binary.Decode(b, binary.LittleEndian, h); err != nil || len(b) < pageSize {
		return
	}
	from, size := h.Offsets[sectionSums], h.Lengths[sectionSums]
	if from >= pageSize && from <= uint64(len(b)) && size <= uint64(len(b))-from {
		sums := b[from : from+size]
		for i, piece := range slices.Collect(slices.Chunk(b[pageSize:from], pieceSize)) {
			if 4*i+4 <= len(sums) {
				binary.LittleEndian.PutUint32(sums[4*i:], crc32.Checksum(piece, castagnoli))
			}
		}
		h.SumOfSums = crc32.Checksum(sums, castagnoli)
	}
	copy(b, h.encode())
}

// Refusing must cost no more than the file is large, whatever it says.
func TestRefusingTakesLittleMemory(t *testing.T) {
	b := smallSnapshot(t)
	for _, forge := range []func(h *header){
		func(h *header) { h.Rows, h.Live = maxRows, maxRows },
		func(h *header) { h.Lengths[sectionMeta] = 1 << 40 },
		func(h *header) { h.Lengths[sectionWaiting] = 1 << 62 },
		func(h *header) { h.Head = 1 << 60 },
	} {
		forged := slices.Clone(b)
		h := headerOf(t, b)
		forge(h)
		copy(forged, h.encode())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mustRefuse(t, "a forged count", forged)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > uint64(4*len(b)) {
			t.Errorf("Load of %d bytes with forged counts allocated %d bytes", len(b), got)
		}
	}
}

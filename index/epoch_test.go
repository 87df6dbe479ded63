package index

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func TestAnEpochWaitsForTheReadersOfTheOneBefore(t *testing.T) {
	var e epochs
	advance := func(want uint64) {
		t.Helper()
		if got := e.advance(); got != want {
			t.Fatalf("advance() = %d, want %d", got, want)
		}
	}
	advance(1)
	first := e.enter() // in epoch 1
	advance(2)
	advance(2) // first is still there
	second := e.enter()
	advance(2)
	e.leave(first)
	advance(3)
	advance(3) // second is still there
	e.leave(second)
	advance(4)
	advance(5)
}

// Law: two epochs after something became unreachable, no reader that entered
// before is left, in whatever order readers come and go.
func TestNobodyIsLeftAfterTwoEpochs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type reader struct{ ticket, entered uint64 }
		var e epochs
		var inside []reader
		now := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) { inside = append(inside, reader{e.enter(), now}) },
			"leave": func(t *rapid.T) {
				if len(inside) == 0 {
					return
				}
				i := rapid.IntRange(0, len(inside)-1).Draw(t, "who")
				e.leave(inside[i].ticket)
				inside = slices.Delete(inside, i, i+1)
			},
			"advance": func(t *rapid.T) {
				was := now
				now = e.advance()
				oldest := now
				for _, r := range inside {
					oldest = min(oldest, r.entered)
				}
				if oldest+1 < now || now > was+1 || len(inside) == 0 && now != was+1 {
					t.Fatalf("advance() = %d from %d with a reader of %d inside", now, was, oldest)
				}
			},
		})
	})
}

// A cell is filled by one goroutine and emptied two epochs after it was hidden;
// who sees it filled must see it so until leaving.
func TestReadersKeepWhatTheySee(t *testing.T) {
	var e epochs
	var shown atomic.Pointer[atomic.Bool]
	var done atomic.Bool
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for !done.Load() {
				ticket := e.enter()
				if cell := shown.Load(); cell != nil {
					for range 3 {
						runtime.Gosched()
						if !cell.Load() {
							t.Error("a cell was emptied while a reader could see it")
						}
					}
				}
				e.leave(ticket)
				runtime.Gosched()
			}
		})
	}
	for range 1000 {
		cell := new(atomic.Bool)
		cell.Store(true)
		shown.Store(cell)
		runtime.Gosched()
		shown.Store(nil)
		for since := e.advance(); e.advance() < since+2; {
			runtime.Gosched()
		}
		cell.Store(false)
	}
	done.Store(true)
	group.Wait()
}

// Law: a keyMap is a map.
func TestAKeyMapIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, want := newKeyMap(), map[uint64]uint32{}
		key := rapid.OneOf(
			rapid.Uint64Range(0, 10), rapid.Uint64Range(500, 520), rapid.Uint64Range(0, 1<<40), rapid.Uint64Range(1<<64-3, 1<<64-1),
		)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, row := key.Draw(t, "key"), rapid.Uint32Range(0, maxRows-1).Draw(t, "row")
				if _, ok := want[k]; !ok { // keys are added once
					m.set(k, row)
					want[k] = row
				}
			},
			"remove": func(t *rapid.T) {
				if k := key.Draw(t, "key"); mapHas(want, k) {
					m.remove(k)
					delete(want, k)
				}
			},
			"row": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if got, ok := m.row(k); ok != mapHas(want, k) || got != want[k] {
					t.Fatalf("row(%d) = %d, %t, want %d, %t", k, got, ok, want[k], mapHas(want, k))
				}
			},
			"": func(t *rapid.T) {
				pages := map[uint64]bool{}
				for k := range want {
					pages[k/pageKeys] = true
				}
				if len(m.pages) != len(pages) || m.bytes() < int64(len(pages)*4*pageKeys) {
					t.Fatalf("%d pages of %d bytes, want %d", len(m.pages), m.bytes(), len(pages))
				}
			},
		})
	})
}

func mapHas(m map[uint64]uint32, key uint64) bool {
	_, ok := m[key]
	return ok
}

func TestRowsOfFindsThoseThatAreThere(t *testing.T) {
	m := newKeyMap()
	for key := uint64(0); key < 4000; key += 3 {
		m.set(key, uint32(key/3))
	}
	r := rand.New(rand.NewPCG(1, 1))
	in, want := new(Set), []uint32(nil)
	for key := range uint64(5000) {
		if r.IntN(20) == 0 {
			in.Add(key)
			if key < 4000 && key%3 == 0 {
				want = append(want, uint32(key/3))
			}
		}
	}
	if got := m.rowsOf(nil, in.All()); !slices.Equal(got, want) {
		t.Errorf("rowsOf(%d keys) = %v, want %v", in.Len(), got, want)
	}
}

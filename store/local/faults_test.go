package local_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"nearcase/store/disk/faulty"
)

// cuts is how many power losses are tried.
var cuts = flag.Int("local.cuts", 100, "power losses of TestWhatWasAcknowledgedOutlivesPowerLoss")

// Law: where any one operation of a call on a file fails, the call is refused or keeps
// what it acknowledges, and nothing is half done: not while the catalog goes on, not
// when it is opened again, and not when the power is lost before that.
func TestAFailureAtAnyPlaceLosesNothing(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.begin(0)
	must(t, errors.Join(k.open(), k.create(), k.put(0, 3), k.document(0), k.derived()))
	at := 0
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"Open", func() error { k.close(); return k.open() }},
		{"Put", func() error { at++; return k.put(at%10, 2) }},
		{"SaveDocument", func() error { at++; return k.document(at) }},
		{"DropDocument", func() error { at++; return errors.Join(k.document(at), k.dropDocument(at)) }},
		{"SaveDerived", k.derived},
		{"SaveThumbnail", k.thumbnail},
		{"the index is saved", k.snapshot},
		{"Delete", func() error { at++; return errors.Join(k.put(at%10, 1), k.thumbnail(), k.delete(at%10)) }},
		{"Erase", func() error { return errors.Join(k.put(8, 2), k.snapshot(), k.derived(), k.erase(4)) }},
		{"Compact", k.compact},
	} {
		most := 0
		for n := 1; n <= most+1; n++ {
			k.in.Fail(faulty.Any, n, nil)
			before := k.in.Count(faulty.Any)
			err := step.do()
			if used := k.in.Count(faulty.Any) - before; n > used {
				k.in.Heal()
				must(t, err)
				break
			}
			most = n
			k.in.Heal()
			if k.l == nil || k.l.Ready(t.Context()) != nil { // it says that it is to be opened again
				k.close()
				must(t, k.open())
			}
			k.look(k.l, fmt.Sprintf("%s, failure of operation %d (%v)", step.name, n, err))
		}
		t.Logf("%s: each of %d operations has failed", step.name, most)
		k.close()
		must(t, k.in.Cut())
		k.check(step.name)
		k.begin(uint64(most))
		must(t, k.open())
	}
	k.close()
}

// Law: whenever the power is lost, on a disk on which some operations fail too, the
// catalog opens, and all that was acknowledged is in it, and whole.
func TestWhatWasAcknowledgedOutlivesPowerLoss(t *testing.T) {
	const groups = 4 // at a time
	for group := range groups {
		t.Run(fmt.Sprint("seeds from ", group), func(t *testing.T) {
			t.Parallel()
			for seed := group; seed < *cuts && !t.Failed(); seed += groups {
				losePower(t, uint64(seed))
			}
		})
	}
}

// losePower cuts the power twice: the second life begins with what the first has
// left.
func losePower(t *testing.T, seed uint64) {
	k, rng := newKeeper(t), rand.New(rand.NewPCG(seed, 2))
	for life, most := range []int{900, 300} {
		k.begin(seed<<1 + uint64(life))
		if rng.IntN(3) == 0 {
			k.in.FailSome(0.02)
		}
		k.in.CutAt(1 + rng.IntN(most))
		k.live(rng)
		k.close()
		must(t, k.in.Cut())
	}
	k.check(fmt.Sprint("seed ", seed))
	must(t, os.RemoveAll(filepath.Dir(k.place))) // there are many
}

// live changes the catalog at random until the power is gone, and opens it anew where
// it must be.
func (k *keeper) live(rng *rand.Rand) {
	for range 60 {
		var err error
		if k.l == nil {
			if err = k.open(); err == nil {
				err = k.create()
			}
		} else {
			err = k.change(rng)
		}
		if errors.Is(err, faulty.ErrCut) {
			return
		}
		if k.l == nil || k.l.Ready(k.ctx()) != nil {
			k.close()
		}
	}
}

func (k *keeper) change(rng *rand.Rand) error {
	n := rng.IntN(10)
	switch rng.IntN(14) {
	case 0:
		return k.delete(n)
	case 1:
		return k.erase(n / 2)
	case 2:
		return k.dropDocument(n)
	case 3, 4:
		return k.derived()
	case 5:
		return k.thumbnail()
	case 6:
		return k.snapshot()
	case 7:
		if n > 2 { // it takes long
			return k.document(n)
		}
		return k.compact()
	case 8, 9, 10:
		return k.document(n)
	}
	return k.put(n, 1+rng.IntN(3))
}

package audit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"nearcase/store/disk"
	"nearcase/store/disk/faulty"
)

// recorder commits entries to a record on a disk that fails, and knows which of them
// were acknowledged.
type recorder struct {
	in    *faulty.FS
	dir   string
	most  int64 // bytes of a file
	log   *Log
	acked []int
	next  int
}

func (r *recorder) options() Options {
	return Options{MaxFile: r.most, Delay: patient.Delay, Files: r.in}
}

// record commits n entries, and opens the record again where it refuses one if it is
// restarted.
func (r *recorder) record(t *testing.T, n int, isRestarted bool) {
	t.Helper()
	for range n {
		if r.log == nil {
			var err error
			if r.log, err = Open(r.dir, seal(t), r.options()); errors.Is(err, ErrTampered) {
				t.Fatalf("Open: got %v, and nobody has changed the record", err)
			} else if err != nil {
				continue
			}
		}
		r.next++
		if r.next%4 == 0 {
			_ = r.log.Note(t.Context(), entry(r.next)) // which need not be there
			continue
		}
		if err := r.log.Commit(t.Context(), entry(r.next)); err == nil {
			r.acked = append(r.acked, r.next)
		} else if isRestarted {
			r.close()
		}
	}
}

func (r *recorder) close() {
	if r.log != nil {
		_ = r.log.Close()
	}
	r.log = nil
}

// check opens the record where nothing fails, and returns what is wrong with it.
func (r *recorder) check(t *testing.T) error {
	t.Helper()
	l, err := Open(r.dir, seal(t), Options{MaxFile: r.most, Files: faulty.New(filepath.Dir(r.dir), 0)})
	if err != nil {
		return err
	}
	more := l.Commit(t.Context(), entry(r.next+1))
	if err := errors.Join(more, l.Close()); err != nil {
		return err
	}
	if _, err := seal(t).Verify(r.dir, 1); err != nil {
		return err
	}
	there := map[string]bool{}
	for _, line := range lines(t, r.dir) {
		there[line.Request] = true
	}
	for _, i := range append(r.acked, r.next+1) {
		if !there[entry(i).Request] {
			return fmt.Errorf("entry %d was acknowledged and is not there; there are %v of %v", i, there, r.acked)
		}
	}
	return nil
}

// Law: wherever one operation fails, an entry is acknowledged and is in the record, or
// refused, and the record goes on as it was written; if the power is lost after that
// too.
func TestARecordOutlivesAFailureAtAnyPlace(t *testing.T) {
	for n, most := 1, 1; n <= most; n++ {
		for _, isRestarted := range []bool{false, true} {
			isCut := isRestarted == (n%2 == 0)
			r := recorder{dir: filepath.Join(t.TempDir(), "audit"), most: 1000}
			r.in = faulty.New(filepath.Dir(r.dir), uint64(n))
			r.in.Fail(faulty.Any, n, nil)
			r.record(t, 15, isRestarted)
			r.close()
			most = max(most, r.in.Count(faulty.Any))
			if isCut {
				if err := r.in.Cut(); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.check(t); err != nil {
				t.Errorf("failure of operation %d, restarted %t, power loss %t: %v", n, isRestarted, isCut, err)
			}
		}
	}
}

// Law: whenever the power is lost, on a disk on which much fails too, the record opens,
// is as it was written, and has all that was acknowledged.
func TestARecordOutlivesPowerLoss(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := recorder{dir: filepath.Join(t.TempDir(), "audit"), most: []int64{1000, 1 << 20}[seed%2]}
		for life := range 3 {
			r.in = faulty.New(filepath.Dir(r.dir), seed<<8|uint64(life))
			if random.IntN(2) == 0 {
				r.in.FailSome(0.05)
			}
			r.in.CutAt(1 + random.IntN(200))
			r.record(t, random.IntN(40), true)
			r.close()
			if err := r.in.Cut(); err != nil {
				t.Fatal(err)
			}
			if err := r.check(t); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			r.acked, r.next = append(r.acked, r.next+1), r.next+1
		}
	}
}

// What is left half written of the files that are replaced is removed.
func TestWhatACrashLeftHalfWrittenIsRemoved(t *testing.T) {
	dir := written(t, 2, Options{})
	write(t, filepath.Join(dir, disk.HalfWritten+"1"), []byte("half"))
	open(t, dir, Options{})
	if left, err := filepath.Glob(filepath.Join(dir, disk.HalfWritten+"*")); err != nil || len(left) > 0 {
		t.Errorf("half written files after Open: %v, %v, want none", left, err)
	}
}

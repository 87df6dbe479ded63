//go:build linux

package powerloss

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"nearcase/store"
)

var (
	runs  = flag.Int("runs", 40, "how often the power is cut")
	bulky = flag.Bool("bulky", false, "only stores with so much that tables are filled")
	seed  = flag.Uint64("seed", 0, "what decides when, and what is left; 0 draws one")
)

func TestMain(m *testing.M) {
	if text := os.Getenv(asChild); text != "" {
		var c child
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0) // as it is, without closing anything
	}
	os.Exit(m.Run())
}

// Whatever a store has acknowledged is there after the power was cut at any moment,
// with of all that was not synced what chance has left, and it goes on working.
func TestPowerLossLosesNothingAcknowledged(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1 << 48)
	}
	t.Logf("go test ./store/local/powerloss -run TestPowerLoss -runs %d -seed %d", *runs, first)
	s := newState(t)
	for n := range *runs {
		if n%generations == 0 {
			s = newState(t)
		}
		if s.cut(first + uint64(n)); t.Failed() {
			t.Fatalf("run %d: seed %d, of the %d. generation", n, first+uint64(n), n%generations+1)
		}
		total.add(s)
	}
	t.Logf("%d cuts, %d of them while it opened, after %d calls and %d syncs; %d acknowledged, %d pending of which %d had happened; %d stores had filled tables",
		*runs, total.opening, total.calls, total.syncs, total.acknowledged, total.pending, total.happened, total.rotated)
}

// generations is how often the power of the same store is cut.
const generations = 4

// tally counts what all runs have met.
type tally struct{ opening, calls, syncs, acknowledged, pending, happened, rotated int }

var total tally

func (t *tally) add(s *state) {
	t.calls, t.syncs = t.calls+s.calls, t.syncs+s.syncs
	t.acknowledged, t.pending, t.happened = t.acknowledged+s.acknowledged, t.pending+len(s.unsure), t.happened+s.happened
	t.rotated += s.rotated
	if !s.opened {
		t.opening++
	}
}

// state is what a store must have: the model.
type state struct {
	t         *testing.T
	dir       string // what the disk has
	instances map[string]instance
	documents map[string][]byte
	// of the last cut
	begun                  map[int]op // by client
	unsure                 []op
	opened                 bool
	acknowledged, happened int
	calls, syncs, rotated  int
	bulky                  bool
}

// instance is what is known of one.
type instance struct {
	record  store.Record
	history []store.Label
}

func newState(t *testing.T) *state {
	return &state{t: t, dir: t.TempDir(), instances: map[string]instance{}, documents: map[string][]byte{}}
}

// cut runs the store in a process of its own, cuts its power, and checks what is left.
func (s *state) cut(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	s.begun, s.unsure, s.opened, s.acknowledged, s.happened, s.rotated = map[int]op{}, nil, false, 0, 0, 0
	s.bulky = random.IntN(6) == 0 || *bulky
	o := Options{Seed: seed, Journalled: random.IntN(3) == 0, CutAt: 300 + random.IntN(5000)}
	if s.bulky {
		o.CutAt *= 3
	}
	o.Unnamed = random.IntN(2) == 0
	if random.IntN(5) == 0 {
		o.CutAt = 1 + random.IntN(600) // while it opens
	}
	at := s.t.TempDir()
	f, err := Mount(at, s.dir, o)
	if errors.Is(err, ErrUnavailable) {
		s.t.Skip(err)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.run(f, child{Dir: filepath.Join(at, "data"), Seed: seed, Bulky: s.bulky})
	f.Cut()
	if err := f.Unmount(); err != nil {
		s.t.Fatal(err)
	}
	calls, files, folders := f.Counts()
	s.calls, s.syncs = calls, files+folders
	left := s.t.TempDir()
	if err := f.Left(left); err != nil {
		s.t.Fatal(err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Fatal(err)
	}
	s.dir = left
	if tables, _ := filepath.Glob(filepath.Join(left, "data", "log", "*.sst")); len(tables) > 0 { // written of what a full table in memory had
		s.rotated++
	}
	s.check()
}

// run lets the child work until the power is cut or it has come to its end.
func (s *state) run(f *FS, c child) {
	text, err := json.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	p := exec.Command(os.Args[0])
	p.Env = append(os.Environ(), asChild+"="+string(text))
	var said bytes.Buffer
	p.Stderr = &said
	out, err := p.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		select {
		case <-f.Gone():
			_ = p.Process.Kill()
		case <-ended:
		}
	})
	s.read(f, out)
	if err := p.Wait(); err != nil && !isCut(f) {
		s.t.Errorf("the store ended by itself: %v\n%s", err, said.Bytes())
	}
	close(ended)
	killer.Wait()
	for _, o := range s.begun {
		s.unsure = append(s.unsure, o)
	}
}

func isCut(f *FS) bool {
	select {
	case <-f.Gone():
		return true
	default:
		return false
	}
}

// read takes in what the child tells, until it ends. What it has acknowledged with the
// power gone had been made durable before: whatever is asked for later fails.
func (s *state) read(f *FS, from io.Reader) {
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadBytes('\n')
		var e event
		if err != nil || json.Unmarshal(line, &e) != nil {
			return
		}
		switch {
		case !e.Done:
			s.begun[e.Client] = e.Op
		case e.Op.Kind == "open":
			s.opened = true
		case e.Err != "" && !isCut(f):
			s.t.Errorf("%+v: %s", e.Op, e.Err)
		case e.Err != "":
		default:
			delete(s.begun, e.Client)
			s.acknowledged++
			s.apply(e.Op)
		}
	}
}

// apply takes in what has happened.
func (s *state) apply(o op) {
	switch o.Kind {
	case opPut:
		for _, id := range o.IDs {
			s.applyOne(o, id)
		}
	case opDocument:
		s.documents[o.ID] = document(o.Seed)
	case opForget:
		delete(s.documents, o.ID)
	case opErase:
		for id := range s.instances {
			if patientOf(id) == o.ID {
				delete(s.instances, id)
			}
		}
	default:
		s.applyOne(o, o.ID)
	}
}

// applyOne takes in what has happened to one instance.
func (s *state) applyOne(o op, id string) {
	switch o.Kind {
	case opPut, opReplace:
		i := s.instances[id]
		i.record = record(id, o.Seed, s.bulky)
		s.instances[id] = i
	case opLabel, opWithdraw:
		i := s.instances[id]
		i.history = said(i.history, o.label())
		s.instances[id] = i
	case opDelete:
		delete(s.instances, id)
	}
}

// said is a history with a label that says something, or as it was.
func said(history []store.Label, l store.Label) []store.Label {
	for _, was := range slices.Backward(history) {
		if was.Reader == l.Reader {
			if was.Says(l) {
				return history
			}
			return append(slices.Clip(history), l)
		}
	}
	if l.Removed {
		return history
	}
	return append(slices.Clip(history), l)
}

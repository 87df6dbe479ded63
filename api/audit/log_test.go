package audit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"nearcase/store/disk"
)

func TestWhatWasCommittedIsReadBackInOrder(t *testing.T) {
	dir := written(t, 5, Options{})
	l := open(t, dir, Options{})
	commit(t, l, 6, 7)
	got := lines(t, dir)
	for i, line := range got {
		if diff := cmp.Diff(entry(i+1), line.Entry); line.N != int64(i+1) || diff != "" {
			t.Errorf("line %d: got number %d (-want +got):\n%s", i+1, line.N, diff)
		}
	}
	r, err := seal(t).Verify(dir, 1)
	want := Report{Files: 1, First: 1, Last: 7, From: entry(1).Time, To: entry(7).Time, Head: 7}
	if diff := cmp.Diff(want, r); err != nil || diff != "" || len(got) != 7 {
		t.Errorf("Verify, while the log is open: got %v (-want +got):\n%s", err, diff)
	}
}

func TestTheChainGoesOnFromFileToFile(t *testing.T) {
	dir := written(t, 20, Options{MaxFile: 1000})
	l := open(t, dir, Options{MaxFile: 1000})
	commit(t, l, 21, 25)
	r, err := seal(t).Verify(dir, 1)
	if err != nil || r.Files < 5 || r.Last != 25 {
		t.Errorf("Verify: got %+v, %v, want 25 lines in several files", r, err)
	}
	all, err := files(disk.System{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	second := all[1].first
	if err := os.Remove(all[0].path); err != nil {
		t.Fatal(err)
	}
	if _, err := seal(t).Verify(dir, 1); !errors.Is(err, ErrTampered) {
		t.Errorf("Verify without the first file: got %v, want %v", err, ErrTampered)
	}
	if r, err := seal(t).Verify(dir, second); err != nil || r.First != second {
		t.Errorf("Verify from line %d, as the first file is elsewhere: got %+v, %v", second, r, err)
	}
}

func TestEntriesAreWrittenBeforeTheyAreDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "audit")
		l := open(t, dir, Options{Delay: time.Minute})
		defer l.Close()
		if err := l.Note(t.Context(), entry(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		head := func() int64 {
			h, err := l.readHead(disk.System{}, dir)
			return map[bool]int64{true: h.n, false: -1}[err == nil]
		}
		if len(lines(t, dir)) != 1 || head() != 0 {
			t.Errorf("at once: got %d lines, %d durable, want 1 and 0", len(lines(t, dir)), head())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if head() != 1 {
			t.Errorf("after the delay: got %d lines durable, want 1", head())
		}
	})
}

// What a crash leaves beyond the head is kept as far as it is whole, and the
// record says that something was cut off.
func TestACrashLosesNothingDurable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, dir, patient)
	commit(t, l, 1, 3)
	if err := l.Note(t.Context(), entry(4)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole, oldHead := read(t, newest(t, dir)), seal(t).encodeHead(head{3, digest(bytes.Split(read(t, newest(t, dir)), []byte("\n"))[2])})
	ends := strings.LastIndex(strings.TrimSuffix(string(whole), "\n"), "\n") + 1 // of line 3
	for _, c := range []struct {
		fact  string
		left  []byte
		lines int
	}{
		{"all", whole, 4},
		{"half a line", whole[:len(whole)-20], 4}, // line 4 is gone, and one says so
		{"a line without its end", whole[:len(whole)-1], 4},
		{"what is durable", whole[:ends], 3},
		{"zeros", append(bytes.Clone(whole), make([]byte, 4096)...), 5},
	} {
		crashed := copied(t, dir)
		write(t, newest(t, crashed), c.left)
		write(t, filepath.Join(crashed, headName), oldHead)
		again := open(t, crashed, patient)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		got := lines(t, crashed)
		if _, err := seal(t).Verify(crashed, 1); err != nil || len(got) != c.lines {
			t.Errorf("%s: got %d lines, %v, want %d", c.fact, len(got), err, c.lines)
		}
		if cut := got[len(got)-1].Operation == "audit.cut"; cut != (len(c.left) != len(whole) && c.lines != 3) {
			t.Errorf("%s: a line says that something was cut off: %v", c.fact, cut)
		}
	}
}

func TestAFileWithoutLinesIsNoMatter(t *testing.T) {
	for _, n := range []int{0, 3} {
		dir := written(t, n, Options{})
		write(t, filepath.Join(dir, fileName(int64(n+1))), nil)
		l := open(t, dir, Options{})
		commit(t, l, n+1, n+2)
		if r, err := seal(t).Verify(dir, 1); err != nil || r.Last != int64(n+2) {
			t.Errorf("after a crash between files, %d lines before: got %+v, %v", n, r, err)
		}
	}
}

// A log that cannot be written refuses, says so, tries again, and tells how
// many entries it has lost.
func TestALogThatCannotBeWrittenSaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, dir, patient)
	commit(t, l, 1, 1)
	good := l.w.last
	bad, err := os.Open(good.Name()) // for reading alone
	if err != nil {
		t.Fatal(err)
	}
	l.w.last = bad
	for range 3 {
		if err := l.Commit(t.Context(), entry(2)); !errors.Is(err, syscall.EBADF) && !errors.Is(err, syscall.EINVAL) {
			t.Fatalf("Commit: got %v, want the failure of the file", err)
		}
	}
	if err := l.Note(t.Context(), entry(3)); err != nil {
		t.Fatal(err)
	}
	if err := l.Ready(t.Context()); err == nil {
		t.Error("Ready: got nil, want why nothing is written")
	}
	l.w.last = good
	if err := errors.Join(l.Ready(t.Context()), l.Ready(t.Context()), bad.Close()); err != nil {
		t.Errorf("Ready once it can be written: %v", err)
	}
	var got []string
	for _, line := range lines(t, dir) {
		got = append(got, line.Operation)
	}
	if diff := cmp.Diff([]string{"similar", "audit.lost", "audit.resumed"}, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if lost := lines(t, dir)[1].Counts["entries"]; lost != 1 {
		t.Errorf("lost: got %d entries, want 1", lost)
	}
	if _, err := seal(t).Verify(dir, 1); err != nil {
		t.Error(err)
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	l := &Log{queue: make(chan queued, 1), ended: make(chan struct{})} // nobody writes
	ctx, cancel := context.WithCancel(t.Context())
	if err := l.Note(ctx, entry(1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := l.Note(ctx, entry(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("Note to a full queue: got %v, want it to wait and then %v", err, context.Canceled)
	}
}

func TestManyMayCommitAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, dir, Options{MaxFile: 10_000})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range 25 {
				if err := errors.Join(l.Commit(t.Context(), entry(i)), l.Note(t.Context(), entry(i)), l.Ready(t.Context())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if r, err := seal(t).Verify(dir, 1); err != nil || r.Last != 400 || r.Head != 400 {
		t.Errorf("Verify: got %+v, %v, want 400 lines", r, err)
	}
	if err := l.Commit(t.Context(), entry(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Commit after Close: got %v, want %v", err, ErrClosed)
	}
}

func TestLinesHaveABound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, dir, Options{})
	e := entry(1)
	e.Request, e.Key, e.Operation = strings.Repeat("\x00", 1<<20), strings.Repeat("ü", 1<<20), strings.Repeat("<", 1<<20)
	for range 10_000 {
		e.Subjects = append(e.Subjects, l.Instance("1.2.3"))
	}
	if err := l.Commit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, newest(t, dir))); got > maxLine || len(lines(t, dir)[0].Subjects) != maxSubjects {
		t.Errorf("got a line of %d bytes with %d subjects", got, len(lines(t, dir)[0].Subjects))
	}
}

func TestSubjectsAreFoundAndSayNothing(t *testing.T) {
	s := seal(t)
	other, err := NewSeal(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if again := seal(t); s.Instance("a") != again.Instance("a") || s.Instance("a") == s.Patient("a") || s.Instance("a") == s.Instance("b") || s.Instance("a") == other.Instance("a") {
		t.Error("Instance: want a name that depends on the key, the kind and the ID alone")
	}
	line := Line{Entry: Entry{Time: entry(5).Time, Key: "k", Subjects: []string{s.Instance("a")}}}
	for want, all := range map[bool][]Filter{
		true:  {{}, {Since: entry(5).Time}, {Key: "k"}, {Subject: s.Instance("a")}, {Since: entry(4).Time, Key: "k", Subject: s.Instance("a")}},
		false: {{Since: entry(6).Time}, {Key: "l"}, {Subject: s.Instance("b")}, {Key: "k", Subject: s.Patient("a")}},
	} {
		for _, f := range all {
			if f.Accepts(line) != want {
				t.Errorf("%+v accepts %+v: got %v, want %v", f, line, !want, want)
			}
		}
	}
	if _, err := NewSeal(make([]byte, 31)); !errors.Is(err, ErrKey) {
		t.Errorf("NewSeal of 31 bytes: got %v, want %v", err, ErrKey)
	}
}

func BenchmarkNote(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "audit"), Options{})
	e := entry(1)
	for range 20 {
		e.Subjects = append(e.Subjects, l.Instance("1.2.3"))
	}
	for b.Loop() {
		if err := l.Note(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "audit"), Options{})
	for b.Loop() {
		if err := l.Commit(b.Context(), entry(1)); err != nil {
			b.Fatal(err)
		}
	}
}

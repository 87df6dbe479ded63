package local_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"nearcase/store"
	"nearcase/store/backup"
	"nearcase/store/disk"
	"nearcase/store/local"
	"nearcase/store/storetest"
	"nearcase/store/vault"
)

// backedUp makes a backup, since another if that is given.
func backedUp(t testing.TB, l store.Catalog, base *store.Backup) ([]byte, store.Backup) {
	t.Helper()
	var out bytes.Buffer
	b, err := l.Backup(t.Context(), &out, store.BackupOptions{Base: base, Program: "test", Beside: []string{"audit"}, LeftOut: []string{"patient.key"}})
	must(t, err)
	if b.Damaged > 0 {
		t.Fatalf("Backup found damage: %+v", b.Damages)
	}
	return out.Bytes(), b
}

func sources(all ...[]byte) (from []local.Source) {
	for i, data := range all {
		from = append(from, local.Source{Name: fmt.Sprint("backup ", i), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }})
	}
	return from
}

var beside = local.RestoreOptions{Beside: []string{"audit"}, Options: local.Options{Memory: littleMemory}}

// restored restores backups and opens what they hold.
func restored(t testing.TB, all ...[]byte) (*local.Catalog, store.Backup) {
	t.Helper()
	dir := t.TempDir()
	b, err := local.Restore(t.Context(), dir, sources(all...), beside)
	must(t, err)
	l, err := local.Open(dir, local.Options{MustExist: true, Memory: littleMemory})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l, b
}

// content is all that a catalog has.
type content struct {
	Collections []store.Collection
	Cases       map[string][]store.Case
	Histories   map[string][]store.Entry
	Log         map[string][]store.Entry
	Vectors     map[string][]float32
	Found       map[string][]store.Case
	Originals   map[string]string
	Derived     map[string]string
	Documents   map[string]string
}

// all asks a catalog for everything.
func all(t testing.TB, l store.Catalog, kinds ...string) content {
	t.Helper()
	ctx := t.Context()
	e := content{
		Cases: map[string][]store.Case{}, Histories: map[string][]store.Entry{}, Log: map[string][]store.Entry{}, Vectors: map[string][]float32{},
		Found: map[string][]store.Case{}, Originals: map[string]string{}, Derived: map[string]string{}, Documents: map[string]string{},
	}
	var err error
	e.Collections, err = l.Collections(ctx)
	must(t, err)
	for _, c := range e.Collections {
		e.of(t, l, c.Name)
	}
	for _, kind := range kinds {
		documents, err := l.Documents(ctx, kind)
		must(t, err)
		for _, d := range documents {
			e.Documents[kind+" "+d.Name] = string(d.Data)
		}
	}
	return e
}

func (e *content) of(t testing.TB, l store.Catalog, name string) {
	t.Helper()
	ctx := t.Context()
	cases, err := l.List(ctx, name, 0, 1e6)
	must(t, err)
	e.Cases[name] = cases
	for _, c := range cases {
		at := name + " " + c.Instance.ID
		e.Histories[at], err = l.History(ctx, name, c.Instance.ID)
		must(t, err)
		e.Vectors[at], err = l.Vector(ctx, name, c.Instance.ID)
		must(t, err)
		r, err := l.Original(ctx, name, c.Instance.ID)
		if errors.Is(err, store.ErrOriginal) {
			continue
		}
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, errors.Join(err, r.Close()))
		e.Originals[at] = string(data)
	}
	for entry, err := range l.Log(ctx, name, 0) {
		must(t, err)
		e.Log[name] = append(e.Log[name], entry)
	}
	for n := range 10 {
		e.Found[fmt.Sprint(name, n)], err = l.Search(ctx, name, store.Query{Vector: storetest.Record(1000 + n).Vector, K: 10})
		must(t, err)
	}
	names, err := l.DerivedNames(ctx, name)
	must(t, err)
	for _, d := range names {
		data, err := l.Derived(ctx, name, d)
		must(t, err)
		e.Derived[name+" "+d] = string(data)
	}
}

func mustEqual(t testing.TB, what string, got, want content) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s: %s differ:\n got %.600v\nwant %.600v", what, g.Type().Field(i).Name, g.Field(i), w.Field(i))
		}
	}
}

// populated is a catalog with everything in it that there can be.
func populated(t testing.TB) (*local.Catalog, string) {
	t.Helper()
	dir := t.TempDir()
	l, err := local.Open(dir, local.Options{Memory: littleMemory})
	must(t, err)
	ctx := t.Context()
	for _, name := range []string{"a", "b"} {
		must(t, l.Create(ctx, storetest.Collection(name)))
		put(t, l, name, storetest.Records(0, 600))
	}
	relabel(t, l, "a", 0, 40)
	for n := range 20 {
		must(t, l.Delete(ctx, "a", fmt.Sprint("i", 7*n)))
	}
	must(t, l.SaveDerived(ctx, "a", "ridge.finding", []byte("statistics")))
	must(t, l.SaveDerived(ctx, "b", "version.1", bytes.Repeat([]byte("v"), 1000)))
	must(t, l.SaveDocument(ctx, "job", "one", []byte(`{"state":"done"}`)))
	must(t, l.SaveDocument(ctx, "key", strings.Repeat("ü", 60), []byte("key")))
	must(t, os.Mkdir(filepath.Join(dir, "audit"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "audit", "0001.jsonl"), []byte("line 1\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "patient.key"), []byte("secret"), 0o600))
	return l, dir
}

func put(t testing.TB, l store.Catalog, name string, records []store.Record) {
	t.Helper()
	outcomes, err := l.Put(t.Context(), name, records)
	must(t, err)
	for _, o := range outcomes {
		must(t, o.Err)
	}
}

func relabel(t testing.TB, l store.Catalog, name string, from, to int) {
	t.Helper()
	var labels []store.Label
	for n := from; n < to; n++ {
		labels = append(labels, store.Label{Instance: fmt.Sprint("i", n), Task: "finding", Classes: []string{[]string{"normal", "pneumonia"}[(n+1)%2]}, Reader: "r"})
	}
	_, err := l.Label(t.Context(), name, labels)
	must(t, err)
}

func TestARestoredDirectoryAnswersAsTheOneBackedUp(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	want := all(t, l, "job", "key")
	data, b := backedUp(t, l, nil)
	if _, err := backup.Verify(bytes.NewReader(data), backup.Identities{}); err != nil {
		t.Errorf("Verify = %v", err)
	}
	if len(b.LeftOut) != 1 || b.LeftOut[0].Name != "patient.key" {
		t.Errorf("left out: %+v, want patient.key", b.LeftOut)
	}
	again, from := restored(t, data)
	mustEqual(t, "restored", all(t, again, "job", "key"), want)
	if line, err := os.ReadFile(filepath.Join(again.Dir(), "audit", "0001.jsonl")); err != nil || string(line) != "line 1\n" {
		t.Errorf("audit log = %q, %v", line, err)
	}
	if from.ID != b.ID || from.Pairs == 0 {
		t.Errorf("Restore = %+v", from)
	}
	// The log is the same bit for bit.
	second, c := backedUp(t, again, nil)
	if c.Log != b.Log || c.Pairs != b.Pairs || len(second) == 0 {
		t.Errorf("log of what was restored: %d pairs %s, want %d %s", c.Pairs, c.Log, b.Pairs, b.Log)
	}
	put(t, again, "a", storetest.Records(600, 610)) // it goes on
}

func TestIncrementalBackupsAreRestoredInOrder(t *testing.T) {
	t.Parallel()
	l, dir := populated(t)
	defer l.Close()
	ctx := t.Context()
	first, b1 := backedUp(t, l, nil)
	then := all(t, l, "job", "key")

	put(t, l, "a", storetest.Records(600, 650))
	must(t, l.Delete(ctx, "b", "i3"))
	relabel(t, l, "b", 10, 20)
	_, err := l.Erase(ctx, "a", "p10")
	must(t, err)
	must(t, l.SaveDerived(ctx, "a", "ridge.finding", []byte("other statistics")))
	must(t, l.DropDerived(ctx, "b", "version.1"))
	must(t, l.SaveDocument(ctx, "job", "two", []byte(`{}`)))
	must(t, l.DropDocument(ctx, "job", "one"))
	must(t, os.WriteFile(filepath.Join(dir, "audit", "0001.jsonl"), []byte("line 1\nline 2\n"), 0o600))
	second, b2 := backedUp(t, l, &b1)
	later := all(t, l, "job", "key")

	_, err = l.Compact(ctx, nil) // old entries become others
	must(t, err)
	must(t, l.Create(ctx, storetest.Collection("c")))
	put(t, l, "c", storetest.Records(0, 5))
	must(t, l.Drop(ctx, "b"))
	third, _ := backedUp(t, l, &b2)
	last := all(t, l, "job", "key")

	for what, c := range map[string]struct {
		from [][]byte
		want content
	}{
		"the full one":            {[][]byte{first}, then},
		"with an incremental one": {[][]byte{first, second}, later},
		"with both":               {[][]byte{first, second, third}, last},
	} {
		again, _ := restored(t, c.from...)
		mustEqual(t, what, all(t, again, "job", "key"), c.want)
		if what == "with both" {
			if lines, err := os.ReadFile(filepath.Join(again.Dir(), "audit", "0001.jsonl")); err != nil || string(lines) != "line 1\nline 2\n" {
				t.Errorf("audit log = %q, %v", lines, err)
			}
		}
	}
	for what, from := range map[string][][]byte{
		"without its base": {second}, "in another order": {first, third, second}, "with one left out": {first, third}, "full after full": {first, first}, "none": {},
	} {
		dir := t.TempDir()
		if _, err := local.Restore(ctx, dir, sources(from...), beside); !errors.Is(err, store.ErrBackup) {
			t.Errorf("%s: Restore = %v, want ErrBackup", what, err)
		}
		if _, err := local.Open(dir, local.Options{}); !errors.Is(err, store.ErrUnfinished) {
			t.Errorf("%s: Open after it = %v, want ErrUnfinished", what, err)
		}
	}
}

// Law: an incremental backup takes about as much as what has changed.
func TestAnIncrementalBackupIsAsLargeAsTheChange(t *testing.T) {
	l, err := local.Open(t.TempDir(), local.Options{})
	must(t, err)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("a")))
	put(t, l, "a", bare(0, 10_000))
	full, base := backedUp(t, l, nil)
	next := 10_000
	t.Logf("full: %d bytes for 10,000", len(full))
	for _, n := range []int{0, 1, 100, 1000} {
		put(t, l, "a", bare(next, next+n))
		next += n
		data, b := backedUp(t, l, &base)
		share := float64(len(data)) / float64(len(full))
		t.Logf("%d more: %d bytes, %.2f%%", n, len(data), 100*share)
		if most := 0.01 + 1.5*float64(n)/10_000; share > most {
			t.Errorf("incremental backup of %d more: %.2f of the full one, want up to %.2f", n, share, most)
		}
		base = b
	}
	for n := range 100 {
		must(t, l.Delete(t.Context(), "a", fmt.Sprint("i", n*97)))
	}
	data, _ := backedUp(t, l, &base)
	t.Logf("100 deleted, scattered: %d bytes", len(data))
	if len(data) > len(full)/20 {
		t.Errorf("incremental backup of 100 deletions: %d bytes, the full one has %d", len(data), len(full))
	}
}

// bare are records without originals.
func bare(from, to int) []store.Record {
	records := storetest.Records(from, to)
	for i := range records {
		records[i].Original, records[i].Instance.Kept = nil, store.NotKept
	}
	return records
}

// What is deleted, erased, dropped and stored while a backup is being read does not
// show in it, and nobody waits for it.
func TestABackupIsOfOneMoment(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	ctx := t.Context()
	want := all(t, l)
	out, in := io.Pipe()
	at := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := l.Backup(ctx, in, store.BackupOptions{At: func(store.Backup) { close(at) }})
		in.CloseWithError(err)
		done <- err
	}()
	var data bytes.Buffer
	must(t, readUntil(&data, out, at))
	for n := 300; n < 400; n++ {
		must(t, l.Delete(ctx, "a", fmt.Sprint("i", n)))
	}
	_, err := l.Erase(ctx, "a", "p200")
	must(t, err)
	must(t, l.Drop(ctx, "b"))
	put(t, l, "a", storetest.Records(700, 720))
	must(t, l.SaveDerived(ctx, "a", "ridge.finding", []byte("newer")))
	if _, err := l.Original(ctx, "a", "i300"); !errors.Is(err, store.ErrInstance) {
		t.Errorf("Original of what is deleted = %v, want ErrInstance", err)
	}
	_, err = io.Copy(&data, out)
	must(t, errors.Join(err, <-done))
	now := files(t, l.Dir())
	again, _ := restored(t, data.Bytes())
	mustEqual(t, "restored", all(t, again), want)
	if cases, err := l.List(ctx, "a", 0, 1e6); err != nil || now != len(cases) {
		t.Errorf("originals after the backup: %d, want %d, one each: what was deleted meanwhile is gone too (%v)", now, len(cases), err)
	}
}

// readUntil reads what comes until something has happened.
func readUntil(to io.Writer, from io.Reader, happened <-chan struct{}) error {
	b := make([]byte, 512)
	for {
		n, err := from.Read(b)
		if _, failed := to.Write(b[:n]); err != nil || failed != nil {
			return errors.Join(err, failed)
		}
		select {
		case <-happened:
			return nil
		default:
		}
	}
}

// A compaction waits for the backup, and changes do not wait for either.
func TestCompactWaitsForABackup(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	out, in := io.Pipe()
	at := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		_, err := l.Backup(t.Context(), in, store.BackupOptions{At: func(store.Backup) { close(at) }})
		in.CloseWithError(err)
	})
	var data bytes.Buffer
	must(t, readUntil(&data, out, at))
	compacted := make(chan error, 1)
	work.Go(func() { _, err := l.Compact(t.Context(), nil); compacted <- err })
	put(t, l, "a", storetest.Records(700, 720))
	select {
	case err := <-compacted:
		t.Errorf("Compact has ended before the backup: %v", err)
	default:
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Compact(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Compact that is cancelled = %v", err)
	}
	_, err := io.Copy(&data, out)
	must(t, err)
	must(t, <-compacted)
	work.Wait()
}

var (
	chained       = flag.Int("local.backups", 3, "backups of the chain of TestABackupUnderLoadIsOfOneMoment")
	spoiltBackups = flag.Int("local.backupdamages", 100, "damaged backups that TestADamagedBackupRestoresNothing restores")
)

// Law: what a backup holds is what was acknowledged before its moment, whatever is
// changed at the same time.
func TestABackupUnderLoadIsOfOneMoment(t *testing.T) {
	t.Parallel()
	l, _ := populated(t)
	defer l.Close()
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for w := range 3 {
		work.Go(func() {
			for n := 1000 + 1000*w; ctx.Err() == nil; n++ {
				_, _ = l.Put(ctx, "a", storetest.Records(n, n+5))
				_, _ = l.Label(ctx, "a", []store.Label{{Instance: fmt.Sprint("i", n), Task: "devices", Classes: []string{"line"}}})
				_ = l.Delete(ctx, "a", fmt.Sprint("i", n-3))
				_ = l.SaveDocument(ctx, "job", fmt.Sprint(w), fmt.Append(nil, n))
			}
		})
	}
	work.Go(func() {
		for ctx.Err() == nil {
			_, _ = l.Reindex(ctx, "b", store.Reindexing{Index: store.Index{Engine: "exact"}}, nil)
			_, _ = l.Erase(ctx, "b", fmt.Sprint("p", rand.IntN(300)))
		}
	})
	var bases [][]byte
	var base *store.Backup
	for range *chained {
		data, b := backedUp(t, l, base)
		bases, base = append(bases, data), &b
		again, from := restored(t, bases...)
		for _, p := range from.Collections {
			s, err := again.Status(t.Context(), p.Name)
			if err != nil || s.Head != p.Head || s.Instances != p.Instances {
				t.Errorf("%s restored: head %d with %d instances, %v; want %d with %d", p.Name, s.Head, s.Instances, err, p.Head, p.Instances)
			}
		}
		for name, cases := range all(t, again).Cases {
			for _, c := range cases {
				if _, err := again.Original(t.Context(), name, c.Instance.ID); err != nil {
					t.Fatalf("original of %s in %s: %v", c.Instance.ID, name, err)
				}
			}
		}
	}
	stop()
	work.Wait()
}

// Law: a backup that is cut short or has another byte anywhere restores nothing.
func TestADamagedBackupRestoresNothing(t *testing.T) {
	t.Parallel()
	l, err := local.Open(t.TempDir(), local.Options{})
	must(t, err)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("a")))
	put(t, l, "a", storetest.Records(0, 50))
	data, _ := backedUp(t, l, nil)
	dir, random := filepath.Join(t.TempDir(), "data"), rand.New(rand.NewPCG(7, 7))
	for i := range *spoiltBackups {
		bad := bytes.Clone(data)
		if i%2 == 0 {
			bad = bad[:random.IntN(len(bad))]
		} else {
			bad[random.IntN(len(bad))] ^= byte(1 + random.IntN(255))
		}
		if _, err := local.Restore(t.Context(), dir, sources(bad), beside); !errors.Is(err, store.ErrBackup) {
			t.Fatalf("case %d: Restore = %v, want ErrBackup", i, err)
		}
		if _, err := local.Open(dir, local.Options{}); !errors.Is(err, store.ErrUnfinished) {
			t.Fatalf("case %d: Open = %v, want ErrUnfinished", i, err)
		}
	}
	_, err = local.Restore(t.Context(), dir, sources(data), beside) // in the same folder
	must(t, err)
	if n := files(t, dir); n != 50 {
		t.Errorf("originals: %d, want 50", n)
	}
}

func TestARestoreThatIsStoppedIsNotOpened(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	data, _ := backedUp(t, l, nil)
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	stopping := beside
	stopping.Told = func(string, store.Backup) { stop() }
	if _, err := local.Restore(ctx, dir, sources(data), stopping); !errors.Is(err, context.Canceled) {
		t.Fatalf("Restore = %v, want Canceled", err)
	}
	if _, err := local.Open(dir, local.Options{}); !errors.Is(err, store.ErrUnfinished) {
		t.Errorf("Open = %v, want ErrUnfinished", err)
	}
	_, err := local.Restore(t.Context(), dir, sources(data), beside)
	must(t, err)
	again, err := local.Open(dir, local.Options{})
	must(t, err)
	defer again.Close()
	mustEqual(t, "restored after all", all(t, again), all(t, l))
}

func TestAFolderThatIsNotEmptyIsNotRestoredInto(t *testing.T) {
	l, dir := populated(t)
	data, _ := backedUp(t, l, nil)
	if _, err := local.Restore(t.Context(), dir, sources(data), beside); !errors.Is(err, store.ErrLocked) {
		t.Errorf("Restore into one in use = %v, want ErrLocked", err)
	}
	must(t, l.Close())
	if _, err := local.Restore(t.Context(), dir, sources(data), beside); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Restore = %v, want ErrExist", err)
	}
	again, err := local.Open(dir, local.Options{MustExist: true})
	must(t, err)
	must(t, again.Close())
}

// What a crash leaves of a restore before the file that tells of it has its name is
// no reason to refuse the folder, and goes; beside anything else it stays.
func TestARestoreThatHadHardlyBegunIsDoneAgain(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	data, _ := backedUp(t, l, nil)
	dir := t.TempDir()
	half, other := filepath.Join(dir, disk.HalfWritten+"1"), filepath.Join(dir, "x")
	must(t, errors.Join(os.WriteFile(half, []byte("A restore was"), 0o600), os.WriteFile(other, nil, 0o600)))
	if _, err := local.Restore(t.Context(), dir, sources(data), beside); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Restore beside another file = %v, want ErrExist", err)
	}
	if _, err := os.Stat(half); err != nil {
		t.Errorf("after it was refused: %v, want everything as it was", err)
	}
	must(t, os.Remove(other))
	_, err := local.Restore(t.Context(), dir, sources(data), beside)
	must(t, err)
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the restore: %v, want it gone", err)
	}
	again, err := local.Open(dir, local.Options{})
	must(t, err)
	defer again.Close()
	mustEqual(t, "restored after all", all(t, again), all(t, l))
}

func TestADamagedOriginalIsNamedAndTheRestIsBackedUp(t *testing.T) {
	l, dir := populated(t)
	defer l.Close()
	one, two := storetest.Record(1).Instance.Digest, storetest.Record(2).Instance.Digest
	must(t, os.WriteFile(filepath.Join(dir, "originals", one[:2], one), []byte("rotten"), 0o600))
	must(t, os.Remove(filepath.Join(dir, "originals", two[:2], two)))
	var out bytes.Buffer
	b, err := l.Backup(t.Context(), &out, store.BackupOptions{})
	must(t, err)
	if b.Damaged != 2 || len(b.Damages) != 2 || b.Damages[0].What != store.OfOriginal || b.Damages[0].Key == 0 {
		t.Errorf("damage: %d %+v, want the two originals by key", b.Damaged, b.Damages)
	}
	again, _ := restored(t, out.Bytes())
	if _, err := again.Original(t.Context(), "b", "i1"); !errors.Is(err, store.ErrOriginal) {
		t.Errorf("Original that was damaged = %v, want ErrOriginal", err)
	}
	r, err := again.Original(t.Context(), "b", "i3")
	must(t, err)
	must(t, r.Close())
}

func TestABackupIsEncryptedForItsRecipients(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	key, err := age.GenerateX25519Identity()
	must(t, err)
	other, err := age.GenerateX25519Identity()
	must(t, err)
	var out bytes.Buffer
	_, err = l.Backup(t.Context(), &out, store.BackupOptions{Recipients: []string{key.Recipient().String()}})
	must(t, err)
	if bytes.Contains(out.Bytes(), []byte("i1")) && bytes.Contains(out.Bytes(), []byte("pneumonia")) {
		t.Error("the backup can be read")
	}
	for what, ids := range map[string]string{"another identity": other.String(), "its own": key.String()} {
		o := beside
		o.Identities, err = backup.ParseIdentities(strings.NewReader(ids))
		must(t, err)
		_, err = local.Restore(t.Context(), t.TempDir(), sources(out.Bytes()), o)
		if right := what == "its own"; right != (err == nil) || !right && !errors.Is(err, store.ErrKey) {
			t.Errorf("%s: Restore = %v", what, err)
		}
	}
}

func TestFilesThatAreNotWantedAreNotRestored(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	data, _ := backedUp(t, l, nil)
	if _, err := local.Restore(t.Context(), t.TempDir(), sources(data), local.RestoreOptions{}); !errors.Is(err, store.ErrBackup) {
		t.Errorf("Restore = %v, want ErrBackup", err)
	}
}

func TestABackupOfAClosedStoreSaysSo(t *testing.T) {
	l, _ := populated(t)
	must(t, l.Close())
	if _, err := l.Backup(t.Context(), io.Discard, store.BackupOptions{}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Backup = %v, want ErrClosed", err)
	}
}

func TestABackupThatCannotBeWrittenLeavesNothingBehind(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	out, in := io.Pipe()
	full := errors.New("no room")
	must(t, out.CloseWithError(full))
	if _, err := l.Backup(t.Context(), in, store.BackupOptions{}); !errors.Is(err, full) {
		t.Errorf("Backup = %v, want what was wrong", err)
	}
	must(t, l.Drop(t.Context(), "a")) // nothing keeps it
	backedUp(t, l, nil)
	if names := func() (names []string) {
		for _, c := range all(t, l).Collections {
			names = append(names, c.Name)
		}
		return names
	}(); !slices.Equal(names, []string{"b"}) {
		t.Errorf("collections: %v", names)
	}
}

func TestACollectionIsRestoredUnderAnotherName(t *testing.T) {
	t.Parallel()
	from, _ := populated(t)
	defer from.Close()
	first, b := backedUp(t, from, nil)
	must(t, from.Delete(t.Context(), "a", "i5"))
	relabel(t, from, "a", 57, 62)
	second, _ := backedUp(t, from, &b)
	want := all(t, from)

	dir := t.TempDir()
	l, err := local.Open(dir, local.Options{})
	must(t, err)
	must(t, l.Create(t.Context(), storetest.Collection("a")))
	put(t, l, "a", storetest.Records(5, 10)) // with originals that the backup has too
	before := all(t, l)
	restoring := func(name, as string) error {
		_, err := l.RestoreCollection(t.Context(), sources(first, second), beside, name, as)
		return err
	}
	for what, c := range map[string]struct {
		name, as string
		want     error
	}{
		"a name in use": {"b", "a", store.ErrExists}, "no name": {"a", "A B", store.ErrInvalid}, "not in the backup": {"x", "y", store.ErrCollection},
	} {
		if err := restoring(c.name, c.as); !errors.Is(err, c.want) {
			t.Errorf("%s: RestoreCollection = %v, want %v", what, err, c.want)
		}
		mustEqual(t, what, all(t, l), before)
	}
	must(t, restoring("a", "again"))
	for range 2 { // and after reopening
		got := all(t, l)
		if !reflect.DeepEqual(got.Cases["again"], want.Cases["a"]) || !reflect.DeepEqual(got.Log["again"], want.Log["a"]) {
			t.Errorf("restored under another name: its cases or its log differ")
		}
		for at, v := range want.Vectors {
			if id, ok := strings.CutPrefix(at, "a "); ok && !(slices.Equal(got.Vectors["again "+id], v) && got.Originals["again "+id] == want.Originals[at] &&
				reflect.DeepEqual(got.Histories["again "+id], want.Histories[at])) {
				t.Fatalf("%s restored under another name: vector, original or history differs", id)
			}
		}
		for n := range 10 {
			if !reflect.DeepEqual(got.Found[fmt.Sprint("again", n)], want.Found[fmt.Sprint("a", n)]) {
				t.Errorf("search %d answers otherwise", n)
			}
		}
		if got.Derived["again ridge.finding"] != "statistics" {
			t.Errorf("derived: %q", got.Derived["again ridge.finding"])
		}
		if !reflect.DeepEqual(got.Cases["a"], before.Cases["a"]) {
			t.Error("the collection that was there differs")
		}
		must(t, l.Close())
		l, err = local.Open(dir, local.Options{MustExist: true})
		must(t, err)
	}
	if left, err := os.ReadDir(dir); err != nil || slices.ContainsFunc(left, func(e fs.DirEntry) bool { return strings.Contains(e.Name(), "restore") }) {
		t.Errorf("left in the data directory: %v, %v", left, err)
	}
	must(t, l.Delete(t.Context(), "again", "i4"))
	put(t, l, "again", storetest.Records(4, 5))
	must(t, l.Close())
}

func TestAStoreWithoutCollectionsIsBackedUpToo(t *testing.T) {
	l, err := local.Open(t.TempDir(), local.Options{})
	must(t, err)
	defer l.Close()
	data, b := backedUp(t, l, nil)
	more, _ := backedUp(t, l, &b)
	restored(t, data, more)
}

// A backup holds plain data whatever the data directory is, and what is restored is
// encrypted by the key that there is then.
func TestAnEncryptedDirectoryIsBackedUpAndRestoredUnderAnotherKey(t *testing.T) {
	keyed := func(hex string) *vault.Key {
		k, err := vault.ParseKey(strings.Repeat(hex, 32))
		must(t, err)
		return &k
	}
	l, err := local.Open(t.TempDir(), local.Options{Key: keyed("ab")})
	must(t, err)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("a")))
	put(t, l, "a", storetest.Records(0, 20))
	must(t, l.SaveDocument(t.Context(), "job", "one", []byte("{}")))
	must(t, l.SaveDerived(t.Context(), "a", "ridge", []byte("statistics")))
	data, b := backedUp(t, l, nil)
	must(t, l.Delete(t.Context(), "a", "i3"))
	more, _ := backedUp(t, l, &b)
	dir, o := t.TempDir(), beside
	o.Key = keyed("cd")
	_, err = local.Restore(t.Context(), dir, sources(data, more), o)
	must(t, err)
	if _, err := local.Open(dir, local.Options{MustExist: true}); !errors.Is(err, store.ErrKey) {
		t.Errorf("Open without the key = %v, want ErrKey", err)
	}
	again, err := local.Open(dir, local.Options{MustExist: true, Key: keyed("cd")})
	must(t, err)
	defer again.Close()
	mustEqual(t, "restored", all(t, again, "job"), all(t, l, "job"))
	_, err = again.RestoreCollection(t.Context(), sources(data), beside, "a", "before")
	must(t, err)
	if s, err := again.Status(t.Context(), "before"); err != nil || s.Instances != 20 {
		t.Errorf("restored collection: %+v, %v, want 20 instances", s, err)
	}
}

func TestADamagedLogEntryIsNamedAndTheRestIsBackedUp(t *testing.T) {
	l, _ := populated(t)
	defer l.Close()
	cases, err := l.List(t.Context(), "b", 0, 2)
	must(t, err)
	must(t, l.SpoilEntry(2, cases[0].Key, []byte("something else")))
	must(t, l.SpoilEntry(2, cases[1].Key, nil))
	var out bytes.Buffer
	b, err := l.Backup(t.Context(), &out, store.BackupOptions{})
	must(t, err)
	var keys []store.Key
	for _, f := range b.Damages {
		if f.Collection == "b" && f.What == store.OfEntry {
			keys = append(keys, f.Key)
		}
	}
	slices.Sort(keys)
	if b.Damaged != 2 || !slices.Equal(keys, []store.Key{cases[0].Key, cases[1].Key}) {
		t.Errorf("damage: %d %+v, want keys %d and %d of b", b.Damaged, b.Damages, cases[0].Key, cases[1].Key)
	}
	again, _ := restored(t, out.Bytes())
	mine, err := again.List(t.Context(), "a", 0, 1e6)
	must(t, err)
	theirs, err := l.List(t.Context(), "a", 0, 1e6)
	must(t, err)
	if !reflect.DeepEqual(mine, theirs) {
		t.Error("the other collection is not restored as it was")
	}
	if s, err := again.Status(t.Context(), "b"); err != nil || s.Instances < 597 {
		t.Errorf("the damaged collection: %d instances, %v, want all but two of 600", s.Instances, err)
	}
}

func TestALostVectorIsNamedByABackup(t *testing.T) {
	l, err := local.Open(t.TempDir(), local.Options{})
	must(t, err)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("a")))
	put(t, l, "a", storetest.Records(0, 5))
	cases, err := l.List(t.Context(), "a", 0, 3)
	must(t, err)
	must(t, l.LoseVector(1, cases[2].Key))
	b, err := l.Backup(t.Context(), io.Discard, store.BackupOptions{})
	must(t, err)
	if b.Damaged != 1 || b.Damages[0].What != store.OfVector || b.Damages[0].Key != cases[2].Key {
		t.Errorf("damage: %d %+v, want the vector of %d", b.Damaged, b.Damages, cases[2].Key)
	}
}

// An image that was damaged in the base comes with the next backup once it is whole,
// whatever the time of its file is.
func TestAnOriginalThatIsPutBackIsBackedUp(t *testing.T) {
	dir := t.TempDir()
	l, err := local.Open(dir, local.Options{})
	must(t, err)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("a")))
	put(t, l, "a", storetest.Records(0, 5))
	digest := storetest.Record(1).Instance.Digest
	file := filepath.Join(dir, "originals", digest[:2], digest)
	image, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte("rotten"), 0o600))
	var first bytes.Buffer
	b, err := l.Backup(t.Context(), &first, store.BackupOptions{})
	must(t, err)
	must(t, os.WriteFile(file, image, 0o600))
	must(t, os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)))
	second, _ := backedUp(t, l, &b)
	again, _ := restored(t, first.Bytes(), second)
	mustEqual(t, "restored", all(t, again), all(t, l))
}

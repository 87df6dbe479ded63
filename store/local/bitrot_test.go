package local_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

var (
	rotten     = flag.Int("local.damages", 60, "damaged data directories that TestDamageIsNeverAWrongAnswer opens")
	damageSeed = flag.Uint64("local.damageseed", 0, "the case that it begins with; 0 draws one")
)

// Whatever byte of a stored file is another than was written, whatever is cut off,
// zeroed or swapped: either every answer is as it was, or something says that it is
// not; no answer is another.
func TestDamageIsNeverAWrongAnswer(t *testing.T) {
	pristine := []string{closedDirectory(t), killedDirectory(t)}
	want := make([]replies, len(pristine))
	for i, dir := range pristine {
		want[i] = repliesOf(t, dir)
	}
	first := *damageSeed
	if first == 0 {
		first = rand.Uint64N(1 << 40)
	}
	outcomes := map[string]int{}
	for n := range uint64(*rotten) {
		seed := first + n
		rng := rand.New(rand.NewPCG(seed, 1))
		which := rng.IntN(len(pristine))
		dir := filepath.Join(t.TempDir(), "data")
		must(t, local.CopyDir(dir, pristine[which]))
		done := rot(t, dir, rng)
		outcome := compareDamaged(t, dir, want[which])
		if t.Failed() {
			t.Fatalf("-local.damageseed=%d -local.damages=1: %s", seed, done)
		}
		outcomes[done.kind+": "+outcome]++
		must(t, os.RemoveAll(dir))
	}
	for _, o := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%4d %s", outcomes[o], o)
	}
}

// replies are what a catalog says, by what it is asked.
type replies map[string]string

// stock fills an open catalog with some of everything that is stored.
func stock(t *testing.T, l store.Catalog) {
	t.Helper()
	for _, c := range []struct {
		name, engine string
		n            int
	}{{"exact", "exact", 40}, {"graph", "graph", 1200}} {
		meta := storetest.Collection(c.name)
		meta.Index.Engine = c.engine
		must(t, l.Create(t.Context(), meta))
		all := storetest.Records(0, c.n)
		for i := 40; i < len(all); i++ {
			all[i].Original, all[i].Instance.Kept = nil, store.NotKept
		}
		putAll(t, l, c.name, all)
		_, err := l.Label(t.Context(), c.name, []store.Label{
			{Instance: "i1", Task: "finding", Classes: []string{"normal"}, Reader: "r"},
			{Instance: "i2", Task: "devices", Classes: []string{"line", "pacemaker"}, Reader: "r"},
		})
		must(t, err)
		must(t, l.Delete(t.Context(), c.name, "i3"))
		must(t, l.SaveDerived(t.Context(), c.name, "ridges", bytes.Repeat([]byte("ridge"), 900)))
		for i := range 10 {
			found, err := l.Instance(t.Context(), c.name, fmt.Sprint("i", 10+i))
			must(t, err)
			must(t, l.SaveThumbnail(t.Context(), c.name, found.Key, bytes.Repeat([]byte{byte(i)}, 700)))
		}
	}
	for i := range 6 {
		must(t, l.SaveDocument(t.Context(), "key", fmt.Sprint("key ", i), bytes.Repeat([]byte{byte(i)}, 300)))
	}
}

// closedDirectory is one whose catalog was closed.
func closedDirectory(t *testing.T) string {
	t.Helper()
	place := t.TempDir()
	l := open(t, place)
	stock(t, l)
	must(t, l.Close())
	return place
}

// killedDirectory is one as a kill leaves it, after a good end and some more.
func killedDirectory(t *testing.T) string {
	t.Helper()
	place, copied := closedDirectory(t), filepath.Join(t.TempDir(), "killed")
	l := open(t, place)
	putAll(t, l, "exact", storetest.Records(40, 60))
	_, err := l.Label(t.Context(), "exact", []store.Label{{Instance: "i45", Task: "finding", Classes: []string{"pneumonia"}, Reader: "r"}})
	must(t, err)
	must(t, l.Delete(t.Context(), "exact", "i50"))
	must(t, l.Delete(t.Context(), "graph", "i50"))
	must(t, local.CopyDir(copied, place))
	must(t, l.Close())
	return copied
}

// repliesOf asks everything of a copy of a data directory.
func repliesOf(t *testing.T, dir string) replies {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "asked")
	must(t, local.CopyDir(copied, dir))
	l := open(t, copied)
	a, reported := askAll(t, l)
	must(t, l.Close())
	if len(reported) > 0 {
		t.Fatalf("undamaged: %.1000v", fmt.Sprint(reported))
	}
	return a
}

// askAll asks a catalog everything, and returns what it reports to be damaged.
func askAll(t *testing.T, l store.Catalog) (a replies, reported []store.Finding) {
	t.Helper()
	ctx, a := t.Context(), replies{}
	for _, name := range []string{"exact", "graph"} {
		c, err := l.Collection(ctx, name)
		a.put("collection "+name, err, "%s %d %v", c.Model, c.Dimension, c.Tasks)
		for i := range 60 {
			a.askInstance(ctx, l, name, fmt.Sprint("i", i))
		}
		a.askInstance(ctx, l, name, "i1100")
		for i := range 4 {
			found, err := l.Search(ctx, name, store.Query{Vector: storetest.Record(7 * i).Vector, K: 5, Exact: true})
			a.put(fmt.Sprintf("search %s %d", name, i), err, "%s", ranking(found))
		}
		data, err := l.Derived(ctx, name, "ridges")
		a.put("derived "+name, err, "%s", data)
		for key := store.Key(1); key < 40; key++ {
			data, err := l.Thumbnail(ctx, name, key)
			a.put(fmt.Sprint("thumbnail ", name, key), err, "%x", data)
		}
	}
	for i := range 6 {
		data, err := l.Document(ctx, "key", fmt.Sprint("key ", i))
		a.put(fmt.Sprint("document ", i), err, "%x", data)
	}
	v, err := l.Verify(ctx, nil)
	if err != nil {
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("Verify: %v", err)
		}
		v.Findings = append(v.Findings, store.Finding{Reason: err.Error()})
	}
	return a, v.Findings
}

func ranking(found []store.Case) string {
	var b strings.Builder
	for _, c := range found {
		fmt.Fprintf(&b, "%s %v, ", c.Instance.ID, c.Score)
	}
	return b.String()
}

func (a replies) put(name string, err error, format string, args ...any) {
	if err != nil {
		a[name] = "error: " + err.Error()
		return
	}
	a[name] = fmt.Sprintf(format, args...)
}

func (a replies) askInstance(ctx context.Context, l store.Catalog, name, id string) {
	found, err := l.Instance(ctx, name, id)
	a.put("instance "+name+" "+id, err, "%d %+v %v", found.Key, found.Instance, found.Labels)
	v, err := l.Vector(ctx, name, id)
	a.put("vector "+name+" "+id, err, "%v", v)
	said, err := l.History(ctx, name, id)
	text := ""
	for _, e := range said {
		text += fmt.Sprintf("%d %+v, ", e.Key, *e.Label)
	}
	a.put("history "+name+" "+id, err, "%s", text)
	r, err := l.Original(ctx, name, id)
	var data []byte
	if err == nil {
		data, err = io.ReadAll(r)
		err = errors.Join(err, r.Close())
	}
	a.put("original "+name+" "+id, err, "%s", data)
}

// compareDamaged opens a damaged directory twice and holds its answers to what they
// were. It says how that ended.
func compareDamaged(t *testing.T, dir string, want replies) string {
	t.Helper()
	outcome := ""
	for range 2 {
		l, err := local.Open(dir, local.Options{})
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrFormat) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Open: %v, want ErrDamaged or ErrFormat", err)
			}
			return "refused"
		}
		got, reported := askAll(t, l)
		must(t, l.Close())
		different := 0
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if got[name] == want[name] {
				continue
			}
			different++
			if answer, isError := strings.CutPrefix(got[name], "error: "); isError && isDerived(name) {
				continue
			} else if !isError && !mayLack(name) && !isNamed(reported, name) {
				t.Errorf("%s: got %.300s, want %.300s", name, answer, want[name])
			} else if len(reported) == 0 {
				t.Errorf("%s: got %.300s and nothing reported, want %.300s", name, got[name], want[name])
			}
		}
		switch {
		case different > 0:
			outcome = "answers are missing and reported"
		case len(reported) > 0 && outcome == "":
			outcome = "reported"
		case outcome == "":
			outcome = "harmless or mended"
		}
	}
	return outcome
}

// isDerived tells answers that may be missing: they are derived anew.
func isDerived(name string) bool {
	return strings.HasPrefix(name, "derived") || strings.HasPrefix(name, "thumbnail")
}

// isNamed tells answers about an instance of which something is reported lost, or
// may be where not all is named.
func isNamed(reported []store.Finding, name string) bool {
	return len(reported) == store.MaxFindings || slices.ContainsFunc(reported, func(f store.Finding) bool {
		return f.Name != "" && strings.HasSuffix(name, " "+f.Collection+" "+f.Name)
	})
}

// mayLack tells answers that are of what is left where something is reported missing.
func mayLack(name string) bool { return strings.HasPrefix(name, "search") }

// deed is what was done to a data directory.
type deed struct{ kind, text string }

func (d deed) String() string { return d.text }

// rot does one thing to one file, or swaps two.
func rot(t *testing.T, dir string, rng *rand.Rand) deed {
	t.Helper()
	byKind := map[string][]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "LOCK" {
			if info, err := d.Info(); err == nil && info.Size() > 0 {
				byKind[kindOf(dir, path)] = append(byKind[kindOf(dir, path)], path)
			}
		}
		return err
	}))
	kinds := slices.Sorted(maps.Keys(byKind))
	kind := kinds[rng.IntN(len(kinds))]
	path := byKind[kind][rng.IntN(len(byKind[kind]))]
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 8<<20)) // what comes after is a hole
	must(t, err)
	data = bytes.TrimRight(data, "\x00")
	at := rng.IntN(max(1, len(data)))
	text := fmt.Sprintf("%s of %d bytes: ", path, len(data))
	switch rng.IntN(4) {
	case 0:
		bit := byte(1) << rng.IntN(8)
		_, err = f.WriteAt([]byte{append(data, 0)[at] ^ bit}, int64(at))
		text += fmt.Sprintf("bit %#x of byte %d flipped", bit, at)
	case 1:
		err = f.Truncate(int64(at))
		text += fmt.Sprintf("cut off at %d", at)
	case 2:
		page := at / 4096 * 4096
		_, err = f.WriteAt(make([]byte, min(max(1, len(data)-page), 4096)), int64(page))
		text += fmt.Sprintf("page of byte %d zeroed", at)
	case 3:
		others := byKind[kind]
		if rng.IntN(4) == 0 {
			others = byKind[kinds[rng.IntN(len(kinds))]]
		}
		other := others[rng.IntN(len(others))]
		if other != path {
			err = errors.Join(os.Rename(path, path+"~"), os.Rename(other, path), os.Rename(path+"~", other))
		}
		text += "swapped with " + other
	}
	must(t, err)
	return deed{kind, text}
}

// kindOf is the kind of a stored file: its folder, and in the log its extension.
func kindOf(dir, path string) string {
	below, _ := filepath.Rel(dir, path)
	parts := strings.Split(filepath.ToSlash(below), "/")
	switch parts[0] {
	case "log":
		return "log " + strings.TrimLeft(parts[1], "0123456789")
	case "derived":
		if len(parts) > 3 {
			return "thumbnail"
		}
	}
	return parts[0]
}

package local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nearcase/store"
	"nearcase/store/disk/faulty"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// ledger is what may be found under each name: what was acknowledged last, and what
// was refused since, of which it is not known. Empty is nothing.
type ledger map[string][]string

// note takes down how a change has ended.
func (l ledger) note(name, value string, err error) {
	if err == nil {
		l[name] = []string{value}
		return
	}
	if len(l[name]) == 0 {
		l[name] = []string{""}
	}
	l[name] = append(l[name], value)
}

// keeper changes a catalog on a disk that fails, and knows what must be in it. The
// files are this package's own: those of the log are Badger's, are not under the
// file system of the test, and are tested with the program as a whole on one that
// loses what they have not synced.
type keeper struct {
	t       *testing.T
	place   string // of the catalog, in a folder of the file system
	in      *faulty.FS
	l       *local.Catalog
	ledger  ledger
	version int
	vectors map[string][]float32   // by content
	keys    map[store.Key]string   // names of the thumbnails
	erased  map[string][][]float32 // vectors, by instance
}

func newKeeper(t *testing.T) *keeper {
	return &keeper{
		t: t, place: filepath.Join(t.TempDir(), "data"), ledger: ledger{}, vectors: map[string][]float32{},
		keys: map[store.Key]string{}, erased: map[string][][]float32{},
	}
}

// open opens the catalog with what can be made to fail.
func (k *keeper) open() (err error) {
	k.l, err = local.Open(k.place, local.Options{Files: k.in, Memory: 1})
	return err
}

func (k *keeper) close() {
	if k.l != nil {
		_ = k.l.Close()
	}
	k.l = nil
}

// begin gives the catalog a new file system of what is on the disk.
func (k *keeper) begin(seed uint64) { k.in = faulty.New(filepath.Dir(k.place), seed) }

func (k *keeper) ctx() context.Context { return k.t.Context() }

// record is a new version of an instance, whose image has several pages.
func (k *keeper) record(n int) store.Record {
	k.version++
	r := storetest.Record(n)
	rng := rand.New(rand.NewPCG(uint64(k.version), uint64(n)))
	r.Original = fmt.Appendf(nil, "image %d version %d ", n, k.version)
	for range rng.IntN(2000) {
		r.Original = binary.LittleEndian.AppendUint64(r.Original, rng.Uint64())
	}
	digest := sha256.Sum256(r.Original)
	r.Instance.Digest, r.Vector, r.Replace = hex.EncodeToString(digest[:]), storetest.Unit(rng), true
	k.vectors[string(r.Original)] = slices.Clone(r.Vector)
	return r
}

// put stores a few instances anew.
func (k *keeper) put(from, n int) error {
	var all []store.Record
	for i := range n {
		all = append(all, k.record(from+i))
	}
	outcomes, err := k.l.Put(k.ctx(), "c", all)
	for i, r := range all {
		of := err
		if err == nil {
			of = outcomes[i].Err
		}
		k.ledger.note("instance "+r.Instance.ID, string(r.Original), of)
		if err = errors.Join(err, of); of == nil {
			k.keys[outcomes[i].Key] = r.Instance.ID
		}
	}
	return err
}

func (k *keeper) delete(n int) error {
	id := fmt.Sprint("i", n)
	err := k.l.Delete(k.ctx(), "c", id)
	if !errors.Is(err, store.ErrInstance) {
		k.ledger.note("instance "+id, "", err)
		return err
	}
	return nil
}

// erase erases the patient of two instances, with all that was derived.
func (k *keeper) erase(patient int) error {
	_, err := k.l.Erase(k.ctx(), "c", fmt.Sprint("p", patient))
	if errors.Is(err, store.ErrInstance) {
		return nil
	}
	for _, id := range []string{fmt.Sprint("instance i", 2*patient), fmt.Sprint("instance i", 2*patient+1)} {
		for _, content := range k.ledger[id] {
			if v := k.vectors[content]; err == nil && v != nil {
				k.erased[id] = append(k.erased[id], v)
			}
		}
		k.ledger.note(id, "", err)
	}
	k.ledger.note("derived x", "", err)
	return err
}

func (k *keeper) document(n int) error {
	name, text := fmt.Sprint("d", n%5), k.text("document")
	err := k.l.SaveDocument(k.ctx(), "note"[:1+n%3], name, []byte(text))
	k.ledger.note("document "+"note"[:1+n%3]+" "+name, text, err)
	return err
}

func (k *keeper) dropDocument(n int) error {
	name := fmt.Sprint("d", n%5)
	err := k.l.DropDocument(k.ctx(), "note"[:1+n%3], name)
	k.ledger.note("document "+"note"[:1+n%3]+" "+name, "", err)
	return err
}

func (k *keeper) derived() error {
	text := k.text("derived")
	err := k.l.SaveDerived(k.ctx(), "c", "x", []byte(text))
	k.ledger.note("derived x", text, err)
	return err
}

// thumbnail saves one of any instance that is there. It need not stay.
func (k *keeper) thumbnail() error {
	cases, err := k.l.List(k.ctx(), "c", 0, 1)
	if err != nil || len(cases) == 0 {
		return err
	}
	key, text := cases[0].Key, k.text("thumbnail")
	err = k.l.SaveThumbnail(k.ctx(), "c", key, []byte(text))
	k.ledger.note(fmt.Sprint("thumbnail ", key), text, errors.Join(err, errors.New("it is not durable")))
	return err
}

// text is something new of some pages.
func (k *keeper) text(what string) string {
	k.version++
	return fmt.Sprint(what, k.version) + string(bytes.Repeat([]byte{byte(k.version)}, k.version%3*5000))
}

func (k *keeper) snapshot() error { return k.l.SaveRows("c", k.version%2 == 0) }

func (k *keeper) compact() error {
	_, err := k.l.Compact(k.ctx(), nil)
	return err
}

// create makes the collection, if it is not there.
func (k *keeper) create() error {
	if err := k.l.Create(k.ctx(), storetest.Collection("c")); !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

// check opens the catalog where nothing fails, and tells of what is not as it must
// be.
func (k *keeper) check(what string) {
	k.t.Helper()
	l, err := local.Open(k.place, local.Options{Files: faulty.New(filepath.Dir(k.place), 0), Memory: 1})
	if err != nil {
		k.t.Fatalf("%s: Open where nothing fails: %v", what, err)
	}
	defer func() { must(k.t, l.Close()) }()
	k.look(l, what)
	l.AwaitSweep()
	k.swept(what)
}

// look compares a catalog with the ledger.
func (k *keeper) look(l *local.Catalog, what string) {
	k.t.Helper()
	for name, may := range k.ledger {
		if got, err := k.found(l, name); err != nil || !slices.Contains(may, got) {
			k.t.Fatalf("%s: %s: found %.40q, %v, want one of %.40q", what, name, got, err, may)
		}
	}
}

// found is what a catalog has under a name of the ledger; empty for nothing.
func (k *keeper) found(l *local.Catalog, name string) (string, error) {
	var kind, a, b string
	_, _ = fmt.Sscan(name, &kind, &a, &b)
	var data []byte
	var err error
	switch kind {
	case "instance":
		return k.foundInstance(l, a)
	case "document":
		data, err = l.Document(k.ctx(), a, b)
	case "derived":
		data, err = l.Derived(k.ctx(), "c", a)
	case "thumbnail":
		var key store.Key
		_, _ = fmt.Sscan(a, &key)
		data, err = l.Thumbnail(k.ctx(), "c", key)
	}
	if errors.Is(err, store.ErrDocument) || errors.Is(err, store.ErrDerived) || errors.Is(err, store.ErrCollection) {
		return "", nil
	}
	return string(data), err
}

// foundInstance is the image of an instance, which must be whole.
func (k *keeper) foundInstance(l *local.Catalog, id string) (string, error) {
	found, err := l.Instance(k.ctx(), "c", id)
	if errors.Is(err, store.ErrInstance) || errors.Is(err, store.ErrCollection) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	r, err := l.Original(k.ctx(), "c", id)
	if err != nil {
		return "", err
	}
	defer r.Close()
	image, err := io.ReadAll(r)
	if sum := sha256.Sum256(image); err == nil && hex.EncodeToString(sum[:]) != found.Instance.Digest {
		err = errors.New("the image is not that of the digest")
	}
	v, bad := l.Vector(k.ctx(), "c", id)
	if !slices.Equal(v, k.vectors[string(image)]) {
		bad = errors.Join(bad, errors.New("the vector is another"))
	}
	return string(image), errors.Join(err, bad)
}

// swept makes sure that no image is kept that no instance may have, and no index that
// has what was erased.
func (k *keeper) swept(what string) {
	k.t.Helper()
	must(k.t, filepath.WalkDir(filepath.Join(k.place, "originals"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		image, err := os.ReadFile(path)
		for _, may := range k.ledger {
			if slices.Contains(may, string(image)) {
				return err
			}
		}
		k.t.Fatalf("%s: %s is the image of nothing that may be there: %.30q", what, path, image)
		return nil
	}))
	files, err := filepath.Glob(filepath.Join(k.place, "index", "*.idx"))
	must(k.t, err)
	for _, path := range files {
		saved, err := os.ReadFile(path)
		must(k.t, err)
		for id, vectors := range k.erased {
			for _, v := range vectors {
				if bytes.Contains(saved, raw(v)) {
					k.t.Fatalf("%s: the index that is saved has a vector of %s, which was erased", what, id)
				}
			}
		}
	}
}

// raw is a vector as files have it.
func raw(v []float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

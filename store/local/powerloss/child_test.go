//go:build linux

package powerloss

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"

	"nearcase/store"
	"nearcase/store/local"
)

// event is what the child process tells: that it begins an operation, or that it has
// been acknowledged.
type event struct {
	Client int    `json:"client"`
	Op     op     `json:"op"`
	Done   bool   `json:"done"`
	Err    string `json:"err,omitempty"`
}

// op is one operation.
type op struct {
	Kind string `json:"kind"`
	// ID of an instance or name of a document, or the patient who is erased.
	ID   string `json:"id,omitempty"`
	Seed uint64 `json:"seed,omitempty"` // of the content
	// Many instances are put together, numbered from ID on.
	IDs           []string `json:"ids,omitempty"`
	Reader, Class string
	Time          int
}

// The kinds of operations.
const (
	opPut      = "put"
	opReplace  = "replace"
	opLabel    = "label"
	opWithdraw = "withdraw"
	opDelete   = "delete"
	opErase    = "erase"
	opDocument = "document"
	opForget   = "forget document"
	opCompact  = "compact"
	opReindex  = "reindex"
)

const (
	dimension  = 16
	collection = "c"
	clients    = 4
	// operations that each client asks for at most.
	operations = 120
)

// child is what the child process is told.
type child struct {
	Dir  string
	Seed uint64
	// Bulky has instances with much metadata, so that the log is rotated.
	Bulky bool
	// Fill has it store so many instances one after the other, each with much metadata,
	// and Close the store be closed then; nothing else is asked for.
	Fill  int
	Close bool
}

// asChild makes the test binary run the store in a process of its own.
const asChild = "RUN_TEST_BINARY_AS_STORE"

// run opens the store and lets all clients work until the power is cut.
func (c child) run() error {
	l, err := local.Open(c.Dir, local.Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := l.Collection(ctx, collection); err != nil {
		if err := l.Create(ctx, described()); err != nil {
			return err
		}
	}
	if err := tell(event{Op: op{Kind: "open"}, Done: true}); err != nil {
		return err
	}
	if c.Fill > 0 {
		return c.fill(ctx, l)
	}
	there, err := l.List(ctx, collection, 0, 1<<30)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	errs := make(chan error, clients)
	for n := range clients {
		w := &worker{child: c, catalog: l, number: n, random: rand.New(rand.NewPCG(c.Seed, uint64(n)))}
		for _, i := range there {
			if strings.HasPrefix(i.Instance.ID, fmt.Sprintf("i%d-", n)) {
				w.live = append(w.live, i.Instance.ID)
			}
		}
		group.Go(func() {
			if err := w.work(ctx); err != nil {
				errs <- err
			}
		})
	}
	group.Wait()
	close(errs)
	return <-errs
}

func (c child) fill(ctx context.Context, l store.Catalog) error {
	for n := range c.Fill {
		o := op{Kind: opPut, Seed: c.Seed, IDs: []string{fmt.Sprintf("i%d-%d", c.Seed, n)}}
		if err := o.do(ctx, l, true); err != nil {
			return err
		}
	}
	if c.Close {
		return l.Close()
	}
	return nil
}

func described() store.Collection {
	return store.Collection{
		Name: collection, Model: "m", Fingerprint: "f", Dimension: dimension,
		Tasks: []store.Task{{Name: "finding", Classes: []string{"clear", "haze"}}},
	}
}

var telling sync.Mutex

// tell writes an event in one go.
func tell(e event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	telling.Lock()
	defer telling.Unlock()
	_, err = os.Stdout.Write(append(text, '\n'))
	return err
}

// worker asks one operation after the other, of instances of its own.
type worker struct {
	child
	catalog store.Catalog
	number  int
	random  *rand.Rand
	live    []string
	time    int
}

func (w *worker) work(ctx context.Context) error {
	for range operations {
		o := w.draw()
		if err := tell(event{Client: w.number, Op: o}); err != nil {
			return err
		}
		done := event{Client: w.number, Op: o, Done: true}
		if err := o.do(ctx, w.catalog, w.Bulky); err != nil {
			done.Err = err.Error()
		}
		if err := tell(done); err != nil || done.Err != "" {
			return err
		}
	}
	return nil
}

func (w *worker) draw() op {
	w.time++
	n := w.random.IntN(100)
	if len(w.live) == 0 || n < 34 {
		return w.drawPut()
	}
	o := op{ID: w.live[w.random.IntN(len(w.live))], Seed: w.random.Uint64(), Time: w.time}
	switch {
	case n < 44:
		o.Kind = opReplace
	case n < 66:
		o.Kind, o.Reader, o.Class = opLabel, []string{"", "anna"}[w.random.IntN(2)], []string{"clear", "haze"}[w.random.IntN(2)]
	case n < 70:
		o.Kind, o.Reader = opWithdraw, []string{"", "anna"}[w.random.IntN(2)]
	case n < 82:
		o.Kind = opDelete
		w.forget(func(id string) bool { return id == o.ID })
	case n < 84:
		o.Kind, o.ID = opErase, patientOf(o.ID)
		w.forget(func(id string) bool { return patientOf(id) == o.ID })
	case n < 93:
		o.Kind, o.ID = opDocument, fmt.Sprintf("d%d-%d", w.number, w.random.IntN(4))
	case n < 96:
		o.Kind, o.ID = opForget, fmt.Sprintf("d%d-%d", w.number, w.random.IntN(4))
	case n < 98 && w.number == 0:
		o.Kind = opCompact
	default:
		o.Kind, o.Class = opReindex, []string{"exact", "graph"}[w.random.IntN(2)]
	}
	return o
}

func (w *worker) forget(gone func(string) bool) { w.live = slices.DeleteFunc(w.live, gone) }

// drawPut is of one new instance or a few; their numbers are drawn, so that none
// comes twice.
func (w *worker) drawPut() op {
	o := op{Kind: opPut, Seed: w.random.Uint64(), Time: w.time}
	many := 1 + w.random.IntN(3)*w.random.IntN(8)
	if w.Bulky {
		many = 1 + w.random.IntN(60)
	}
	for range many {
		o.IDs = append(o.IDs, fmt.Sprintf("i%d-%d", w.number, w.random.Uint64()>>1))
	}
	w.live = append(w.live, o.IDs...)
	return o
}

// patientOf is whom an instance is of: about one in eight of a client's are of one.
func patientOf(id string) string {
	return fmt.Sprintf("p%s-%d", id[1:strings.IndexByte(id, '-')], (id[len(id)-1]-'0')%8)
}

// do has a store do the operation.
func (o op) do(ctx context.Context, c store.Catalog, bulky bool) (err error) {
	switch o.Kind {
	case opPut, opReplace:
		return o.put(ctx, c, bulky)
	case opLabel, opWithdraw:
		_, err = c.Label(ctx, collection, []store.Label{o.label()})
	case opDelete:
		err = c.Delete(ctx, collection, o.ID)
	case opErase:
		_, err = c.Erase(ctx, collection, o.ID)
	case opDocument:
		err = c.SaveDocument(ctx, "kind", o.ID, document(o.Seed))
	case opForget:
		err = c.DropDocument(ctx, "kind", o.ID)
	case opCompact:
		_, err = c.Compact(ctx, nil)
	case opReindex:
		_, err = c.Reindex(ctx, collection, store.Reindexing{Index: store.Index{Engine: o.Class}, MinRecall: 0.01}, nil)
	}
	return err
}

func (o op) put(ctx context.Context, c store.Catalog, bulky bool) error {
	ids := o.IDs
	if o.Kind == opReplace {
		ids = []string{o.ID}
	}
	var records []store.Record
	for _, id := range ids {
		r := record(id, o.Seed, bulky)
		r.Replace = o.Kind == opReplace
		records = append(records, r)
	}
	outcomes, err := c.Put(ctx, collection, records)
	for _, out := range outcomes {
		if err == nil {
			err = out.Err
		}
	}
	return err
}

func (o op) label() store.Label {
	l := store.Label{Instance: o.ID, Task: "finding", Reader: o.Reader, Removed: o.Kind == opWithdraw, Source: fmt.Sprint(o.Time)}
	if !l.Removed {
		l.Classes = []string{o.Class}
	}
	return l
}

// record is an instance with the content that a seed makes.
func record(id string, seed uint64, bulky bool) store.Record {
	r := rand.New(rand.NewPCG(seed, uint64(len(id))))
	vector, square := make([]float32, dimension), 0.0
	for i := range vector {
		vector[i] = float32(r.NormFloat64())
		square += float64(vector[i]) * float64(vector[i])
	}
	for i := range vector {
		vector[i] = float32(float64(vector[i]) / math.Sqrt(square))
	}
	content := original(id, seed)
	sum := sha256.Sum256(content)
	i := store.Instance{ID: id, Patient: patientOf(id), Digest: hex.EncodeToString(sum[:]), Size: int64(len(content))}
	if bulky {
		i.Metadata = map[string]string{}
		for n := range 100 {
			i.Metadata[fmt.Sprintf("Field%d", n)] = strings.Repeat(string(rune('a'+n%26)), 250)
		}
	}
	return store.Record{Instance: i, Vector: vector, Fingerprint: "f", Original: content}
}

// original is an image that two instances of one put share at times.
func original(id string, seed uint64) []byte {
	head := binary.LittleEndian.AppendUint64([]byte{'0' + (id[len(id)-1]-'0')/3}, seed)
	return bytes.Repeat(head, 1+int(seed%900))
}

func document(seed uint64) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, seed), 1+int(seed%100))
}

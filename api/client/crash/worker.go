package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/store"
)

// worker is a client. It asks one thing after the other, about instances of its own,
// so that what was asked last of each is known.
type worker struct {
	*run
	number int
	random *rand.Rand
	next   int      // of the instances that it makes
	said   int      // labels that it has given, for their times
	live   []string // its instances, sorted
	dead   []string // those that it has deleted
	phase  *phase
}

func newWorker(r *run, number int) *worker {
	return &worker{run: r, number: number, random: rand.New(rand.NewPCG(r.Seed, uint64(number)+1))}
}

// errParked is the end of what a worker can do until the server is there again.
var errParked = errors.New("not answered")

// work asks until the phase ends or a request is not answered.
func (w *worker) work(ctx context.Context, p *phase) error {
	w.phase, w.live = p, w.mine()
	for !p.stopped.Load() && ctx.Err() == nil {
		p.begin()
		if err := w.ask(ctx); errors.Is(err, errParked) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// mine returns the worker's instances, sorted.
func (w *worker) mine() (all []string) {
	prefix := fmt.Sprintf("c%d-", w.number)
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	for id := range w.model.instances {
		if strings.HasPrefix(id, prefix) {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

// ask draws what to ask: rather of what makes instances while there are few.
func (w *worker) ask(ctx context.Context) error {
	n := w.random.IntN(1000)
	switch few := len(w.live) < w.Live; {
	case len(w.live) < 4 || few && n < 350:
		return w.put(ctx)
	case n < 350:
		return w.delete(ctx)
	case n < 500:
		return w.replace(ctx)
	case n < 800:
		return w.label(ctx)
	case n < 860:
		return w.delete(ctx)
	case n < 867:
		return w.erase(ctx)
	case n < 990:
		return w.similar(ctx)
	}
	return w.classify(ctx)
}

// put makes instances: some from vectors, or one from a picture.
func (w *worker) put(ctx context.Context) error {
	var images []api.Image
	var steps []step
	many := 1
	drawn := w.random.IntN(5) > 0
	if drawn {
		many = 1 + w.random.IntN(12)
	}
	for range many {
		i := w.fresh()
		if i == nil {
			continue
		}
		image := w.content(i, drawn)
		l := w.opinion(i, "", finding)
		said := requested(l)
		said.Instance, said.Task = "", "" // of the image
		image.Said, i.history = map[string]api.LabelRequest{l.Task: said}, []store.Label{l}
		images, steps = append(images, image), append(steps, step{i.id, nil, i})
		w.live = append(w.live, i.id)
	}
	return w.ingest(ctx, "put", images, steps, false)
}

// fresh is an instance that is not there: a new one, or one that was deleted.
func (w *worker) fresh() *instance {
	if len(w.dead) > 0 && w.random.IntN(4) == 0 {
		id := w.dead[0]
		w.dead = w.dead[1:]
		n, _ := strconv.Atoi(id[strings.IndexByte(id, '-')+1:])
		return w.named(n)
	}
	w.next++
	return w.named(w.next)
}

// named is an instance of a number: four after each other are of one patient, and
// two of those of one study.
func (w *worker) named(n int) *instance {
	return &instance{
		id: fmt.Sprintf("c%d-%d", w.number, n), patient: fmt.Sprintf("p%d-%d", w.number, n/4), study: fmt.Sprintf("s%d-%d", w.number, n/2),
	}
}

// content gives an instance an image or a vector.
func (w *worker) content(i *instance, drawn bool) api.Image {
	image := api.Image{ID: i.id, Patient: i.patient, Study: i.study}
	if drawn {
		i.vector, i.content = vectorOf(w.random, classes[w.random.IntN(len(classes))]), nil
		image.Vector, image.Fingerprint = i.vector, w.twin.fingerprint
		return image
	}
	p := w.model.pictures[w.random.IntN(len(w.model.pictures))]
	i.vector, i.content = p.vector, p
	image.Read = func() ([]byte, error) { return p.content, nil }
	return image
}

// replace puts other content in the place of an instance's.
func (w *worker) replace(ctx context.Context) error {
	before := w.any()
	after := *before
	after.key = 0
	image := w.content(&after, before.content != nil || w.random.IntN(4) > 0)
	return w.ingest(ctx, "replace", []api.Image{image}, []step{{before.id, before, &after}}, true)
}

// any is one of the worker's instances.
func (w *worker) any() *instance { return w.model.find(w.live[w.random.IntN(len(w.live))]) }

// ingest sends images and takes in what became of each.
func (w *worker) ingest(ctx context.Context, what string, images []api.Image, steps []step, replace bool) error {
	n := 0
	for item, err := range w.server.client.Ingest(ctx, collection, slices.Values(images), api.IngestOptions{Replace: replace}) {
		if err == nil {
			err = item.Err
		}
		if err != nil {
			return w.failed(err, pending{what: what, steps: steps[n:]})
		}
		after := *steps[n].after
		after.key = item.Key
		w.model.done(step{steps[n].id, steps[n].before, &after})
		w.counted(what)
		n++
	}
	if n < len(steps) {
		return fmt.Errorf("%w: %s of %d instances: answers for %d", ErrViolated, what, len(steps), n)
	}
	return nil
}

// failed decides what an error means: a server that is not there any more, one that
// refuses for a reason that is known, or a violation.
func (w *worker) failed(err error, p pending) error {
	refusal, refused := errors.AsType[*client.Problem](err)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case !refused || w.phase.troubled.Load() || refusal.Status == http.StatusServiceUnavailable:
		w.model.unknown(p)
		return errParked
	}
	return fmt.Errorf("%w: %s of %s is refused: %w\n%s", ErrViolated, p.what, ids(p.steps), err, w.server.told.text())
}

// label says something of a few instances, all or none.
func (w *worker) label(ctx context.Context) error {
	reader, task := readers[w.random.IntN(len(readers))], tasks[w.random.IntN(len(tasks))]
	var requests []api.LabelRequest
	var steps []step
	for range 1 + w.random.IntN(5) {
		before := w.any()
		if slices.ContainsFunc(requests, func(r api.LabelRequest) bool { return r.Instance == before.id }) {
			continue
		}
		l := w.opinion(before, reader, task)
		requests = append(requests, requested(l))
		if after, says := before.labelled(l); says {
			steps = append(steps, step{before.id, before, after})
		}
	}
	if _, err := w.server.client.Label(ctx, collection, requests); err != nil {
		return w.failed(err, pending{what: "label", whole: true, steps: steps})
	}
	w.model.done(steps...)
	w.counted("label")
	return nil
}

// opinion draws what a reader says of an instance, or that it is withdrawn.
func (w *worker) opinion(i *instance, reader string, t store.Task) store.Label {
	w.said++
	l := store.Label{Instance: i.id, Task: t.Name, Reader: reader, Time: clock(w.said), Source: "reading"}
	if len(i.history) > 0 && w.random.IntN(6) == 0 {
		l.Removed = true
		return l
	}
	if reader != "" {
		l.Confidence = float64(1+w.random.IntN(4)) / 4
	}
	for _, class := range t.Classes {
		switch n := w.random.IntN(4); {
		case !t.Multi:
		case n == 0:
			l.Classes = append(l.Classes, class)
		case n == 1:
			l.Uncertain = append(l.Uncertain, class)
		}
	}
	if !t.Multi {
		l.Classes = []string{t.Classes[w.random.IntN(len(t.Classes))]}
	}
	return l
}

// requested is a label as it is asked for.
func requested(l store.Label) api.LabelRequest {
	return api.LabelRequest{
		Instance: l.Instance, Task: l.Task, Classes: l.Classes, Uncertain: l.Uncertain, Remove: l.Removed,
		Reader: l.Reader, Confidence: l.Confidence, Source: l.Source, Time: l.Time,
	}
}

func (w *worker) delete(ctx context.Context) error {
	before := w.any()
	w.forget(before.id)
	if err := w.server.client.Delete(ctx, collection, before.id); err != nil {
		return w.failed(err, pending{what: "delete", steps: []step{{before.id, before, nil}}})
	}
	w.model.done(step{before.id, before, nil})
	w.counted("delete")
	w.dead = append(w.dead, before.id)
	return nil
}

func (w *worker) forget(id string) {
	w.live = slices.DeleteFunc(w.live, func(other string) bool { return other == id })
}

// erase erases a patient with all instances.
func (w *worker) erase(ctx context.Context) error {
	patient := w.any().patient
	var steps []step
	var erased []string
	for _, id := range slices.Clone(w.live) {
		if i := w.model.find(id); i.patient == patient {
			steps, erased = append(steps, step{id, i, nil}), append(erased, id)
			w.forget(id)
		}
	}
	if _, err := w.server.client.Erase(ctx, collection, patient, nil); err != nil {
		return w.failed(err, pending{what: "erase", whole: true, steps: steps})
	}
	w.model.done(steps...)
	w.model.erased(erased)
	w.counted("erase")
	return nil
}

// similar asks for cases, none of which may be of what is erased.
func (w *worker) similar(ctx context.Context) error {
	gone := w.model.goneBefore()
	answer, err := w.server.client.Similar(ctx, collection, api.Query{Instance: w.any().id, K: 10})
	if err != nil {
		return w.failed(err, pending{what: "similar"})
	}
	for _, c := range answer.Cases {
		if gone[c.ID] {
			return fmt.Errorf("%w: similar answers with %s, which was erased before", ErrViolated, c.ID)
		}
	}
	w.counted("similar")
	return nil
}

func (w *worker) classify(ctx context.Context) error {
	if _, err := w.server.client.Classify(ctx, collection, api.Query{Instance: w.any().id}); err != nil {
		return w.failed(err, pending{what: "classify"})
	}
	w.counted("classify")
	return nil
}

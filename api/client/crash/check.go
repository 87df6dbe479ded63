package crash

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"nearcase/api"
	"nearcase/store"
)

// stored is an instance as the server exports it.
type stored struct {
	store.Instance
	Key    store.Key              `json:"key"`
	Labels map[string]store.Label `json:"labels"`
	Vector []float32              `json:"vector"`
}

// check holds all that the server has to the model, after what is pending has been
// found to have happened or not.
func (r *run) check(ctx context.Context) error {
	has, order, err := r.export(ctx)
	if err != nil {
		return fmt.Errorf("%w: export: %w", ErrViolated, err)
	}
	if err := r.settle(ctx, has); err != nil {
		return err
	}
	if err := r.checkAll(has); err != nil {
		return err
	}
	if err := r.checkCounts(ctx, order); err != nil {
		return err
	}
	if err := r.checkTouched(ctx); err != nil {
		return err
	}
	if err := r.follow.read(ctx, r.server.client, r.model); err != nil {
		return err
	}
	return r.checkScan(ctx)
}

// export returns all that is stored by ID, and the IDs in the order of their keys.
func (r *run) export(ctx context.Context) (has map[string]stored, order []string, err error) {
	var text bytes.Buffer
	if _, err := r.server.client.Export(ctx, collection, api.ExportOptions{Format: api.JSONLines}, &text, nil); err != nil {
		return nil, nil, err
	}
	has = map[string]stored{}
	lines := bufio.NewReader(&text)
	for d := json.NewDecoder(lines); ; {
		var s stored
		if err := d.Decode(&s); err == io.EOF {
			return has, order, nil
		} else if err != nil {
			return nil, nil, err
		}
		if _, again := has[s.ID]; again {
			return nil, nil, fmt.Errorf("%s is there twice", s.ID)
		}
		has[s.ID], order = s, append(order, s.ID)
	}
}

// settle finds out which of the pending requests have happened.
func (r *run) settle(ctx context.Context, has map[string]stored) error {
	for _, p := range r.model.pending {
		if err := r.settleOne(ctx, p, has); err != nil {
			return err
		}
	}
	r.model.pending = nil
	return nil
}

func (r *run) settleOne(ctx context.Context, p pending, has map[string]stored) error {
	r.unanswered++
	happened, sure := false, false
	for n, s := range p.steps {
		after, before := r.isAs(ctx, s.id, s.after, has), r.isAs(ctx, s.id, s.before, has)
		switch {
		case after != nil && before != nil:
			return fmt.Errorf("%w: %s of %s got no answer, and has neither happened (%w) nor not (%w)", ErrViolated, p.what, s.id, after, before)
		case p.whole && sure && happened != (after == nil):
			return fmt.Errorf("%w: %s of %s got no answer, and has happened in part: %s is the first of the others", ErrViolated, p.what, ids(p.steps), s.id)
		}
		if happened, sure = after == nil, true; n == 0 && happened {
			r.happened++
		}
		if !happened {
			r.model.set(s.id, s.before)
			continue
		}
		r.model.set(s.id, s.after)
		if s.after != nil {
			s.after.key = has[s.id].Key
		} else if p.what == "erase" {
			r.model.gone[s.id] = true
		}
	}
	return nil
}

// isAs returns how an instance differs from what it is to be; nil if it does not.
func (r *run) isAs(ctx context.Context, id string, want *instance, has map[string]stored) error {
	got, there := has[id]
	switch {
	case want == nil && !there:
		return nil
	case want == nil:
		return errors.New("it is there")
	case !there:
		return errors.New("it is not there")
	}
	if err := r.model.differs(want, got); err != nil {
		return err
	}
	return r.checkHistory(ctx, want)
}

// differs returns how a stored instance differs from what it is to be.
func (m *model) differs(want *instance, got stored) error {
	digest, original := sha256.Sum256(api.Vector{Vector: want.vector}.Bytes()), ""
	wanted := hex.EncodeToString(digest[:])
	if want.content != nil {
		wanted = want.content.digest
		original = wanted
	}
	switch {
	case want.key != 0 && got.Key != want.key:
		return fmt.Errorf("its key is %d and was acknowledged as %d", got.Key, want.key)
	case got.Digest != wanted || got.Original() != original:
		return fmt.Errorf("its digest is %s, and %s of the original; want %s and %s", got.Digest, got.Original(), wanted, original)
	case got.Study != want.study:
		return fmt.Errorf("its study is %s, want %s", got.Study, want.study)
	case !sameBits(got.Vector, want.vector):
		return errors.New("its vector is another")
	}
	if err := m.checkCalled(want.patient, got.Patient); err != nil {
		return err
	}
	for _, t := range tasks {
		l, labelled := want.current(t)
		said, has := got.Labels[t.Name]
		if labelled != has || labelled && !(l.Says(said) && l.Time.Equal(said.Time) && l.Source == said.Source) {
			return fmt.Errorf("its label for %s is %+v (%v), want %+v (%v)", t.Name, said, has, l, labelled)
		}
	}
	return nil
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// checkAll holds everything to the model.
func (r *run) checkAll(has map[string]stored) error {
	for id, want := range r.model.instances {
		got, there := has[id]
		if !there {
			return fmt.Errorf("%w: %s was acknowledged and is lost", ErrViolated, id)
		}
		if err := r.model.differs(want, got); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrViolated, id, err)
		}
	}
	for id := range has {
		if r.model.instances[id] == nil {
			return fmt.Errorf("%w: %s is there, and was deleted or never stored (erased: %v)", ErrViolated, id, r.model.gone[id])
		}
	}
	return nil
}

// checkCounts holds the number of instances, and the list read page by page, to what
// was exported.
func (r *run) checkCounts(ctx context.Context, order []string) error {
	c, err := r.server.client.Collection(ctx, collection)
	if err != nil {
		return err
	}
	var listed []string
	o := api.ListOptions{Limit: 250, Count: true}
	for {
		page, err := r.server.client.List(ctx, collection, o)
		if err != nil {
			return err
		}
		for _, i := range page.Instances {
			listed = append(listed, i.ID)
		}
		if page.Count == nil || *page.Count != len(order) || c.Status.Instances != len(order) {
			return fmt.Errorf("%w: %d instances are exported; the status counts %d and the list %v", ErrViolated, len(order), c.Status.Instances, page.Count)
		}
		if o.Cursor = page.Next; o.Cursor == "" {
			break
		}
	}
	if !slices.Equal(listed, order) {
		return fmt.Errorf("%w: %d instances are listed, which are not the %d that are exported", ErrViolated, len(listed), len(order))
	}
	return nil
}

// sampled is how many instances that nothing was asked about are looked at closely.
const sampled = 12

// checkTouched looks closely at the instances that something was asked about since
// the last time, and a few others.
func (r *run) checkTouched(ctx context.Context) error {
	all := slices.Sorted(maps.Keys(r.model.instances))
	for range min(sampled, len(all)) {
		r.model.touched[all[r.random.IntN(len(all))]] = true
	}
	for _, id := range slices.Sorted(maps.Keys(r.model.touched)) {
		i := r.model.instances[id]
		if i == nil {
			continue
		}
		if err := errors.Join(r.checkHistory(ctx, i), r.checkOriginal(ctx, i)); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrViolated, id, err)
		}
	}
	clear(r.model.touched)
	return nil
}

func (r *run) checkHistory(ctx context.Context, i *instance) error {
	entries, err := r.server.client.History(ctx, collection, i.id)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(entries, i.history, func(e api.LabelEntry, l store.Label) bool {
		return e.Label.Says(l) && e.Label.Time.Equal(l.Time) && e.Label.Source == l.Source
	})
	if !same {
		return fmt.Errorf("its history has %d labels, %+v, want %d, %+v", len(entries), entries, len(i.history), i.history)
	}
	return nil
}

func (r *run) checkOriginal(ctx context.Context, i *instance) error {
	if i.content == nil {
		return nil
	}
	original, err := r.server.client.Original(ctx, collection, i.id)
	if err != nil {
		return fmt.Errorf("its original: %w", err)
	}
	defer original.Close()
	got, err := io.ReadAll(original)
	if err == nil && !bytes.Equal(got, i.content.content) {
		err = fmt.Errorf("its original has %d bytes that are not the %d stored", len(got), len(i.content.content))
	}
	return err
}

// scoreTolerance is how far a score may be from one that is summed in float64.
const scoreTolerance = 1e-5

// checkScan compares an exact answer with a scan of the model.
func (r *run) checkScan(ctx context.Context) error {
	if len(r.model.instances) == 0 {
		return nil
	}
	query := vectorOf(r.random, classes[r.random.IntN(len(classes))])
	answer, err := r.server.client.Similar(ctx, collection, api.Query{Vector: query, Fingerprint: r.twin.fingerprint, K: 20, Exact: true})
	if err != nil {
		return fmt.Errorf("%w: similar: %w", ErrViolated, err)
	}
	scores := make([]float64, 0, len(r.model.instances))
	for _, i := range r.model.instances {
		scores = append(scores, dot(query, i.vector))
	}
	slices.SortFunc(scores, func(a, b float64) int { return -compareFloats(a, b) })
	if len(answer.Cases) != min(20, len(scores)) {
		return fmt.Errorf("%w: similar answers with %d cases of %d instances", ErrViolated, len(answer.Cases), len(scores))
	}
	for n, c := range answer.Cases {
		i := r.model.instances[c.ID]
		if i == nil || math.Abs(float64(c.Score)-scores[n]) > scoreTolerance || math.Abs(dot(query, i.vector)-scores[n]) > scoreTolerance {
			return fmt.Errorf("%w: similar: case %d is %s with %g, want one with %g", ErrViolated, n, c.ID, c.Score, scores[n])
		}
	}
	return nil
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

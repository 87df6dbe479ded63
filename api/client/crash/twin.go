package crash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/cmd/nearcase/phantom"
	"nearcase/store"
)

// twin is a server that is never killed, and what it knows of the model of images.
type twin struct {
	*server
	fingerprint string
}

// patients is how many patients the pictures are of, about six each.
const patients = 5

// begin starts the twin and has it embed the pictures.
func (t *twin) begin(ctx context.Context, m *model) error {
	if _, err := t.start(ctx); err != nil {
		return err
	}
	made, err := t.client.Create(ctx, api.NewCollection{Name: "pictures", Model: "scatter"})
	if err != nil {
		return err
	}
	t.fingerprint = made.Fingerprint
	var images []api.Image
	for p := range phantom.All(1, patients) {
		sum := sha256.Sum256(p.PNG)
		m.pictures = append(m.pictures, &picture{digest: hex.EncodeToString(sum[:]), content: p.PNG, class: p.Labels[phantom.Finding][0]})
		images = append(images, api.Image{ID: p.Name, Read: func() ([]byte, error) { return p.PNG, nil }})
	}
	for item, err := range t.client.Ingest(ctx, "pictures", slices.Values(images), api.IngestOptions{}) {
		if err == nil {
			err = item.Err
		}
		if err != nil {
			return err
		}
		v, err := t.client.Vector(ctx, "pictures", item.ID)
		if err != nil {
			return err
		}
		m.pictures[item.Index].vector = v.Vector
	}
	return nil
}

// fill gives the twin exactly what the model has: instances in the order of their
// keys, and then the labels of each in their order.
func (t *twin) fill(ctx context.Context, m *model) error {
	if _, err := t.client.Collection(ctx, collection); err == nil {
		if err := t.client.Drop(ctx, collection); err != nil {
			return err
		}
	}
	_, err := t.client.Create(ctx, api.NewCollection{Name: collection, Model: "scatter", Tasks: tasks, Index: store.Index{Engine: "exact"}})
	all := m.inOrder()
	for from := 0; from < len(all) && err == nil; {
		to := from + 1
		for to < len(all) && (all[to].content == nil) == (all[from].content == nil) && to-from < 32 {
			to++
		}
		err = t.put(ctx, all[from:to])
		from = to
	}
	for round := 0; err == nil; round++ {
		var requests []api.LabelRequest
		for _, i := range all {
			if round < len(i.history) {
				requests = append(requests, requested(i.history[round]))
			}
		}
		if len(requests) == 0 {
			return nil
		}
		_, err = t.client.Label(ctx, collection, requests)
	}
	return err
}

func (t *twin) put(ctx context.Context, instances []*instance) error {
	var images []api.Image
	for _, i := range instances {
		image := api.Image{ID: i.id, Patient: i.patient, Study: i.study}
		if i.content != nil {
			image.Read = func() ([]byte, error) { return i.content.content, nil }
		} else {
			image.Vector, image.Fingerprint = i.vector, t.fingerprint
		}
		images = append(images, image)
	}
	for item, err := range t.client.Ingest(ctx, collection, slices.Values(images), api.IngestOptions{}) {
		if err == nil {
			err = item.Err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// asked is how many instances both servers are asked about.
const asked = 8

// recallBound is how much less the index may find after a kill than before.
const recallBound = 0.02

// compare holds the answers to those of the twin, and what the index finds after a
// kill to what it found before. Originals and histories of all instances are looked
// at too, and all changes are read from the beginning.
func (r *run) compare(ctx context.Context, last bool) error {
	if len(r.model.instances) < 20 {
		return nil
	}
	if err := r.compareRecall(ctx); err != nil {
		return err
	}
	for id := range r.model.instances {
		r.model.touched[id] = true
	}
	r.follow = newFollower()
	if err := r.check(ctx); err != nil {
		return err
	}
	if err := verify(ctx, r.server.client, 16); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := r.twin.fill(ctx, r.model); err != nil {
		return fmt.Errorf("fill the store that is never killed: %w", err)
	}
	for _, t := range tasks {
		for _, c := range []*client.Client{r.server.client, r.twin.client} {
			if _, err := c.Retrain(ctx, collection, t.Name, nil); err != nil {
				return fmt.Errorf("retrain %s: %w", t.Name, err)
			}
		}
	}
	all := r.model.inOrder()
	for range asked {
		if err := r.compareAnswers(ctx, all[r.random.IntN(len(all))].id); err != nil {
			return err
		}
	}
	r.compared++
	fmt.Fprintf(r.Log, "%s after %d kills (last: %v): %d instances answer as in a store never killed; recall %s before kills, %s after\n",
		time.Since(r.began).Round(time.Second), r.kills, last, len(all), mean(r.before), mean(r.after))
	return nil
}

// compareAnswers asks both servers about an instance.
func (r *run) compareAnswers(ctx context.Context, id string) error {
	var similar [2]api.Similar
	var classified [2]api.Classification
	for n, c := range []*client.Client{r.server.client, r.twin.client} {
		var err error
		if similar[n], err = c.Similar(ctx, collection, api.Query{Instance: id, K: 25, Exact: true}); err != nil {
			return fmt.Errorf("%w: similar to %s: %w", ErrViolated, id, err)
		}
		if classified[n], err = c.Classify(ctx, collection, api.Query{Instance: id, Exact: true}); err != nil {
			return fmt.Errorf("%w: classify %s: %w", ErrViolated, id, err)
		}
	}
	if err := alike("similar", similar[0].Cases, similar[1].Cases); err != nil {
		return fmt.Errorf("%w: similar to %s: %w", ErrViolated, id, err)
	}
	if err := alike("tasks", classified[0].Tasks, classified[1].Tasks); err != nil {
		return fmt.Errorf("%w: classify %s: %w", ErrViolated, id, err)
	}
	return nil
}

// alike compares two answers as JSON.
func alike(at string, got, want any) error {
	var values [2]any
	for n, v := range []any{got, want} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &values[n]); err != nil {
			return err
		}
	}
	return alikeValues(at, values[0], values[1])
}

// numberTolerance is how far sums may be from each other that were made in another
// order.
const numberTolerance = 1e-6

// passing are the keys of answers that tell of positions in a log, which differ.
var passing = []string{"version", "label_watermark", "added", "key"}

func alikeValues(at string, got, want any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s is %v, want %v", at, got, want)
		}
		for k, v := range w {
			if slices.Contains(passing, k) {
				continue
			}
			if err := alikeValues(at+"."+k, g[k], v); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s is %v, want %v", at, got, want)
		}
		for n := range w {
			if err := alikeValues(fmt.Sprintf("%s[%d]", at, n), g[n], w[n]); err != nil {
				return err
			}
		}
		return nil
	case float64:
		if g, ok := got.(float64); ok && math.Abs(g-w) <= numberTolerance*max(1, math.Abs(w)) {
			return nil
		}
	default:
		if got == want {
			return nil
		}
	}
	return fmt.Errorf("%s is %v, want %v", at, got, want)
}

// compareRecall measures what the index finds, kills the server, and measures again.
func (r *run) compareRecall(ctx context.Context) error {
	if _, err := r.server.client.Reindex(ctx, collection, store.Reindexing{Index: store.Index{Engine: "graph"}, MinRecall: 0.5}, nil); err != nil {
		return fmt.Errorf("reindex: %w", err)
	}
	before, err := r.recall(ctx)
	if err != nil {
		return err
	}
	if err := r.server.kill(); err != nil {
		return err
	}
	took, err := r.server.start(ctx)
	if err != nil {
		return err
	}
	r.killed("killed between requests", took)
	after, err := r.recall(ctx)
	if err != nil {
		return err
	}
	if r.before, r.after = append(r.before, before), append(r.after, after); after < before-recallBound {
		return fmt.Errorf("%w: the index found %.3f of the nearest before it was killed, and %.3f after", ErrViolated, before, after)
	}
	return nil
}

// recall is how many of the ten nearest the index finds, of vectors that are the same
// each time.
func (r *run) recall(ctx context.Context) (float64, error) {
	const queries, k = 40, 10
	random, found := rand.New(rand.NewPCG(r.Seed, 77)), 0
	for n := range queries {
		q := api.Query{Vector: vectorOf(random, classes[n%len(classes)]), Fingerprint: r.twin.fingerprint, K: k}
		near, err := r.server.client.Similar(ctx, collection, q)
		if err != nil {
			return 0, err
		}
		q.Exact = true
		exact, err := r.server.client.Similar(ctx, collection, q)
		if err != nil {
			return 0, err
		}
		for _, c := range exact.Cases {
			if slices.ContainsFunc(near.Cases, func(o api.Case) bool { return o.ID == c.ID }) {
				found++
			}
		}
	}
	return float64(found) / (queries * k), nil
}

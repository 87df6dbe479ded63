package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"nearcase/probe"
	"nearcase/store"
)

const (
	// noveltyName is the name under which the reference is saved.
	noveltyName = "novelty"
	// mostReferences is how many stored images, drawn at random but always the
	// same, the reference is made of.
	mostReferences = 2000
)

// Novelty says how unusual an image is in its collection.
type Novelty struct {
	// K is the rank of the neighbour of another patient whose distance counts.
	K        int      `json:"k,omitempty"`
	Distance *float64 `json:"distance,omitempty"`
	// Percentile is the share, 0 to 1, of the collection's own images that are
	// nearer to theirs: close to 1 for an image unlike all that is stored.
	Percentile *float64 `json:"percentile,omitempty"`
	// Reference counts the patients whose images the percentile is of.
	Reference int `json:"reference,omitempty"`
	// Problem says why there is no percentile.
	Problem string `json:"problem,omitempty"`
}

// reference are the distances of the collection's own images, of so many.
type reference struct {
	probe.Novelty
	// Created is when their collection was, whose name may be used again.
	Created   time.Time `json:"created"`
	Instances int       `json:"instances"`
	// Problem says why there are none.
	Problem string `json:"problem,omitempty"`
}

// isStale reports whether a collection has changed much since.
func (r *reference) isStale(instances int) bool {
	if r == nil {
		return true
	}
	return 20*max(instances-r.Instances, r.Instances-instances) > instances || r.Problem != "" && r.Instances != instances
}

// loadReference reads the reference, nil if there is none.
func (s *Service) loadReference(ctx context.Context, c store.Collection) *reference {
	data, err := s.Catalog.Derived(ctx, c.Name, noveltyName)
	if err != nil {
		return nil
	}
	r := &reference{}
	if json.Unmarshal(data, r) != nil || !r.Created.Equal(c.Created) || len(r.Distances) != len(r.Below) || r.Problem == "" && (r.K < 1 || r.Patients < 1) {
		return nil
	}
	return r
}

// refreshReference makes the reference anew if the collection has changed much.
func (s *Service) refreshReference(ctx context.Context, c store.Collection) error {
	status, err := s.Catalog.Status(ctx, c.Name)
	if err != nil {
		return err
	}
	t := s.trainingOf(c)
	t.mu.RLock()
	stale := t.novelty.isStale(status.Instances)
	t.mu.RUnlock()
	if !stale {
		return nil
	}
	r, err := s.newReference(ctx, c)
	if err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.novelty = r
	t.mu.Unlock()
	return s.Catalog.SaveDerived(ctx, c.Name, noveltyName, data)
}

// newReference measures the distance of stored images to their neighbours of other
// patients.
func (s *Service) newReference(ctx context.Context, c store.Collection) (*reference, error) {
	all, err := s.everything(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	instances := make([]store.Instance, len(all))
	for i, one := range all {
		instances[i] = one.Instance
	}
	r, families := &reference{Created: c.Created, Instances: len(all)}, store.Families(instances)
	k, sample := probe.NeighbourRank(len(all)), drawnOf(len(all), mostReferences)
	distances := make([]float64, len(sample)) // below zero where there are too few others
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.Workers)
	for at, i := range sample {
		group.Go(func() (err error) {
			distances[at], err = s.distance(ctx, c.Name, instances[i], k)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var known []float64
	var patients []int
	for at, i := range sample {
		if distances[at] >= 0 {
			known, patients = append(known, distances[at]), append(patients, families[i])
		}
	}
	if r.Novelty, err = probe.NewNovelty(k, known, patients); errors.Is(err, probe.ErrNotEnough) {
		r.Problem, err = err.Error(), nil
	}
	return r, err
}

// distance returns that of a stored instance to its k-th neighbour, -1 if it has
// not as many or is gone.
func (s *Service) distance(ctx context.Context, collection string, i store.Instance, k int) (float64, error) {
	x, err := s.Catalog.Vector(ctx, collection, i.ID)
	if errors.Is(err, store.ErrInstance) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	return s.distanceFrom(ctx, collection, x, kinOf(i), k)
}

func (s *Service) distanceFrom(ctx context.Context, collection string, x []float32, exclude store.Exclude, k int) (float64, error) {
	found, err := s.Catalog.Search(ctx, collection, store.Query{Vector: x, K: k, Exclude: exclude})
	if err != nil || len(found) < k {
		return -1, err
	}
	return probe.UnitDistance(float64(found[k-1].Score)), nil
}

// askNovelty says how unusual a query is among all that is stored.
func (s *Service) askNovelty(ctx context.Context, u question, q Query, r *reference) (Novelty, error) {
	switch {
	case q.level().Of != store.Instances:
		return Novelty{Problem: "it is known of single images only"}, nil
	case r == nil:
		return Novelty{Problem: "the collection's own images have not been compared yet; that is done with the first version of a task's probes"}, nil
	case r.Problem != "":
		return Novelty{Problem: r.Problem}, nil
	}
	n := Novelty{K: r.K, Reference: r.Patients}
	d, err := s.distanceFrom(ctx, u.collection.Name, u.vector, u.exclude, r.K)
	if err != nil {
		return n, err
	}
	if d < 0 {
		n.Problem = fmt.Sprintf("there are fewer than %d images of other patients", r.K)
		return n, nil
	}
	percentile := r.Percentile(d)
	n.Distance, n.Percentile = &d, &percentile
	return n, nil
}

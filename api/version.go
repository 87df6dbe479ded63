package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearcase/probe"
	"nearcase/store"
)

const (
	// keptVersions is how many versions of a task's probes are kept, beside one
	// that is pinned.
	keptVersions = 10
	// allFolds names the variant that knows all folds; fold f's has the number f.
	allFolds = -1
)

// version is what was chosen for a task's answers at one time: the softmax probe,
// regularisations, calibrations, rules, operating points and voting. It does not
// change. A nil version has chosen nothing.
type version struct {
	Task string `json:"task"`
	// Created is when its collection was, whose name may be used again.
	Created time.Time `json:"created"`
	// Watermark is the label up to which it knows labels, and its number.
	Watermark store.Key     `json:"label_watermark"`
	Made      time.Time     `json:"made"`
	Took      time.Duration `json:"took_ns"`
	// Settings are those of the task that it was made with.
	Settings store.Settings `json:"settings"`
	// Variants are the tunings of all examples, and of all but each fold.
	Variants []probe.Tuning `json:"variants"`
	// Centres, of each variant, are means of the vectors it knows; nil where
	// vectors are not centred.
	Centres []*probe.Centre `json:"centres,omitempty"`
	// Members are hashes of the instances in each fold, sorted: see isIn.
	Members [][]byte `json:"members"`
}

// lambda returns the ridge probe's regularisation in a variant, 0 for none.
func (v *version) lambda(fold int) float64 {
	if u := v.variant(fold); u != nil {
		return u.Ridge.Lambda
	}
	return 0
}

// variant returns the tuning that knows nothing of a fold, or all; nil where
// there is none because the others have too few labels.
func (v *version) variant(fold int) *probe.Tuning {
	if v == nil || fold+1 >= len(v.Variants) || len(v.Variants[fold+1].Classes) == 0 {
		return nil
	}
	return &v.Variants[fold+1]
}

// centre returns that of a variant, nil if there is none.
func (v *version) centre(fold int) *probe.Centre {
	if v == nil || fold+1 >= len(v.Centres) {
		return nil
	}
	return v.Centres[fold+1]
}

func memberHash(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}

// setMembers notes which instances are in which fold.
func (v *version) setMembers(cases []store.Case, folds []int) {
	hashes := make([][]uint64, tuningFolds)
	for i, c := range cases {
		hashes[folds[i]] = append(hashes[folds[i]], memberHash(c.Instance.ID))
	}
	v.Members = make([][]byte, tuningFolds)
	for f, of := range hashes {
		slices.Sort(of)
		for _, h := range of {
			v.Members[f] = binary.LittleEndian.AppendUint64(v.Members[f], h)
		}
	}
}

// isIn reports whether an instance was in a fold when the version was made. One
// that was not may be said to be, by chance, once in 10^13 for a million.
func (v *version) isIn(fold int, id string) bool {
	of, h := v.Members[fold], memberHash(id)
	n := len(of) / 8
	low, high := 0, n
	for low < high {
		middle := (low + high) / 2
		if binary.LittleEndian.Uint64(of[8*middle:]) < h {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low < n && binary.LittleEndian.Uint64(of[8*low:]) == h
}

// check reports what a version that was read lacks, or that it is of a collection
// that had this name before.
func (v *version) check(c store.Collection, task string, number store.Key) error {
	if v.Task != task || !v.Created.Equal(c.Created) || v.Watermark != number || len(v.Variants) != 1+tuningFolds || len(v.Members) != tuningFolds || len(v.Variants[0].Classes) == 0 {
		return fmt.Errorf("version %d of task %s: %w", number, task, store.ErrDamaged)
	}
	for i, u := range v.Variants {
		if i > 0 && u.Ridge.Linear == nil { // see compact
			k := len(u.Classes)
			u.Ridge.Linear = &probe.Linear{Classes: u.Classes, Weights: make([][]float64, k), Intercept: make([]float64, k)}
		}
		if err := u.Check(); err != nil {
			return fmt.Errorf("version %d of task %s, variant %d: %w: %w", number, task, i, store.ErrDamaged, err)
		}
	}
	return nil
}

// versionPrefix begins the names under which versions of a task are saved.
func versionPrefix(task string) string {
	sum := sha256.Sum256([]byte(task))
	return fmt.Sprintf("probe-%x-", sum[:8])
}

func versionName(task string, number store.Key) string {
	return versionPrefix(task) + fmt.Sprintf("%020d", number)
}

// versionsOf returns the numbers of a task's versions, ascending.
func (s *Service) versionsOf(ctx context.Context, collection, task string) ([]store.Key, error) {
	names, err := s.Catalog.DerivedNames(ctx, collection)
	if err != nil {
		return nil, err
	}
	var numbers []store.Key
	for _, name := range names {
		if number, ok := strings.CutPrefix(name, versionPrefix(task)); ok {
			if n, err := strconv.ParseUint(number, 10, 64); err == nil && n > 0 {
				numbers = append(numbers, store.Key(n))
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// loadVersion reads a version: store.ErrDerived if it is not there, or damaged.
func (s *Service) loadVersion(ctx context.Context, c store.Collection, task string, number store.Key) (*version, error) {
	data, err := s.Catalog.Derived(ctx, c.Name, versionName(task, number))
	if err != nil {
		return nil, err
	}
	v := &version{}
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("version %d of task %s: %w: %w: %w", number, task, store.ErrDerived, store.ErrDamaged, err)
	}
	if err := v.check(c, task, number); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDerived, err)
	}
	return v, nil
}

// wanted is the version that is to answer: the one that is pinned if it is there,
// or else the newest; 0 for none.
func (p *taskProbe) wanted() store.Key {
	if pinned := p.task.Settings.Pinned; slices.Contains(p.versions, pinned) {
		return pinned
	}
	if n := len(p.versions); n > 0 {
		return p.versions[n-1]
	}
	return 0
}

func (p *taskProbe) rightVersion() bool {
	if p.current == nil {
		return len(p.versions) == 0
	}
	return p.current.Watermark == p.wanted()
}

// choose loads the version that is to answer. Those that cannot be read are
// passed over.
func (p *taskProbe) choose(ctx context.Context, s *Service, c store.Collection) error {
	for !p.rightVersion() {
		number := p.wanted()
		if number == 0 {
			p.current = nil
			return nil
		}
		v, err := s.loadVersion(ctx, c, p.task.Name, number)
		if errors.Is(err, store.ErrDerived) {
			s.Logger.WarnContext(ctx, "a version of the probes cannot be used", "collection", c.Name, "version", uint64(number), "error", err)
			p.versions = slices.DeleteFunc(p.versions, func(k store.Key) bool { return k == number })
			if p.current != nil && p.current.Watermark == number {
				p.current = nil
			}
			continue
		}
		if err != nil {
			return err
		}
		p.current = v
	}
	return nil
}

// publish saves a version and lets it answer from now on, unless another is
// pinned. Answers under way end with the one they began with.
func (s *Service) publish(ctx context.Context, c store.Collection, v *version) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save version %d of task %s: %w", v.Watermark, v.Task, err)
	}
	now, err := s.Catalog.Collection(ctx, c.Name)
	if err != nil {
		return err
	}
	if !now.Created.Equal(v.Created) {
		return fmt.Errorf("collection %s: %w: it was dropped meanwhile, and made anew", c.Name, store.ErrCollection)
	}
	if err := s.Catalog.SaveDerived(ctx, c.Name, versionName(v.Task, v.Watermark), data); err != nil {
		return err
	}
	t := s.trainingOf(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.tasks[v.Task]
	if p == nil { // forgotten meanwhile: it will be found
		return nil
	}
	p.versions = slices.Compact(slices.Sorted(slices.Values(append(p.versions, v.Watermark))))
	if p.wanted() == v.Watermark {
		p.current = v
	}
	p.since = slices.DeleteFunc(p.since, func(k store.Key) bool { return k <= v.Watermark })
	return s.prune(ctx, c.Name, p)
}

// prune removes versions beyond those that are kept.
func (s *Service) prune(ctx context.Context, collection string, p *taskProbe) error {
	for i := 0; len(p.versions)-i > keptVersions; {
		old := p.versions[i]
		if old == p.task.Settings.Pinned {
			i++
			continue
		}
		if err := s.Catalog.DropDerived(ctx, collection, versionName(p.task.Name, old)); err != nil {
			return err
		}
		p.versions = slices.Delete(p.versions, i, i+1)
	}
	return nil
}

// ofFold returns the fold that all of some instances are in, as their names say
// and as a version has them, and false if they are in several. No instances are
// in none: allFolds.
func (v *version) ofFold(folds []int, ids []string) (int, bool) {
	if len(folds) == 0 {
		return allFolds, true
	}
	if len(folds) > 1 {
		return 0, false
	}
	for f := range tuningFolds {
		if f != folds[0] && v != nil && slices.ContainsFunc(ids, func(id string) bool { return v.isIn(f, id) }) {
			return 0, false // they have become kin since
		}
	}
	return folds[0], true
}

// folds returns the folds of the families that instances belong to, each once.
// They depend on what is stored alone, not on what is labelled, so that an answer
// does not depend on whether its own patient is labelled either.
func (s *Service) folds(ctx context.Context, collection string, ids []string) ([]int, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	whole, err := s.Catalog.Excluded(ctx, collection, store.Exclude{Instances: ids, Kin: true})
	if err != nil {
		return nil, err
	}
	var instances []store.Instance
	for _, id := range whole {
		found, err := s.Catalog.Instance(ctx, collection, id)
		if errors.Is(err, store.ErrInstance) {
			continue
		}
		if err != nil {
			return nil, err
		}
		instances = append(instances, found.Instance)
	}
	var folds []int
	for _, name := range familyNames(instances) {
		folds = append(folds, foldOf(name))
	}
	slices.SortFunc(folds, cmp.Compare[int])
	return slices.Compact(folds), nil
}

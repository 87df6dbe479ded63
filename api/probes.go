package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nearcase/probe"
	"nearcase/store"
)

// ErrVersion is a version of a task's probes that is not there, or no longer.
var ErrVersion = errors.New("no such version of the probes")

// ProbeInfo describes the probes of one task.
type ProbeInfo struct {
	Task  string `json:"task"`
	Multi bool   `json:"multi,omitempty"`
	// Version is the log entry that changed the ridge probe last, and Watermark
	// the last label of the collection that it could know.
	Version   store.Key      `json:"version"`
	Watermark store.Key      `json:"label_watermark"`
	Examples  int            `json:"examples"`
	Patients  int            `json:"patients"`
	Classes   map[string]int `json:"classes"`
	Lambda    float64        `json:"lambda,omitempty"`
	// Problem says why there is no ridge probe; empty if there is one.
	Problem string `json:"problem,omitempty"`
	// Refused says why nothing is predicted; empty if something is.
	Refused string `json:"refused,omitempty"`
	// Default is the probe whose prediction stands.
	Default string `json:"default"`
	// Heads are the ridge and the softmax probe as the version that answers has
	// validated them; empty while there is none.
	Heads []HeadInfo `json:"heads"`
	// Answering is the version that answers, 0 for none; Pinned the one that is to
	// answer whatever is made after, 0 for none; Versions are all that are kept.
	Answering store.Key   `json:"answering,omitempty"`
	Pinned    store.Key   `json:"pinned,omitempty"`
	Versions  []store.Key `json:"versions"`
	// Changed counts the label changes since the newest version.
	Changed int `json:"changed"`
	// Due tells that another is to be made by now, and Running that it is being.
	Due     bool `json:"due"`
	Running bool `json:"running"`
}

// HeadInfo describes one head of a version.
type HeadInfo struct {
	Head string `json:"head"`
	// Lambda is the regularisation chosen.
	Lambda float64 `json:"lambda,omitempty"`
	// LogLoss of its calibrated out-of-patient probabilities; nil where they are
	// not calibrated.
	LogLoss *float64 `json:"log_loss,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

// ProbeVersion is a version of a task's probes in full, without the coefficients.
type ProbeVersion struct {
	Task string `json:"task"`
	// Version is the last label that it knows.
	Version   store.Key      `json:"version"`
	Answering bool           `json:"answering"`
	Pinned    bool           `json:"pinned"`
	Made      time.Time      `json:"made"`
	Took      time.Duration  `json:"took_ns"`
	Settings  store.Settings `json:"settings"`
	Tuning    probe.Tuning   `json:"tuning"`
}

// Comparison sets two versions of a task's probes side by side.
type Comparison struct {
	Task     string         `json:"task"`
	Versions []ProbeVersion `json:"versions"`
	// Heads compare what the two predict of the instances labelled now.
	Heads []Agreement `json:"heads"`
}

// Agreement says how often the same head of two versions predicts the same.
type Agreement struct {
	Head      string `json:"head"`
	Instances int    `json:"instances"`
	// Same counts the instances of which both predict the same.
	Same int `json:"same"`
	// Share is Same by Instances.
	Share float64 `json:"share"`
	// Problem says why they are not compared.
	Problem string `json:"problem,omitempty"`
}

// Probes describes the probes of a collection, in the order of its tasks.
func (s *Service) Probes(ctx context.Context, collection string) ([]ProbeInfo, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	s.refitting()
	t, err := s.training(ctx, c)
	if err != nil {
		return nil, err
	}
	defer t.mu.RUnlock()
	var infos []ProbeInfo
	for _, task := range c.Tasks {
		if p := t.tasks[task.Name]; p != nil {
			infos = append(infos, p.info(t.labelAt, s.Refit))
		}
	}
	return infos, nil
}

func (p *taskProbe) info(watermark store.Key, r Refit) ProbeInfo {
	i := ProbeInfo{Task: p.task.Name, Multi: p.task.Multi, Version: p.version, Watermark: watermark, Examples: p.ridge.Examples(),
		Patients: p.patients(), Classes: map[string]int{}, Refused: p.enough(), Default: probe.RidgeHead, Heads: []HeadInfo{},
		Pinned: p.task.Settings.Pinned, Versions: append([]store.Key{}, p.versions...), Changed: len(p.since),
		Due: p.isDue(r, time.Now()), Running: p.running}
	for _, class := range p.ridge.Classes() {
		i.Classes[class] = p.ridge.Count(class)
	}
	if l, err := p.all(); err != nil {
		i.Problem = err.Error()
	} else {
		i.Lambda = l.Lambda
	}
	if u := p.current.variant(allFolds); u != nil {
		i.Answering, i.Heads = p.current.Watermark, headsOf(u)
		i.Default = u.Better
		if h := p.task.Settings.Head; h == probe.RidgeHead || u.Softmax != nil && h != "" {
			i.Default = h
		}
	}
	return i
}

// patients counts those of all lessons.
func (p *taskProbe) patients() int {
	all := map[string]bool{}
	for _, counts := range []map[string]map[string]int{p.has, p.lacks} {
		for _, patients := range counts {
			for patient := range maps.Keys(patients) {
				all[patient] = true
			}
		}
	}
	return len(all)
}

func headsOf(u *probe.Tuning) []HeadInfo {
	heads := []HeadInfo{{probe.RidgeHead, u.Ridge.Lambda, u.Ridge.LogLoss, u.Ridge.Reasons}}
	if u.Softmax == nil {
		return append(heads, HeadInfo{Head: probe.SoftmaxHead, Reasons: []string{u.WithoutSoftmax}})
	}
	return append(heads, HeadInfo{probe.SoftmaxHead, u.Softmax.Lambda, u.Softmax.LogLoss, u.Softmax.Reasons})
}

// Probe returns a version of a task's probes, the one that answers for 0. One that
// is not there is ErrVersion; the task may be left out where there is one.
func (s *Service) Probe(ctx context.Context, collection, task string, number store.Key) (ProbeVersion, error) {
	v, p, err := s.version(ctx, collection, task, number)
	if err != nil {
		return ProbeVersion{}, err
	}
	return p.describe(v), nil
}

// standing is how the versions of a task stand.
type standing struct{ answering, pinned store.Key }

func (p standing) describe(v *version) ProbeVersion {
	d := ProbeVersion{Task: v.Task, Version: v.Watermark, Answering: v.Watermark == p.answering, Pinned: v.Watermark == p.pinned,
		Made: v.Made, Took: v.Took, Settings: v.Settings, Tuning: v.Variants[0]}
	d.Tuning.Ridge.Linear = nil
	if d.Tuning.Softmax != nil {
		softmax := *d.Tuning.Softmax
		softmax.Linear, d.Tuning.Softmax = nil, &softmax
	}
	return d
}

// version returns a version of a task, the one that answers for 0.
func (s *Service) version(ctx context.Context, collection, name string, number store.Key) (*version, standing, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, standing{}, err
	}
	task, err := soleTask(c, name)
	if err != nil {
		return nil, standing{}, err
	}
	t, err := s.training(ctx, c, task.Name)
	if err != nil {
		return nil, standing{}, err
	}
	p := t.tasks[task.Name]
	current, known, how := p.current, slices.Clone(p.versions), standing{pinned: p.task.Settings.Pinned}
	t.mu.RUnlock()
	if current != nil {
		how.answering = current.Watermark
	}
	if current != nil && (number == 0 || number == current.Watermark) {
		return current, how, nil
	}
	if number == 0 {
		return nil, how, fmt.Errorf("task %s: %w: none has been made yet", task.Name, ErrVersion)
	}
	if !slices.Contains(known, number) {
		return nil, how, fmt.Errorf("task %s: %w: %d; there are %d", task.Name, ErrVersion, number, known)
	}
	v, err := s.loadVersion(ctx, c, task.Name, number)
	if errors.Is(err, store.ErrDerived) {
		err = fmt.Errorf("%w: %w", ErrVersion, err)
	}
	return v, how, err
}

// Retrain makes a version of a task's probes now, and returns it when it answers,
// unless another is pinned. Too few labels are ErrNotEnough. The task may be left
// out where there is one.
func (s *Service) Retrain(ctx context.Context, collection, name string, progress func(done, total int)) (ProbeVersion, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return ProbeVersion{}, err
	}
	task, err := soleTask(c, name)
	if err != nil {
		return ProbeVersion{}, err
	}
	t, err := s.training(ctx, c, task.Name)
	if err != nil {
		return ProbeVersion{}, err
	}
	why := t.tasks[task.Name].enough()
	t.mu.RUnlock()
	if why != "" {
		return ProbeVersion{}, fmt.Errorf("retrain task %s of %s: %w%s", task.Name, collection, ErrNotEnough, strings.TrimPrefix(why, ErrNotEnough.Error()))
	}
	v, err := s.refit(ctx, c, task.Name, s.Workers, progress)
	if err != nil {
		return ProbeVersion{}, err
	}
	return s.Probe(ctx, collection, task.Name, v.Watermark)
}

// Rollback lets a version of a task's probes answer, whatever is made after it,
// and returns how they stand; 0 is the newest again.
func (s *Service) Rollback(ctx context.Context, collection, name string, number store.Key) (ProbeInfo, error) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return ProbeInfo{}, err
	}
	task, err := soleTask(c, name)
	if err != nil {
		return ProbeInfo{}, err
	}
	if number != 0 {
		if _, _, err := s.version(ctx, collection, task.Name, number); err != nil {
			return ProbeInfo{}, err
		}
	}
	settings := task.Settings.Clone()
	settings.Pinned = number
	if err := s.Catalog.Configure(ctx, collection, task.Name, settings); err != nil {
		return ProbeInfo{}, err
	}
	all, err := s.Probes(ctx, collection)
	for _, i := range all {
		if i.Task == task.Name {
			return i, nil
		}
	}
	return ProbeInfo{}, errors.Join(err, fmt.Errorf("task %q: %w", task.Name, store.ErrTask))
}

// Compare sets two versions of a task's probes side by side, of which 0 is the one
// that answers: what they were validated to do, and how often they predict the
// same of the instances that are labelled now. The ridge probes are those that the
// versions were made with.
func (s *Service) Compare(ctx context.Context, collection, task string, a, b store.Key) (Comparison, error) {
	var versions []*version
	var comparison Comparison
	for _, number := range []store.Key{a, b} {
		v, p, err := s.version(ctx, collection, task, number)
		if err != nil {
			return Comparison{}, err
		}
		versions = append(versions, v)
		comparison.Task, comparison.Versions = v.Task, append(comparison.Versions, p.describe(v))
	}
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return Comparison{}, err
	}
	t, err := s.training(ctx, c, comparison.Task)
	if err != nil {
		return Comparison{}, err
	}
	lessons := t.lessons(comparison.Task)
	t.mu.RUnlock()
	for _, head := range []string{probe.RidgeHead, probe.SoftmaxHead} {
		one, err := agreement(head, &versions[0].Variants[0], &versions[1].Variants[0], lessons)
		if err != nil {
			return Comparison{}, fmt.Errorf("compare versions of task %s: %w", comparison.Task, err)
		}
		comparison.Heads = append(comparison.Heads, one)
	}
	return comparison, nil
}

// agreement compares what a head of two tunings predicts.
func agreement(head string, a, b *probe.Tuning, lessons []lesson) (Agreement, error) {
	g := Agreement{Head: head}
	first, _ := a.Head(head)
	second, _ := b.Head(head)
	if first == nil || second == nil || first.Linear == nil || second.Linear == nil {
		g.Problem = "one of the versions has none"
		return g, nil
	}
	for _, l := range lessons {
		p, err := plainly(head, first.Linear, a.Multi, l.vector)
		if err != nil {
			return g, err
		}
		q, err := plainly(head, second.Linear, b.Multi, l.vector)
		if err != nil {
			return g, err
		}
		if g.Instances++; slices.Equal(p, q) {
			g.Same++
		}
	}
	if g.Instances > 0 {
		g.Share = float64(g.Same) / float64(g.Instances)
	}
	return g, nil
}

// plainly returns what a probe predicts by its scores alone.
func plainly(head string, l *probe.Linear, multi bool, x []float32) ([]string, error) {
	scores, err := l.Predict(x)
	if err != nil {
		return nil, err
	}
	shift := 0.0
	if head == probe.SoftmaxHead {
		shift = 0.5
	}
	return predicted(scores, multi, func(s probe.Score) (string, float64) { return s.Class, s.Score + shift }), nil
}

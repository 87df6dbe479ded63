package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nearcase/store"
)

// LabelRequest is one label to store: see store.Label, whose fields it has. No
// classes with Remove unset is a multi-label instance in which nothing is present.
type LabelRequest struct {
	Instance string   `json:"instance"`
	Task     string   `json:"task"`
	Classes  []string `json:"classes"`
	// Absent and Uncertain are other classes of a multi-label task. Classes in no
	// list are absent too, unless Partial says that they are not mentioned.
	Absent    []string `json:"absent,omitempty"`
	Uncertain []string `json:"uncertain,omitempty"`
	Partial   bool     `json:"partial,omitempty"`
	// Remove withdraws what the reader has said for the task.
	Remove bool `json:"remove,omitempty"`
	// Reader is whose opinion it is; empty for a label that stands for all.
	Reader string `json:"reader,omitempty"`
	// Confidence is more than 0 and at most 1; 0 is none given, and counts as 1.
	Confidence float64 `json:"confidence,omitempty"`
	Source     string  `json:"source,omitempty"`
	// Time is when the label was given; zero is now. It does not decide which of a
	// reader's labels counts: that is the one stored last.
	Time time.Time `json:"time,omitzero"`
}

// Labelled acknowledges labels: they are durable, and answers from now on know
// them. New, Changed and Unchanged divide them by what their readers had said
// before, of a file with several images what was said of the first. Watermark is
// the collection's last label.
type Labelled struct {
	Labels    int       `json:"labels"`
	New       int       `json:"new"`
	Changed   int       `json:"changed"` // also those that were withdrawn
	Unchanged int       `json:"unchanged"`
	Watermark store.Key `json:"label_watermark"`
}

// LabelDetails is a label with all that is known of it.
type LabelDetails struct {
	store.Label
	// Opinions, sorted by reader, are what several readers have said, or what
	// readers have said where there is a label that stands for all.
	Opinions []store.Label `json:"opinions,omitempty"`
	// Agree tells whether every opinion says what the label says; nil without
	// opinions.
	Agree *bool `json:"agree,omitempty"`
}

// LabelEntry is a label as it was stored once: said, corrected or withdrawn.
type LabelEntry struct {
	Key store.Key `json:"key"`
	store.Label
}

const (
	// MaxLabels bounds one call of Label, which is one commit.
	MaxLabels = 10_000
	// maxAhead is how far the clock of who labels may be ahead of this one.
	maxAhead = 5 * time.Minute
)

// Label stores labels, all or none. Two of one reader for one instance and task
// that say different things contradict each other: store.ErrInvalid, unless both
// have times and the second is the later, which corrects the first. (Where one is
// given for a file and another for one of its images the second counts.)
func (s *Service) Label(ctx context.Context, collection string, requests []LabelRequest) (Labelled, error) {
	labels, err := s.checkLabels(ctx, collection, requests)
	if err != nil {
		return Labelled{}, err
	}
	done, err := s.compare(ctx, collection, labels)
	if err != nil && !errors.Is(err, store.ErrInstance) { // which the store says of all or none
		return Labelled{}, err
	}
	storing, end := s.begin(ctx, StageStore)
	_, err = s.Catalog.Label(storing, collection, labels)
	end(err)
	if err != nil {
		return Labelled{}, err
	}
	status, err := s.Catalog.Status(ctx, collection)
	done.Labels, done.Watermark = len(labels), status.LabelHead
	return done, err
}

// checkLabels returns the labels that are requested, as they are stored.
func (s *Service) checkLabels(ctx context.Context, collection string, requests []LabelRequest) ([]store.Label, error) {
	if len(requests) > MaxLabels {
		return nil, fmt.Errorf("%d labels: %w: at most %d in one call", len(requests), store.ErrInvalid, MaxLabels)
	}
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return nil, err
	}
	type place struct{ instance, task, reader string }
	last := map[place]int{}
	labels := make([]store.Label, len(requests))
	for i, r := range requests {
		if labels[i], err = r.check(c); err != nil {
			return nil, fmt.Errorf("label %d, instance %s: %w", i+1, r.Instance, err)
		}
		at := place{r.Instance, r.Task, r.Reader}
		if before, again := last[at]; again && contradict(labels[before], labels[i]) {
			return nil, fmt.Errorf("labels %d and %d, instance %s: %w: contradicting: both are %s, and they differ; send one",
				before+1, i+1, r.Instance, store.ErrInvalid, whose(labels[i]))
		}
		last[at] = i
	}
	return labels, nil
}

// check returns the label that is requested, or why it cannot be stored.
func (r LabelRequest) check(c store.Collection) (store.Label, error) {
	if now := time.Now(); r.Time.After(now.Add(maxAhead)) {
		return store.Label{}, fmt.Errorf("label time %s: %w: it is in the future", r.Time.Format(time.RFC3339), store.ErrInvalid)
	}
	return c.CheckLabel(store.Label{
		Instance: r.Instance, Task: r.Task, Classes: r.Classes, Absent: r.Absent, Uncertain: r.Uncertain, Partial: r.Partial,
		Removed: r.Remove, Reader: r.Reader, Confidence: r.Confidence, Source: r.Source, Time: r.Time.UTC(),
	})
}

// contradict reports whether of two labels of one reader the second differs and
// is no later opinion.
func contradict(a, b store.Label) bool {
	return !b.Says(a) && (a.Time.IsZero() || b.Time.IsZero() || !b.Time.After(a.Time))
}

// whose says in words what a label is for and of whom.
func whose(l store.Label) string {
	if l.Reader == "" {
		return "for task " + l.Task
	}
	return fmt.Sprintf("for task %s by reader %s", l.Task, l.Reader)
}

// compare counts labels by what their readers have said before.
func (s *Service) compare(ctx context.Context, collection string, labels []store.Label) (done Labelled, err error) {
	said := map[string][]store.Label{} // by instance
	for _, l := range labels {
		now, known := said[l.Instance]
		if !known {
			if now, err = s.said(ctx, collection, l.Instance); err != nil {
				return Labelled{}, err
			}
		}
		at := slices.IndexFunc(now, func(o store.Label) bool { return o.Task == l.Task && o.Reader == l.Reader })
		id := l.Instance
		if at >= 0 {
			l.Instance = now[at].Instance // not that of the file
		}
		switch {
		case at < 0 && l.Removed, at >= 0 && l.Says(now[at]):
			done.Unchanged++
		case at < 0:
			done.New++
		default:
			done.Changed++
		}
		said[id] = store.Revise(now, l)
	}
	return done, nil
}

// said returns the current labels of an instance by task and reader.
func (s *Service) said(ctx context.Context, collection, id string) (current []store.Label, err error) {
	entries, err := s.Catalog.History(ctx, collection, id)
	for _, e := range entries {
		current = store.Revise(current, *e.Label)
	}
	return current, err
}

// History returns all labels that were ever stored of an instance, oldest first:
// corrections and withdrawals come after what they correct and erase nothing.
func (s *Service) History(ctx context.Context, collection, id string) ([]LabelEntry, error) {
	entries, err := s.Catalog.History(ctx, collection, id)
	if err != nil {
		return nil, err
	}
	history := make([]LabelEntry, len(entries))
	for i, e := range entries {
		history[i] = LabelEntry{e.Key, *e.Label}
	}
	return history, nil
}

// details returns those labels of which there is more to say than classes, source
// and time; nil for none.
func details(labels map[string]store.Label) map[string]LabelDetails {
	var more map[string]LabelDetails
	for task, l := range labels {
		if len(l.Opinions) == 0 && l.Reader == "" && l.Confidence == 0 && !l.Partial && len(l.Absent) == 0 && len(l.Uncertain) == 0 {
			continue
		}
		if more == nil {
			more = map[string]LabelDetails{}
		}
		more[task] = detailed(l)
	}
	return more
}

func detailed(l store.Label) LabelDetails {
	d := LabelDetails{Label: l, Opinions: l.Opinions}
	if len(d.Opinions) > 0 {
		agree := !slices.ContainsFunc(d.Opinions, func(o store.Label) bool {
			o.Reader, o.Confidence = l.Reader, l.Confidence
			return !o.Says(l)
		})
		d.Agree = &agree
	}
	return d
}

// detailed is details of one instance, with the opinions also where there is a
// label that stands for all.
func (s *Service) detailed(ctx context.Context, collection string, c store.Case) (map[string]LabelDetails, error) {
	current, err := s.said(ctx, collection, c.Instance.ID)
	if err != nil {
		return nil, err
	}
	labels := map[string]store.Label{}
	for task, l := range c.Labels {
		if l.Reader == "" && len(l.Opinions) == 0 {
			for _, o := range current {
				if o.Task == task && o.Reader != "" {
					l.Opinions = append(l.Opinions, o)
				}
			}
		}
		labels[task] = l
	}
	return details(labels), nil
}

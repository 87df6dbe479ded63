package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"nearcase/probe"
	"nearcase/store"
)

// Voting says how neighbours voted.
type Voting struct {
	Weighting   string  `json:"weighting"`
	Temperature float64 `json:"temperature,omitempty"`
	// K is how many voted at most.
	K int `json:"k"`
	// GroupBy is patient or study where only the nearest case of each voted, and
	// otherwise none.
	GroupBy string `json:"group_by"`
	// Centred tells that the weights are of scores after the mean of the labelled
	// vectors was subtracted.
	Centred bool `json:"centred,omitempty"`
	// Chosen says what K comes from: the query, the task's settings, a validated
	// version, or the default.
	Chosen string `json:"chosen"`
}

// What Voting.Chosen may be.
const (
	ByQuery      = "query"
	BySettings   = "settings"
	ByValidation = "validated"
	ByDefault    = "default"
)

// weighting is that of a task's votes.
func (s *Service) weighting(settings store.Settings) probe.Weighting {
	if settings.Weighting == "" {
		w := s.Weighting
		w.Temperature = cmp.Or(settings.Temperature, w.Temperature)
		return w
	}
	w := presetOf(settings).Weighting
	return probe.Weighting{Kind: cmp.Or(w.Kind, settings.Weighting), Temperature: cmp.Or(settings.Temperature, w.Temperature)}
}

// presetOf returns the preset that settings name. It is the zero one if they name
// none, or a kind of weighting, which says nothing else.
func presetOf(settings store.Settings) probe.Preset {
	kinds := []string{"", probe.Softmax, probe.Uniform, probe.Distance}
	if slices.Contains(kinds, settings.Weighting) {
		return probe.Preset{}
	}
	p, _ := probe.NamedPreset(settings.Weighting)
	return p
}

// isCentred reports whether vectors are centred before they are compared.
func isCentred(settings store.Settings) bool { return settings.Centre || presetOf(settings).Centred }

// voteGroups is whom, or what, only the nearest case of each votes of: patient, study,
// or none.
func (s *Service) voteGroups(q Query) string {
	switch {
	case q.GroupBy != "":
		return q.GroupBy
	case s.SeveralPerPatient:
		return GroupNone
	}
	return GroupPatient
}

// votingOf says how to vote on a query.
func (s *Service) votingOf(q Query, settings store.Settings, u *probe.Tuning) Voting {
	w := s.weighting(settings)
	v := Voting{Weighting: cmp.Or(w.Kind, probe.Softmax), GroupBy: s.voteGroups(q)}
	if v.Weighting == probe.Softmax {
		v.Temperature = cmp.Or(w.Temperature, probe.DefaultTemperature)
	}
	switch k := cmp.Or(settings.Neighbours, presetOf(settings).K); {
	case q.K > 0:
		v.K, v.Chosen = q.K, ByQuery
	case k > 0:
		v.K, v.Chosen = k, BySettings
	case u != nil && u.Voting != nil:
		v.K, v.Chosen = u.Voting.K, ByValidation
	default:
		v.K, v.Chosen = s.Neighbours, ByDefault
	}
	return v
}

// voter is a case with the similarity by which its vote is weighted.
type voter struct {
	store.Case
	similarity float64
}

const (
	// centredCandidates and moreCandidates say of how many nearest the k nearest
	// after centring are chosen: ten times as many and some.
	centredCandidates = 10
	moreCandidates    = 100
)

// voters returns the k labelled cases that vote on a question, nearest first. With
// a centre they are the nearest, once centred, of ten times as many and a hundred
// more that an exact search without centring finds.
func (s *Service) voters(ctx context.Context, u question, q Query, k int, centre *probe.Centre) ([]voter, error) {
	q.GroupBy = s.voteGroups(q)
	if q.K = k; centre != nil {
		q.K, q.Exact = min(centredCandidates*k+moreCandidates, maxNeighbours), true
	}
	if q.level().Of != store.Instances {
		return s.wholeVoters(ctx, u, q, k)
	}
	cases, err := s.neighbours(ctx, u, q)
	if err != nil {
		return nil, err
	}
	if centre != nil {
		return s.centred(ctx, u, cases, k, centre)
	}
	voters := make([]voter, min(k, len(cases)))
	for i := range voters {
		voters[i] = voter{cases[i], float64(cases[i].Score)}
	}
	return voters, nil
}

// wholeVoters is voters for whole series or studies: those whose labelled images do
// not contradict each other.
func (s *Service) wholeVoters(ctx context.Context, u question, q Query, k int) ([]voter, error) {
	for q.K = k; ; q.K = min(4*q.K, maxNeighbours) {
		cases, err := s.neighbours(ctx, u, q)
		if err != nil {
			return nil, err
		}
		var voters []voter
		for _, c := range cases {
			if _, labelled := c.Labels[q.labelled]; labelled && len(voters) < k {
				voters = append(voters, voter{c, float64(c.Score)})
			}
		}
		if len(voters) == k || len(cases) < q.K || q.K == maxNeighbours {
			return voters, nil
		}
	}
}

// centred ranks cases by their vectors once centred.
func (s *Service) centred(ctx context.Context, u question, cases []store.Case, k int, centre *probe.Centre) ([]voter, error) {
	var xs [][]float32
	var there []store.Case
	for _, c := range cases {
		x, err := s.Catalog.Vector(ctx, u.collection.Name, c.Instance.ID)
		if errors.Is(err, store.ErrInstance) {
			continue
		}
		if err != nil {
			return nil, err
		}
		xs, there = append(xs, x), append(there, c)
	}
	ranked, err := centre.Rank(u.vector, xs, k)
	voters := make([]voter, len(ranked))
	for i, r := range ranked {
		voters[i] = voter{there[r.At], r.Score}
	}
	return voters, err
}

// vote lets the neighbours vote.
func (a *answering) vote(voters []voter, task store.Task) (err error) {
	w := probe.Weighting{Kind: a.Voting.Weighting, Temperature: a.Voting.Temperature}
	voting, cases := probe.Voting{Weighting: w}, make([]store.Case, len(voters))
	for i, v := range voters {
		cases[i] = v.Case
	}
	neighbours := neighboursOf(cases, task)
	for i, v := range voters {
		neighbours[i].Score = v.similarity
	}
	if a.Votes, err = probe.Votes(neighbours, task.Classes, task.Multi, voting); err != nil {
		return err
	}
	a.Neighbours = make([]Voter, len(cases))
	patients := map[string]bool{}
	for i, weight := range voting.Weights(neighbours) {
		c := cases[i]
		patients[patientName(c.Instance)] = true
		a.Neighbours[i] = Voter{ID: c.Instance.ID, Score: c.Score, Weight: weight,
			Label: append([]string{}, c.Labels[task.Name].Classes...), Patient: c.Instance.Patient, Name: c.Instance.Name,
			Frame: c.Instance.Frame, Metadata: c.Instance.Metadata}
	}
	a.Counts.Neighbours, a.Counts.Patients = len(cases), len(patients)
	a.Vote = []string{}
	if len(cases) > 0 && a.Refused == "" {
		a.Vote = predicted(a.Votes, task.Multi, func(v probe.Vote) (string, float64) {
			if v.Share == nil || a.enough.refuses(v.Class) && task.Multi {
				return v.Class, 0
			}
			return v.Class, *v.Share
		})
	}
	return nil
}

// neighboursOf are the cases as they vote for a task.
func neighboursOf(cases []store.Case, task store.Task) []probe.Neighbour {
	neighbours := make([]probe.Neighbour, len(cases))
	for i, c := range cases {
		y, _ := task.Target(c.Labels[task.Name])
		neighbours[i] = probe.Neighbour{Score: float64(c.Score), Y: y, Patient: c.Instance.Patient}
	}
	return neighbours
}

// predicted returns the best class, or for a multi-label task all that reach
// one half, sorted. The scores are best first.
func predicted[T any](scores []T, multi bool, of func(T) (string, float64)) []string {
	classes := []string{}
	for i, s := range scores {
		class, score := of(s)
		if (multi && score >= 0.5) || (!multi && i == 0) {
			classes = append(classes, class)
		}
	}
	slices.Sort(classes)
	return classes
}

// Disagreement is how far the votes and the default probe differ.
type Disagreement struct {
	// Gap is half the sum of the absolute differences of the shares and the
	// probabilities, 0 to 1; of a multi-label task that of the worst finding.
	Gap float64 `json:"gap"`
	// Flag tells that a person should look: see probe.Disagreement.
	Flag bool `json:"flag"`
	// Findings of a multi-label task that are flagged.
	Findings []string `json:"findings,omitempty"`
}

// disagree compares the votes with probabilities, by class; nil where one of them
// says nothing.
func disagree(votes []probe.Vote, probabilities map[string]float64, multi bool) (*Disagreement, error) {
	shares := map[string]float64{}
	for _, v := range votes {
		if v.Share != nil {
			shares[v.Class] = *v.Share
		}
	}
	var d *Disagreement
	var all [2][]float64
	for _, v := range votes {
		p, known := probabilities[v.Class]
		share, voted := shares[v.Class]
		if !multi {
			all[0], all[1] = append(all[0], share), append(all[1], p)
			continue
		}
		if !known || !voted {
			continue
		}
		one, err := probe.Disagree([]float64{share, 1 - share}, []float64{p, 1 - p})
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", v.Class, err)
		}
		if d == nil {
			d = &Disagreement{}
		}
		if d.Gap = max(d.Gap, one.Gap); one.Flag {
			d.Flag, d.Findings = true, append(d.Findings, v.Class)
		}
	}
	if multi || len(shares) == 0 || len(probabilities) == 0 {
		return d, nil
	}
	one, err := probe.Disagree(all[0], all[1])
	if errors.Is(err, probe.ErrNotEnough) {
		return nil, nil
	}
	return &Disagreement{Gap: one.Gap, Flag: one.Flag}, err
}

package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Neighbour is what a vote needs to know of a neighbour.
type Neighbour struct {
	Score float64 // cosine similarity, higher is closer
	// Y is how far the neighbour has each class, in the order of the task's
	// classes and as in Examples. NaN says nothing of a class; in a single-label
	// task all are NaN or none.
	Y []float64
	// Patient whose image it is, or the name of its kin. Neighbours of unknown
	// patient, "", are each of a patient of their own.
	Patient string
}

// A Voting says who votes and with which weight. The zero value lets all
// neighbours vote that it is given, with DINOv2's weights.
type Voting struct {
	Weighting Weighting `json:"weighting"`
	// K is how many of the nearest vote; zero means all.
	K int `json:"k,omitempty"`
	// OnePerPatient gives a vote only to the nearest neighbour of each patient,
	// and so to K patients.
	OnePerPatient bool `json:"one_per_patient,omitempty"`
}

// Validate returns ErrWeighting unless v can be used.
func (v Voting) Validate() error {
	if v.K < 0 {
		return fmt.Errorf("%d voters: %w", v.K, ErrWeighting)
	}
	return v.Weighting.Validate()
}

// Weights returns the weight of each neighbour, in order: zero for those that
// do not vote, and one in sum unless there are none. v must be valid.
func (v Voting) Weights(neighbours []Neighbour) []float64 {
	weights := make([]float64, len(neighbours))
	v.weigh(weights, neighbours, v.voters(neighbours))
	return weights
}

// weigh sets the weights of the neighbours at the given positions.
func (v Voting) weigh(weights []float64, neighbours []Neighbour, at []int) {
	scores := make([]float64, len(at))
	for j, i := range at {
		scores[j] = neighbours[i].Score
	}
	for j, w := range v.Weighting.Weights(scores) {
		weights[at[j]] = w
	}
}

// voters returns the positions of those that vote, nearest first and ties in
// the order given.
func (v Voting) voters(neighbours []Neighbour) []int {
	at := make([]int, len(neighbours))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(neighbours[b].Score, neighbours[a].Score) })
	if v.OnePerPatient {
		seen := map[string]bool{}
		at = slices.DeleteFunc(at, func(i int) bool {
			patient := neighbours[i].Patient
			again := seen[patient] && patient != ""
			seen[patient] = true
			return again
		})
	}
	if v.K > 0 && v.K < len(at) {
		at = at[:v.K]
	}
	return at
}

// A Vote is one class's part of a vote.
type Vote struct {
	Class string `json:"class"`
	// Share of the weight of those that know of the class, 0 to 1: what each
	// weighs counts as far as it has the class. It is nil where Known is zero.
	Share *float64 `json:"share,omitempty"`
	// Count of the voters that have the class, by half or more.
	Count int `json:"count"`
	// Known is the count of voters whose label says whether they have the class.
	Known int `json:"known"`
}

// Votes returns what share each of the classes has, best first, ties in the
// order given and classes of which no neighbour knows last. The weights are
// renormalised over those voters that know of a class: of the v.K nearest, not
// of the nearest that know of it. In a single-label task the shares sum to
// one; those of a multi-label task need not, each finding being voted on by
// itself. It returns ErrWeighting, ErrDimension or ErrTarget if v or a
// neighbour is not as described.
func Votes(neighbours []Neighbour, classes []string, multi bool, v Voting) ([]Vote, error) {
	votes, err := v.votes(neighbours, classes, multi)
	slices.SortStableFunc(votes, func(a, b Vote) int { return cmp.Compare(b.share(), a.share()) })
	return votes, err
}

// Shares returns the shares of a vote in the order of the classes, NaN where no
// neighbour knows of a class. The errors are those of Votes.
func Shares(neighbours []Neighbour, classes []string, multi bool, v Voting) ([]float64, error) {
	votes, err := v.votes(neighbours, classes, multi)
	shares := make([]float64, len(votes))
	for c, vote := range votes {
		shares[c] = vote.share()
	}
	return shares, err
}

// share returns the share, or NaN if there is none.
func (v Vote) share() float64 {
	if v.Share == nil {
		return math.NaN()
	}
	return *v.Share
}

// votes returns the votes in the order of the classes.
func (v Voting) votes(neighbours []Neighbour, classes []string, multi bool) ([]Vote, error) {
	if err := v.Validate(); err != nil {
		return nil, err
	}
	for i, n := range neighbours {
		if err := n.check(classes, multi); err != nil {
			return nil, fmt.Errorf("neighbour %d: %w", i, err)
		}
	}
	voters := v.voters(neighbours)
	votes := make([]Vote, len(classes))
	for c, class := range classes {
		votes[c] = v.vote(neighbours, voters, c)
		votes[c].Class = class
	}
	return votes, nil
}

// vote counts the voters' votes on class c.
func (v Voting) vote(neighbours []Neighbour, voters []int, c int) Vote {
	var vote Vote
	var knowing []int
	for _, i := range voters {
		if y := neighbours[i].Y[c]; !math.IsNaN(y) {
			knowing = append(knowing, i)
			vote.Known++
			if y >= 0.5 {
				vote.Count++
			}
		}
	}
	if vote.Known == 0 {
		return vote
	}
	weights, share := make([]float64, len(neighbours)), 0.0
	v.weigh(weights, neighbours, knowing)
	for _, i := range knowing {
		share += weights[i] * neighbours[i].Y[c]
	}
	share = min(share, 1) // a sum of weights may pass one by rounding
	vote.Share = &share
	return vote
}

// check returns ErrDimension or ErrTarget unless n is as described.
func (n Neighbour) check(classes []string, multi bool) error {
	known := func(y float64) bool { return !math.IsNaN(y) }
	if !multi && len(n.Y) == len(classes) && !slices.ContainsFunc(n.Y, known) {
		return nil
	}
	return Examples{Classes: classes, Multi: multi}.checkTarget(n.Y)
}

package probe

import (
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// recordedVotes are results of scikit-learn, made by testdata/vote.py.
type recordedVotes struct {
	Votes []struct {
		Weights   string    `json:"weights"`
		K         int       `json:"k"`
		Scores    []float64 `json:"scores"`
		Labels    string    `json:"labels"`
		Shares    []float64 `json:"shares"`
		Predicted string    `json:"predicted"`
	} `json:"votes"`
	Centroids []struct {
		Centred   bool        `json:"centred"`
		Metric    string      `json:"metric"`
		X         [][]float32 `json:"x"`
		Labels    string      `json:"labels"`
		Queries   [][]float32 `json:"queries"`
		Means     [][]float64 `json:"means"`
		Scores    [][]float64 `json:"scores"`
		Predicted string      `json:"predicted"`
	} `json:"centroids"`
}

func readVotes(t *testing.T) (r recordedVotes) {
	t.Helper()
	b, err := os.ReadFile("testdata/vote.json")
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil || len(r.Votes) == 0 || len(r.Centroids) == 0 {
		t.Fatalf("reading testdata/vote.json: %d votes, %d centroids, error %v", len(r.Votes), len(r.Centroids), err)
	}
	return r
}

var abc = []string{"a", "b", "c"}

func TestVotesAreThoseOfScikitLearn(t *testing.T) {
	duplicates := 0
	for i, c := range readVotes(t).Votes {
		neighbours := make([]Neighbour, len(c.Scores))
		for j, s := range c.Scores {
			neighbours[j] = Neighbour{Score: s, Y: targetOf("abc", c.Labels[j:j+1])}
		}
		if c.Scores[0] >= Identical {
			duplicates++
		}
		v := Voting{Weighting{Kind: c.Weights}, c.K, false}
		shares, err := Shares(neighbours, abc, false, v)
		if err != nil {
			t.Fatal(err)
		}
		tied := false
		for k, want := range c.Shares {
			if math.Abs(shares[k]-want) > 1e-12 {
				t.Errorf("case %d: Shares(%v, %s, %+v) = %v, want %v", i, c.Scores, c.Labels, v, shares, c.Shares)
				break
			}
			tied = tied || want > 0 && want != 1 && math.Abs(want-c.Shares[strings.Index("abc", c.Predicted)]) < 1e-9 && abc[k] != c.Predicted
		}
		// By distance the last bit of a sum decides a tie, in scikit-learn too.
		votes, _ := Votes(neighbours, abc, false, v)
		if votes[0].Class != c.Predicted && !(tied && c.Weights == Distance) {
			t.Errorf("case %d: Votes(%v, %s, %+v) begin with %s, want %s", i, c.Scores, c.Labels, v, votes[0].Class, c.Predicted)
		}
	}
	if duplicates < 30 {
		t.Errorf("%d cases with duplicates, want 30 at least", duplicates)
	}
}

func TestClassMeansAreThoseOfScikitLearn(t *testing.T) {
	for i, c := range readVotes(t).Centroids {
		e := Examples{Classes: abc, X: c.X}
		for j := range c.X {
			e.Y, e.Patient = append(e.Y, targetOf("abc", c.Labels[j:j+1])), append(e.Patient, j)
		}
		made := ClassMeans
		if c.Centred {
			made = SimpleShot
		}
		p, err := made(e)
		if err != nil {
			t.Fatal(err)
		}
		f, err := p.Fit()
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range c.Means {
			if !closeTo(f.Present[k], want, 1e-13) {
				t.Errorf("case %d: mean of %s = %v, want %v", i, abc[k], f.Present[k], want)
			}
		}
		for q, x := range c.Queries {
			got, err := f.Nearest(x)
			if c.Metric == "cosine" {
				got = cosinesOf(got, f)
			}
			if err != nil || got[0].Class != c.Predicted[q:q+1] {
				t.Fatalf("case %d: %s prediction of %v = %v, %v, want %s", i, c.Metric, x, got, err, c.Predicted[q:q+1])
			}
			for _, s := range got {
				if want := c.Scores[q][strings.Index("abc", s.Class)]; math.Abs(s.Score-want) > 1e-13 {
					t.Errorf("case %d: %s score of %v for %s = %v, want %v", i, c.Metric, x, s.Class, s.Score, want)
				}
			}
		}
	}
}

// cosinesOf returns the cosines with the means that scores of Nearest stand for,
// best first.
func cosinesOf(scores []Score, f *Prototype) []Score {
	cosines := slices.Clone(scores)
	for i, s := range scores {
		length := euclidean(f.Present[slices.Index(f.Classes, s.Class)])
		cosines[i].Score = (s.Score + (length*length-1)/2) / length
	}
	slices.SortFunc(cosines, func(a, b Score) int { return cmp.Compare(b.Score, a.Score) })
	return cosines
}

// closeTo tells whether a and b are as long and differ by no more than by.
func closeTo(a, b []float64, by float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !(math.Abs(a[i]-b[i]) <= by) && !(math.IsNaN(a[i]) && math.IsNaN(b[i])) {
			return false
		}
	}
	return true
}

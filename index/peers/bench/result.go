package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
)

// result is all that was measured, as it is kept in a file.
type result struct {
	Command  string   `json:"command"`
	Machine  machine  `json:"machine"`
	Settings settings `json:"settings"`
	Missing  []string `json:"missing,omitempty"`
	Runs     []run    `json:"runs"`
}

// settings are what all engines were given alike.
type settings struct {
	K              int   `json:"k"`
	M              int   `json:"m"`
	EfConstruction int   `json:"ef_construction"`
	Repetitions    int   `json:"repetitions"`
	Threads        int   `json:"threads"`
	Ef             []int `json:"ef"`
}

// run is one engine on one data set. Saved and Opened are the seconds that writing
// the index into a file took, and opening that until it had answered once; 0 is
// not measured. Anonymous and Mapped are by how many bytes
// the resident memory grew while the index was built; Failure says why there is
// nothing else.
type run struct {
	Dataset   string  `json:"dataset"`
	Vectors   int     `json:"vectors"`
	Dimension int     `json:"dimension"`
	Engine    string  `json:"engine"`
	Scan      bool    `json:"scan,omitempty"`
	Ours      bool    `json:"ours,omitempty"`
	Builds    []build `json:"builds,omitempty"`
	Anonymous int64   `json:"anonymous_bytes"`
	Mapped    int64   `json:"mapped_bytes"`
	Saved     float64 `json:"save_seconds,omitempty"`
	Opened    float64 `json:"open_seconds,omitempty"`
	Points    []point `json:"points,omitempty"`
	Failure   string  `json:"failure,omitempty"`
}

type build struct {
	Threads int     `json:"threads"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`
}

// point is a search of one width: the queries answered in a second one by one
// and in one call, 0 where that was not measured, and the seconds that half and
// all but one in a hundred of those asked one by one took at most. CPU is the
// share of the time that each thread had a processor.
type point struct {
	Threads int     `json:"threads"`
	Ef      int     `json:"ef"`
	Queries int     `json:"queries"`
	Recall  float64 `json:"recall"`
	Single  float64 `json:"qps_single"`
	Batch   float64 `json:"qps_batch"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	CPU     float64 `json:"cpu"`
}

// disturbed says whether other work on the machine took so much of the time
// that figures are not to be trusted. Building on several threads has other
// reasons to wait.
func (r run) disturbed() bool {
	return slices.ContainsFunc(r.Points, func(p point) bool { return p.CPU < calm }) ||
		slices.ContainsFunc(r.Builds, func(b build) bool { return b.Threads == 1 && b.CPU < calm })
}

// calm is the share of the time that an undisturbed thread has a processor, at
// least.
const calm = 0.85

// rate is the better of the two ways to ask.
func (p point) rate() float64 { return max(p.Single, p.Batch) }

// seconds is how long the build on so many threads took, 0 if not measured.
func (r run) seconds(threads int) float64 {
	for _, b := range r.Builds {
		if b.Threads == threads {
			return b.Seconds
		}
	}
	return 0
}

// on returns the points on so many threads by growing ef.
func (r run) on(threads int) []point {
	points := slices.DeleteFunc(slices.Clone(r.Points), func(p point) bool { return p.Threads != threads })
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.Ef, b.Ef) })
	return points
}

// frontier keeps of the points those that no other one beats in both recall and
// rate, by growing recall.
func frontier(points []point) []point {
	byRecall := slices.Clone(points)
	slices.SortStableFunc(byRecall, func(a, b point) int {
		return cmp.Or(cmp.Compare(b.Recall, a.Recall), cmp.Compare(b.rate(), a.rate()))
	})
	var kept []point
	for _, p := range byRecall {
		if len(kept) == 0 || p.rate() > kept[len(kept)-1].rate() {
			kept = append(kept, p)
		}
	}
	slices.Reverse(kept)
	return kept
}

// reaching returns the queries a second at which the frontier of points reaches
// the recall, and the first point on it that does. Between two points the rate
// is interpolated on its logarithm; a first one that already does is taken as
// it is. ok is false if none does.
func reaching(points []point, recall float64) (rate float64, first point, ok bool) {
	points = frontier(points)
	i := slices.IndexFunc(points, func(p point) bool { return p.Recall >= recall })
	if i < 0 {
		return 0, point{}, false
	}
	first = points[i]
	if i == 0 {
		return first.rate(), first, true
	}
	before := points[i-1]
	part := (recall - before.Recall) / (first.Recall - before.Recall)
	rate = math.Exp(math.Log(before.rate())*(1-part) + math.Log(first.rate())*part)
	return rate, first, true
}

// load reads a result; one that does not exist is empty.
func load(path string) (result, error) {
	var r result
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}

func (r result) save(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// holds says whether the run is there already, without failure.
func (r result) holds(dataset string, vectors, dim int, engine string) bool {
	return slices.ContainsFunc(r.Runs, func(x run) bool {
		return x.Dataset == dataset && x.Vectors == vectors && x.Dimension == dim && x.Engine == engine && x.Failure == ""
	})
}

package probe

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// What a Suspect of a multi-label task was given, or should be.
const (
	Present = "present"
	Absent  = "absent"
)

// A Suspect is a label and how much speaks against it.
type Suspect struct {
	Image int `json:"image"` // position among the scored images
	// Finding is the class that the label is about in a multi-label task, empty
	// in a single-label one.
	Finding string `json:"finding,omitempty"`
	// Given and Suggested are classes in a single-label task, Present and Absent
	// in a multi-label one.
	Given     string `json:"given"`
	Suggested string `json:"suggested"`
	// Probability of what was given, and Alternative of what is suggested, from a
	// probe that saw no image of the patient.
	Probability float64 `json:"probability"`
	Alternative float64 `json:"alternative"`
	// Usual are the mean probabilities that images with the label given, and with
	// the one suggested, have for their own label.
	Usual            float64 `json:"usual"`
	AlternativeUsual float64 `json:"alternative_usual"`
	// Score orders suspects: 1-Probability, the chance that the label is wrong.
	Score float64 `json:"score"`
	// Likely tells that the suggested class is more probable than the given, and
	// at least as probable as it usually is for images that have it.
	Likely bool `json:"likely"`
}

// Suspects ranks the labels of images by how improbable their out-of-patient
// probabilities, which should be calibrated, make them: the most doubtful first
// and ties by position and finding, one per label: all images of a single-label
// task, all images and findings of a multi-label one. That is the order by
// self-confidence of confident learning (Northcutt, Jiang and Chuang, JAIR 70,
// 2021), and Likely is its counting rule, which compares probabilities with the
// mean of their class, so that a class of which a probe is never sure is not all
// suspect. (Ordering by a comparison with these means found fewer flipped labels:
// with 10 % of labels flipped in classes of 80, 15 and 5 %, 76 to 87 % in the
// first 15 % where self-confidence found 96 %.) The class suggested is the most
// probable other that some image has.
//
// A target of exactly 1/2, or of no class above 1/2, says that the reader did
// not know; it is no label and not returned. It returns ErrNotEnough unless two
// classes (or presence and absence of one finding) were given, ErrTarget for a
// score that is no probability, and Check's errors.
func Suspects(s Scored) ([]Suspect, error) {
	if err := s.checkProbabilities(); err != nil {
		return nil, fmt.Errorf("suspects: %w", err)
	}
	var all []Suspect
	if s.Multi {
		all = s.findingSuspects()
	} else {
		all = suspects(s.Scores, s.Y, s.Classes)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("suspects among %d images: %w", len(s.Scores), ErrNotEnough)
	}
	slices.SortFunc(all, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Image, b.Image), cmp.Compare(a.Finding, b.Finding))
	})
	return all, nil
}

func (s Scored) findingSuspects() []Suspect {
	var all []Suspect
	for f, class := range s.Classes {
		p, y := make([][]float64, len(s.Y)), make([][]float64, len(s.Y))
		for i := range s.Y {
			p[i] = []float64{s.Scores[i][f], 1 - s.Scores[i][f]}
			y[i] = []float64{s.Y[i][f], 1 - s.Y[i][f]}
		}
		for _, suspect := range suspects(p, y, []string{Present, Absent}) {
			suspect.Finding = class
			all = append(all, suspect)
		}
	}
	return all
}

// suspects returns those of a single-label task, in the images' order; none if
// no image was given another class.
func suspects(p, y [][]float64, classes []string) []Suspect {
	usual := selfConfidence(p, y, len(classes))
	var all []Suspect
	for i, row := range p {
		given := givenClass(y[i])
		if given < 0 {
			continue
		}
		other := alternative(row, usual, given)
		if other < 0 {
			return nil
		}
		all = append(all, Suspect{
			Image: i, Given: classes[given], Suggested: classes[other],
			Probability: row[given], Alternative: row[other],
			Usual: usual[given], AlternativeUsual: usual[other],
			Score:  1 - row[given],
			Likely: row[other] > row[given] && row[other] >= usual[other],
		})
	}
	return all
}

// alternative returns the most probable class other than the given that some
// image has, -1 if there is none.
func alternative(row, usual []float64, given int) int {
	other := -1
	for c, p := range row {
		if c == given || math.IsNaN(usual[c]) {
			continue
		}
		if other < 0 || p > row[other] {
			other = c
		}
	}
	return other
}

// selfConfidence returns, per class, the mean probability of it over the images
// that were given it; NaN if none was.
func selfConfidence(p, y [][]float64, classes int) []float64 {
	mean, count := make([]float64, classes), make([]float64, classes)
	for i, row := range p {
		if c := givenClass(y[i]); c >= 0 {
			mean[c] += row[c]
			count[c]++
		}
	}
	for c := range mean {
		mean[c] /= count[c]
	}
	return mean
}

// givenClass returns the class of which the target is above 1/2, -1 if none.
func givenClass(y []float64) int {
	return slices.IndexFunc(y, func(v float64) bool { return v > 0.5 })
}

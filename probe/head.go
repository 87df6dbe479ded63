package probe

import (
	"fmt"
	"math"
)

// MinCalibrated is the number of patients of every class (of a finding: with and
// without it) below which no probability is stated.
const MinCalibrated = 10

// A Head is one of a task's probes as it is answered from: what was chosen for
// it, and what it can be trusted with, by the scores of labelled images from
// probes that saw no image of their patient. It does not change.
type Head struct {
	// Lambda is the relative regularisation that was chosen.
	Lambda float64 `json:"lambda"`
	// Linear is the probe. A ridge probe that is kept current elsewhere has moved
	// on since.
	Linear *Linear `json:"linear,omitempty"`
	// Calibration makes probabilities of scores, Sets prediction sets of these and
	// Points three states. Each is nil where there is none; Reasons say why.
	Calibration *Calibration     `json:"calibration,omitempty"`
	Sets        *SetRule         `json:"sets,omitempty"`
	Points      []OperatingPoint `json:"points,omitempty"`
	// LogLoss is the mean, over images by weight and over findings, of the
	// negative logarithm of the calibrated out-of-patient probability of the truth;
	// nil without a calibration.
	LogLoss *float64 `json:"log_loss,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
	// Scored has the out-of-patient scores, and Calibrated the probabilities made
	// of them; both are empty in a Head that was stored.
	Scored     Scored `json:"-"`
	Calibrated Scored `json:"-"`
}

// HeadOptions say what a Head is to be trusted with. The zero value works.
type HeadOptions struct {
	Sets SetOptions
	Aims Aims
}

// judge completes a head by its out-of-patient scores. What there are too few
// patients for is left out with a reason.
func (h *Head) judge(s Scored, o HeadOptions) error {
	h.Scored = s
	if s = s.enough(&h.Reasons); len(s.Scores) == 0 {
		return nil
	}
	c, err := Calibrate(s)
	if err != nil {
		h.Reasons = append(h.Reasons, fmt.Sprintf("no probabilities: %v", err))
		return nil
	}
	h.Calibration = &c
	for i, reason := range c.Reasons {
		if reason != "" && s.Multi && s.known(i) {
			h.Reasons = append(h.Reasons, fmt.Sprintf("no probability of %s: %s", c.Classes[i], reason))
		}
	}
	if h.Calibrated, err = c.Apply(s); err != nil {
		return err
	}
	if !h.tells() {
		return nil
	}
	loss := h.Calibrated.logLoss()
	h.LogLoss = &loss
	rule, err := NewSetRule(h.Calibrated, o.Sets)
	if err != nil {
		return err
	}
	h.Sets = &rule
	h.Points, err = OperatingPoints(h.Calibrated, o.Aims)
	return err
}

// tells withdraws what is no better than the classes' frequencies: findings of a
// multi-label task, or the whole calibration, for which it returns false. A
// calibration of labels that mean nothing succeeds now and then, and its
// probabilities are then worse than these.
func (h *Head) tells() bool {
	if !h.Calibration.Multi {
		if gain, err := h.Calibrated.gain(); gain > err {
			return true
		}
		h.Reasons = append(h.Reasons, "no probabilities: out of patient they were no better than the classes' frequencies")
		h.Calibration, h.Calibrated = nil, Scored{}
		return false
	}
	useless, left := make([]bool, len(h.Calibrated.Classes)), 0
	for c, class := range h.Calibrated.Classes {
		if !h.Calibrated.known(c) {
			continue
		}
		one := h.Calibrated.finding(c)
		for i := range one.Scores {
			one.Scores[i][1] = 1 - one.Scores[i][0]
		}
		if gain, err := one.gain(); gain > err {
			left++
			continue
		}
		useless[c] = true
		reason := "out of patient it was no better than the finding's frequency"
		h.Calibration.refuse(c, reason)
		h.Reasons = append(h.Reasons, fmt.Sprintf("no probability of %s: %s", class, reason))
	}
	h.Calibrated = h.Calibrated.without(useless)
	if left == 0 {
		h.Calibration, h.Calibrated = nil, Scored{}
	}
	return left > 0
}

// refuse takes back the calibration of a finding.
func (c *Calibration) refuse(finding int, reason string) {
	reasons := make([]string, len(c.Classes))
	copy(reasons, c.Reasons)
	reasons[finding] = reason
	c.Reasons, c.Slope[finding], c.Bias[finding] = reasons, 0, 0
}

// gain returns how much less the log loss of a single-label task's probabilities
// is than that of its classes' frequencies, in the mean over images by weight,
// and that mean's standard error over patients.
func (s Scored) gain() (gain, err float64) {
	frequency := Examples{Classes: s.Classes, Y: s.Y, Weight: s.Weight}.Priors()
	of, total := map[int]float64{}, map[int]float64{}
	sum, all := 0.0, 0.0
	for i, row := range s.Scores {
		for c, y := range s.Y[i] {
			of[s.Patient[i]] += s.weight(i) * (entropyOf(y, frequency[c]) - entropyOf(y, row[c]))
		}
		total[s.Patient[i]] += s.weight(i)
	}
	for _, p := range sortedKeys(of) {
		sum, all = sum+of[p], all+total[p]
	}
	gain = sum / all
	square := 0.0
	for _, p := range sortedKeys(of) {
		square += math.Pow(of[p]-gain*total[p], 2)
	}
	return gain, math.Sqrt(square) / all
}

// enough returns the scored images without the targets of findings that fewer
// than MinCalibrated patients have or lack, or no images at all where that holds
// for a class of a single-label task or for all findings. It adds reasons.
func (s Scored) enough(reasons *[]string) Scored {
	few := make([]bool, len(s.Classes))
	left := len(few)
	for c, class := range s.Classes {
		with, without := s.patients(s.share(c)), s.patients(func(i int) float64 { return 1 - s.Y[i][c] })
		if min(with, without) >= MinCalibrated {
			continue
		}
		few[c] = true
		left--
		*reasons = append(*reasons, fmt.Sprintf("no probability of %s: %d patients with it and %d without, want %d of each",
			class, with, without, MinCalibrated))
	}
	if left == 0 || !s.Multi && left < len(few) {
		return Scored{}
	}
	return s.without(few)
}

// without returns the images without the targets of the classes marked.
func (s Scored) without(marked []bool) Scored {
	y := make([][]float64, len(s.Y))
	for i, row := range s.Y {
		y[i] = append([]float64(nil), row...)
		for c, m := range marked {
			if m {
				y[i][c] = math.NaN()
			}
		}
	}
	s.Y = y
	return s
}

// known reports whether any image has a target for class c.
func (s Scored) known(c int) bool {
	for _, y := range s.Y {
		if !math.IsNaN(y[c]) {
			return true
		}
	}
	return false
}

// logLoss returns the weighted mean of the cross-entropy of probabilities, in a
// multi-label task that of the findings.
func (s Scored) logLoss() float64 {
	sum, total := 0.0, 0.0
	for i, row := range s.Scores {
		for c, p := range row {
			y := s.Y[i][c]
			if math.IsNaN(y) {
				continue
			}
			sum += s.weight(i) * entropyOf(y, p)
			if s.Multi {
				sum += s.weight(i) * entropyOf(1-y, 1-p)
			}
			if s.Multi || c == 0 {
				total += s.weight(i)
			}
		}
	}
	return sum / total
}

// entropyOf returns -y log p, which is zero where y is.
func entropyOf(y, p float64) float64 {
	if y == 0 {
		return 0
	}
	return -y * math.Log(max(p, 1e-15))
}

// An Answer is what a Head says of one image. Slices are in the order of the
// classes.
type Answer struct {
	Scores []float64
	// Probabilities is nil where nothing was calibrated, and NaN for a finding
	// that was not.
	Probabilities []float64
	// Present and Absent are the prediction set, nil where there is none: see
	// SetRule.Set.
	Present, Absent []bool
	// States are RuledOut, Uncertain or RuledIn; nil where there are no points.
	States []string
}

// Answer makes of scores what the head can say.
func (h *Head) Answer(scores []float64) (Answer, error) {
	a := Answer{Scores: scores}
	if h.Calibration == nil {
		return a, nil
	}
	var err error
	if a.Probabilities, err = h.Calibration.Probabilities(scores); err != nil {
		return Answer{}, err
	}
	if h.Sets != nil {
		if a.Present, a.Absent, err = h.Sets.Set(a.Probabilities); err != nil {
			return Answer{}, err
		}
	}
	for c, p := range h.Points {
		a.States = append(a.States, p.Call(a.Probabilities[c]))
	}
	return a, nil
}

package probe

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestLowerBoundEqualsSciPy(t *testing.T) {
	var recorded struct{ Bounds [][4]float64 }
	readRecorded(t, &recorded)
	for _, r := range recorded.Bounds {
		if got := lowerBound(r[0], r[1], r[2]); math.Abs(got-r[3]) > 1e-9 {
			t.Errorf("lowerBound(%v, %v, %v) = %v, want %v", r[0], r[1], r[2], got, r[3])
		}
	}
}

// screening is a multi-label task of one finding: patients with it have the
// first probabilities, patients without it the second.
func screening(with, without []float64) Scored {
	s := Scored{Classes: []string{"finding"}, Multi: true}
	for i, p := range append(append([]float64(nil), with...), without...) {
		y := 0.0
		if i < len(with) {
			y = 1
		}
		s.Scores, s.Y, s.Patient = append(s.Scores, []float64{p}), append(s.Y, []float64{y}), append(s.Patient, i)
	}
	return s
}

// ramp returns n probabilities rising evenly between two.
func ramp(n int, low, high float64) []float64 {
	p := make([]float64, n)
	for i := range p {
		p[i] = low + (high-low)*float64(i)/float64(max(n-1, 1))
	}
	return p
}

func operating(t *testing.T, s Scored, a Aims) OperatingPoint {
	points, err := OperatingPoints(s, a)
	if err != nil || len(points) != 1 {
		t.Fatalf("OperatingPoints = %v, %v, want one", points, err)
	}
	return points[0]
}

func TestAnOperatingPointReachesItsAims(t *testing.T) {
	o := operating(t, screening(ramp(100, 0.2, 1), ramp(100, 0, 0.8)), Aims{Sensitivity: 0.9, Specificity: 0.8})
	// Of 100 patients, 0.9*101 = 90.9 and 0.8*101 = 80.8 must be served.
	if o.RuleOut.Achieved != 0.91 || o.RuleIn.Achieved != 0.81 || o.Crossed {
		t.Errorf("achieved %v and %v, crossed %v, want 0.91, 0.81, not", o.RuleOut.Achieved, o.RuleIn.Achieved, o.Crossed)
	}
	if o.RuleOut.Lower >= 0.9 || o.RuleOut.Lower < 0.84 || o.RuleOut.Patients != 100 {
		t.Errorf("rule-out = %+v, want a lower bound of about 0.85 from 100 patients", o.RuleOut)
	}
	for p, want := range map[float64]string{0: RuledOut, 0.25: RuledOut, 0.4: Uncertain, 0.6: Uncertain, 0.7: RuledIn, 1: RuledIn} {
		if got := o.Call(p); got != want {
			t.Errorf("Call(%v) = %q, want %q, by %+v", p, got, want, o)
		}
	}
	if got := o.Call(math.NaN()); got != Uncertain {
		t.Errorf("Call(NaN) = %q, want uncertain", got)
	}
}

func TestConfidenceTakesMorePatients(t *testing.T) {
	for _, c := range []struct {
		patients   int
		confidence float64
		shown      bool
	}{{18, 0, false}, {19, 0, true}, {58, 0.95, false}, {59, 0.95, true}} {
		o := operating(t, screening(ramp(c.patients, 0.2, 1), ramp(200, 0, 0.8)), Aims{Confidence: c.confidence})
		if shown := o.RuleOut.Reason == ""; shown != c.shown {
			t.Errorf("%d patients at confidence %v: rule-out = %+v, want shown: %v", c.patients, c.confidence, o.RuleOut, c.shown)
		}
		if c.confidence > 0 && o.RuleIn.Lower < 0.95 {
			t.Errorf("rule-in = %+v, want a lower bound of at least 0.95", o.RuleIn)
		}
	}
}

func TestTooFewPatientsRuleNothingOut(t *testing.T) {
	for _, with := range [][]float64{nil, ramp(18, 0.5, 1)} {
		o := operating(t, screening(with, ramp(100, 0, 0.4)), Aims{})
		if o.RuleOut.Reason == "" || o.RuleIn.Reason != "" || o.Crossed {
			t.Errorf("point = %+v, want a reason for rule-out only", o)
		}
		if got := o.Call(0); got != Uncertain {
			t.Errorf("Call(0) = %q, want uncertain", got)
		}
		if got := o.Call(1); got != RuledIn {
			t.Errorf("Call(1) = %q, want ruled in", got)
		}
	}
}

func TestCrossedThresholdsMeetInTheMiddle(t *testing.T) {
	o := operating(t, screening(ramp(50, 0.8, 1), ramp(50, 0, 0.2)), Aims{})
	if !o.Crossed || o.RuleOut.Probability != o.RuleIn.Probability || o.RuleOut.Achieved != 1 || o.RuleIn.Achieved != 1 {
		t.Errorf("point = %+v, want one threshold that serves all", o)
	}
	if o.Call(0.45) != RuledOut || o.Call(0.55) != RuledIn || o.Call(o.RuleIn.Probability) != Uncertain {
		t.Errorf("calls around %v = %q, %q, want both", o.RuleIn.Probability, o.Call(0.45), o.Call(0.55))
	}
}

func TestConstantProbabilitiesLeaveAllUncertain(t *testing.T) {
	o := operating(t, screening(ramp(50, 0.3, 0.3), ramp(50, 0.3, 0.3)), Aims{})
	if got := o.Call(0.3); got != Uncertain {
		t.Errorf("Call(0.3) = %q, want uncertain, by %+v", got, o)
	}
}

// Whatever the images, those with a class that is not ruled out are at least the
// stated part, every patient counting once, and likewise those without that are
// not ruled in; and both are what the cut says it achieved.
func TestOperatingPointsHoldWhatTheySay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawProbabilities(t)
		a := Aims{rapid.Float64Range(0.1, 0.9).Draw(t, "sensitivity"), rapid.Float64Range(0.1, 0.9).Draw(t, "specificity"), rapid.SampledFrom([]float64{0, 0.5, 0.9}).Draw(t, "confidence")}
		points, err := OperatingPoints(s, a)
		if err != nil {
			t.Fatalf("OperatingPoints = %v, want nil", err)
		}
		for c, o := range points {
			sides := []struct {
				sign float64
				cut  Cut
				aim  float64
				bad  string
			}{{1, o.RuleOut, a.Sensitivity, RuledOut}, {-1, o.RuleIn, a.Specificity, RuledIn}}
			for _, side := range sides {
				k, served := s.cases(c, side.sign), 0.0
				for _, p := range k.sample {
					if o.Call(side.sign*p.value) != side.bad {
						served += p.mass
					}
				}
				if side.cut.Reason == "" && (math.Abs(served/k.total-side.cut.Achieved) > 1e-9 || side.cut.Achieved < side.aim-1e-6 || side.cut.Lower > side.cut.Achieved+1e-9) {
					t.Fatalf("%v of %v served by %+v, want %v", served, k.total, o, side.aim)
				}
			}
		}
	})
}

func TestOperatingPointsRefuse(t *testing.T) {
	good := screening(ramp(3, 0, 1), nil)
	bad := screening([]float64{1.5}, nil)
	for _, c := range []struct {
		name string
		s    Scored
		a    Aims
	}{
		{"a sensitivity of one", good, Aims{Sensitivity: 1}},
		{"a specificity of NaN", good, Aims{Specificity: math.NaN()}},
		{"a confidence of one", good, Aims{Confidence: 1}},
		{"no probabilities", bad, Aims{}},
	} {
		if o, err := OperatingPoints(c.s, c.a); !errors.Is(err, ErrTarget) {
			t.Errorf("%s: OperatingPoints = %+v, %v, want ErrTarget", c.name, o, err)
		}
	}
}

func TestOperatingPointSurvivesJSON(t *testing.T) {
	want := operating(t, screening(ramp(50, 0.3, 1), ramp(10, 0, 0.5)), Aims{})
	data, err := json.Marshal(want)
	var got OperatingPoint
	if err != nil || json.Unmarshal(data, &got) != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after JSON = %+v, %v, want %+v", got, err, want)
	}
}

func TestVotesAndProbeDisagree(t *testing.T) {
	for _, c := range []struct {
		name                  string
		shares, probabilities []float64
		gap                   float64
		flag                  bool
	}{
		{"equal", []float64{0.7, 0.3}, []float64{0.7, 0.3}, 0, false},
		{"near tie", []float64{0.55, 0.45}, []float64{0.45, 0.55}, 0.1, false},
		{"other class", []float64{0.7, 0.3}, []float64{0.4, 0.6}, 0.3, true},
		{"same class, one sure", []float64{0.4, 0.3, 0.3}, []float64{0.9, 0.05, 0.05}, 0.5, true},
		{"same class, both fairly sure", []float64{0.7, 0.3}, []float64{0.95, 0.05}, 0.25, false},
		{"shares of other classes left out", []float64{0.2, 0.1}, []float64{2. / 3, 1. / 3}, 0, false},
	} {
		d, err := Disagree(c.shares, c.probabilities)
		if err != nil || math.Abs(d.Gap-c.gap) > 1e-9 || d.Flag != c.flag {
			t.Errorf("%s: Disagree = %+v, %v, want gap %v, flag %v", c.name, d, err, c.gap, c.flag)
		}
	}
}

// Which of the two is named the vote makes no difference to gap and flag.
func TestDisagreementIsMutual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(2, 5).Draw(t, "classes")
		values := rapid.SliceOfN(rapid.Float64Range(0.01, 1), k, k)
		a, b := values.Draw(t, "shares"), values.Draw(t, "probabilities")
		x, err := Disagree(a, b)
		if err != nil {
			t.Fatalf("Disagree = %v, want nil", err)
		}
		if y, _ := Disagree(b, a); x.Gap != y.Gap || x.Flag != y.Flag || x.Vote != y.Probe || x.Gap < 0 || x.Gap > 1+1e-12 {
			t.Fatalf("Disagree = %+v, the other way %+v, want the same", x, y)
		}
	})
}

func TestDisagreeRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []float64
		want error
	}{
		{"lengths", []float64{1}, []float64{0.5, 0.5}, ErrDimension},
		{"nobody voted", []float64{0, 0}, []float64{0.5, 0.5}, ErrNotEnough},
		{"nothing", nil, nil, ErrNotEnough},
		{"NaN", []float64{1, 0}, []float64{math.NaN(), 0.5}, ErrTarget},
		{"negative", []float64{-1, 2}, []float64{0.5, 0.5}, ErrTarget},
	} {
		if d, err := Disagree(c.a, c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: Disagree = %+v, %v, want %v", c.name, d, err, c.want)
		}
	}
}

package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearcase/store"
)

var (
	finding = store.Task{Name: "finding", Classes: []string{"covid", "normal", "pneumonia"}}
	devices = store.Task{Name: "devices", Multi: true, Classes: []string{"drain", "line", "pacemaker", "tube"}}
	both    = store.Collection{Name: "c", Fingerprint: "f", Dimension: 1, Tasks: []store.Task{finding, devices}}
)

// read is what one reader says, as drawn: a state for each class, and a
// confidence in eighths so that sums are exact.
type read struct {
	states  []store.State
	eighths int
	partial bool
}

// drawRead draws what one reader says of a task.
func drawRead(t *rapid.T, task store.Task) read {
	r := read{eighths: rapid.IntRange(1, 8).Draw(t, "eighths"), states: make([]store.State, len(task.Classes))}
	if !task.Multi {
		for c := range r.states {
			r.states[c] = store.Absent
		}
		r.states[rapid.IntRange(0, len(task.Classes)-1).Draw(t, "class")] = store.Present
		return r
	}
	r.partial = rapid.Bool().Draw(t, "partial")
	for c := range r.states {
		r.states[c] = rapid.SampledFrom([]store.State{store.Present, store.Absent, store.Uncertain, store.Unmentioned}).Draw(t, "state")
		if r.states[c] == store.Unmentioned && !r.partial {
			r.states[c] = store.Absent
		}
	}
	return r
}

// label is what a reader says, as it is stored.
func (r read) label(t *rapid.T, task store.Task, reader int) store.Label {
	l := store.Label{Instance: "i", Task: task.Name, Reader: fmt.Sprint("r", reader), Confidence: float64(r.eighths) / 8, Partial: r.partial}
	if r.eighths == 8 && rapid.Bool().Draw(t, "not given") {
		l.Confidence = 0
	}
	for c, class := range task.Classes {
		switch {
		case r.states[c] == store.Present:
			l.Classes = append(l.Classes, class)
		case r.states[c] == store.Uncertain:
			l.Uncertain = append(l.Uncertain, class)
		case r.states[c] == store.Absent && (r.partial || task.Multi && rapid.Bool().Draw(t, "explicit")):
			l.Absent = append(l.Absent, class)
		}
	}
	l, err := both.CheckLabel(l)
	if err != nil {
		t.Fatalf("CheckLabel(%+v): %v", l, err)
	}
	return l
}

func drawReads(t *rapid.T, task store.Task) (reads []read, labels []store.Label) {
	for n := range rapid.IntRange(2, 6).Draw(t, "readers") {
		reads = append(reads, drawRead(t, task))
		labels = append(labels, reads[n].label(t, task, n))
	}
	return reads, labels
}

// Law: a finding is what its readers' confidence, counted in eighths, says by the
// definition, whatever the order of their labels.
func TestReadersTogetherSayWhatMostConfidenceSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reads, labels := drawReads(t, devices)
		got, ok := store.Resolve(devices, rapid.Permutation(labels).Draw(t, "order"))
		if !ok || !slices.EqualFunc(got.Opinions, labels, store.Label.Says) {
			t.Fatalf("Resolve: got %+v, %v, want the opinions sorted by reader", got, ok)
		}
		for c, class := range devices.Classes {
			sums := map[store.State]int{}
			for _, r := range reads {
				sums[r.states[c]] += r.eighths
			}
			p, a, u := sums[store.Present], sums[store.Absent], sums[store.Uncertain]
			want := store.Uncertain
			switch {
			case p+a+u == 0:
				want = store.Unmentioned
			case u > p && u > a:
			case 2*p+u > p+a+u:
				want = store.Present
			case 2*p+u < p+a+u:
				want = store.Absent
			}
			if got.State(class) != want {
				t.Fatalf("Resolve(%+v), class %s: got %s, want %s", labels, class, got.State(class), want)
			}
		}
		if _, err := both.CheckLabel(got); err != nil || !got.Partial && got.Absent != nil {
			t.Fatalf("Resolve(%+v): got %+v (%v), want a label that can be stored and says nothing twice", labels, got, err)
		}
	})
}

// Law: a class is the one with most confidence, the first by name of several.
func TestReadersTogetherNameTheClassWithMostConfidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reads, labels := drawReads(t, finding)
		got, ok := store.Resolve(finding, rapid.Permutation(labels).Draw(t, "order"))
		best, want, total := 0, "", 0
		for c, class := range finding.Classes {
			sum := 0
			for _, r := range reads {
				if r.states[c] == store.Present {
					sum += r.eighths
				}
			}
			if sum > best {
				best, want = sum, class
			}
			total += sum
		}
		if !ok || !slices.Equal(got.Classes, []string{want}) {
			t.Fatalf("Resolve(%+v): got %q, want %q", labels, got.Classes, want)
		}
		_, weight := finding.Target(got)
		if mean := float64(total) / 8 / float64(len(reads)); math.Abs(weight-mean) > 1e-12 || got.Confidence != 0 && math.Abs(got.Confidence-mean) > 1e-12 {
			t.Fatalf("Resolve(%+v): confidence %g and weight %g, want %g", labels, got.Confidence, weight, mean)
		}
	})
}

// degrees are what policies make of a class, by the definition.
var degrees = map[string]float64{"": math.NaN(), store.Ignore: math.NaN(), store.AsAbsent: 0, store.AsPresent: 1, store.AsHalf: 0.5}

func drawPolicy(t *rapid.T) store.Policy {
	values := rapid.SampledFrom([]string{"", store.Ignore, store.AsAbsent, store.AsPresent, store.AsHalf})
	return store.Policy{Uncertain: values.Draw(t, "uncertain"), Unmentioned: values.Draw(t, "unmentioned")}
}

// Law: the target of a finding is the mean, by confidence, of the degrees of the
// readers who say one or whose silence or doubt has one by policy.
func TestTargetsOfFindingsAreMeansOfDegrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		task := devices
		task.Settings.Policies = map[string]store.Policy{"": drawPolicy(t), "line": drawPolicy(t)}
		if err := task.CheckSettings(task.Settings); err != nil {
			t.Fatal(err)
		}
		reads, labels := drawReads(t, task)
		n := rapid.IntRange(1, len(reads)).Draw(t, "how many")
		resolved, _ := store.Resolve(task, labels[:n])
		y, _ := task.Target(resolved)
		for c, class := range task.Classes {
			policy := task.Settings.Policies[""]
			if class == "line" {
				policy = task.Settings.Policies["line"]
			}
			sum, total := 0.0, 0.0
			for _, r := range reads[:n] {
				d := map[store.State]float64{store.Present: 1, store.Absent: 0,
					store.Uncertain: degrees[policy.Uncertain], store.Unmentioned: degrees[policy.Unmentioned]}[r.states[c]]
				if d == d {
					sum, total = sum+float64(r.eighths)*d, total+float64(r.eighths)
				}
			}
			if want := sum / total; math.IsNaN(want) != math.IsNaN(y[c]) || math.Abs(want-y[c]) > 1e-12 {
				t.Fatalf("Target(%+v), class %s by %+v: got %g, want %g", labels[:n], class, policy, y[c], want)
			}
		}
	})
}

// Law: the target of a class is the share of the confidence that is in it, and
// the shares sum to one.
func TestTargetsOfClassesSumToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reads, labels := drawReads(t, finding)
		n := rapid.IntRange(1, len(reads)).Draw(t, "how many")
		resolved, _ := store.Resolve(finding, labels[:n])
		y, _ := finding.Target(resolved)
		total, sum := 0, 0.0
		for _, r := range reads[:n] {
			total += r.eighths
		}
		for c := range finding.Classes {
			share := 0
			for _, r := range reads[:n] {
				if r.states[c] == store.Present {
					share += r.eighths
				}
			}
			if math.Abs(y[c]-float64(share)/float64(total)) > 1e-12 {
				t.Fatalf("Target(%+v): got %v, want %d/%d for class %d", labels[:n], y, share, total, c)
			}
			sum += y[c]
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Fatalf("Target(%+v): got %v, which sums to %g", labels[:n], y, sum)
		}
	})
}

// Law: after any labels in any order the current ones are each reader's last,
// sorted, without those withdrawn.
func TestReviseKeepsTheLastOfEachReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type place struct{ task, reader string }
		var current []store.Label
		want := map[place]store.Label{}
		for n := range rapid.IntRange(0, 30).Draw(t, "labels") {
			l := store.Label{Task: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "task"), Reader: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "reader"),
				Removed: rapid.Bool().Draw(t, "removed"), Source: fmt.Sprint(n)}
			current = store.Revise(current, l)
			if want[place{l.Task, l.Reader}] = l; l.Removed {
				delete(want, place{l.Task, l.Reader})
			}
		}
		if len(current) != len(want) {
			t.Fatalf("Revise: got %+v, want %+v", current, want)
		}
		for i, l := range current {
			sorted := i == 0 || current[i-1].Task+"|"+current[i-1].Reader < l.Task+"|"+l.Reader
			if !sorted || want[place{l.Task, l.Reader}].Source != l.Source {
				t.Fatalf("Revise: got %+v at %d, want %+v", current, i, want)
			}
		}
	})
}

func TestTheLabelWithoutReaderStandsForAll(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	a := store.Label{Task: "finding", Classes: []string{"covid"}, Reader: "a", Source: "file", Time: late}
	b := store.Label{Task: "finding", Classes: []string{"normal"}, Reader: "b", Source: "file", Time: early}
	all := store.Label{Task: "finding", Classes: []string{"pneumonia"}}
	if _, ok := store.Resolve(finding, nil); ok {
		t.Error("Resolve of no labels says something")
	}
	if got, ok := store.Resolve(finding, []store.Label{a, all, b}); !ok || got.Classes[0] != "pneumonia" || got.Opinions != nil {
		t.Errorf("Resolve with an adjudicated label: got %+v", got)
	}
	if got, ok := store.Resolve(finding, []store.Label{a}); !ok || !got.Says(a) || got.Opinions != nil {
		t.Errorf("Resolve of one reader: got %+v, want the label as it is", got)
	}
	got, ok := store.Resolve(finding, []store.Label{b, a})
	if !ok || got.Classes[0] != "covid" || len(got.Opinions) != 2 || got.Reader != "" || got.Source != "file" || got.Time != late || got.Confidence != 0 {
		t.Errorf("Resolve of two readers: got %+v, want the first by name, of the later time", got)
	}
	a.Confidence, b.Confidence = 1e-10, 1e-10
	if got, ok := store.Resolve(finding, []store.Label{b, a}); !ok || !slices.Equal(got.Classes, []string{"covid"}) {
		t.Errorf("Resolve of two readers who are hardly sure: got %+v, want the first by name", got)
	}
	a.Removed = true
	if got, ok := store.Resolve(finding, []store.Label{a, b}); !ok || !got.Says(b) {
		t.Errorf("Resolve of one reader and one that has withdrawn: got %+v", got)
	}
}

func TestLabelsThatCannotBeAreRefused(t *testing.T) {
	for fact, c := range map[string]struct {
		label store.Label
		want  error
	}{
		"a class absent too":           {store.Label{Task: "devices", Classes: []string{"line"}, Absent: []string{"line"}}, store.ErrInvalid},
		"a class uncertain and absent": {store.Label{Task: "devices", Uncertain: []string{"line"}, Absent: []string{"tube", "line"}}, store.ErrInvalid},
		"an unknown class absent":      {store.Label{Task: "devices", Absent: []string{"x"}}, store.ErrClass},
		"an unknown class uncertain":   {store.Label{Task: "devices", Uncertain: []string{"x"}}, store.ErrClass},
		"a partial class":              {store.Label{Task: "finding", Classes: []string{"normal"}, Partial: true}, store.ErrInvalid},
		"an absent class":              {store.Label{Task: "finding", Classes: []string{"normal"}, Absent: []string{"covid"}}, store.ErrInvalid},
		"only an uncertain class":      {store.Label{Task: "finding", Uncertain: []string{"covid"}}, store.ErrInvalid},
		"too much confidence":          {store.Label{Task: "devices", Confidence: 1.01}, store.ErrInvalid},
		"too little confidence":        {store.Label{Task: "devices", Confidence: 1e-7}, store.ErrInvalid},
		"negative confidence":          {store.Label{Task: "devices", Confidence: -0.5}, store.ErrInvalid},
		"confidence NaN":               {store.Label{Task: "devices", Confidence: math.NaN()}, store.ErrInvalid},
		"a reader of control codes":    {store.Label{Task: "devices", Reader: "a\n"}, store.ErrInvalid},
		"a task that is not there":     {store.Label{Task: "x"}, store.ErrTask},
	} {
		if _, err := both.CheckLabel(c.label); !errors.Is(err, c.want) {
			t.Errorf("CheckLabel with %s: got %v, want %v", fact, err, c.want)
		}
	}
	l, err := both.CheckLabel(store.Label{Task: "devices", Classes: []string{"tube", "line", "tube"}, Opinions: []store.Label{{}}})
	if err != nil || !slices.Equal(l.Classes, []string{"line", "tube"}) || l.Opinions != nil {
		t.Errorf("CheckLabel: got %+v, %v, want the classes sorted and no opinions", l, err)
	}
}

func TestWhatLabelsSay(t *testing.T) {
	l := store.Label{Task: "devices", Classes: []string{"line"}}
	for fact, c := range map[string]struct {
		other store.Label
		want  bool
	}{
		"another source":          {store.Label{Task: "devices", Classes: []string{"line"}, Source: "s", Time: time.Unix(1, 0)}, true},
		"what is absent anyway":   {store.Label{Task: "devices", Classes: []string{"line"}, Absent: []string{"tube"}}, true},
		"full confidence":         {store.Label{Task: "devices", Classes: []string{"line"}, Confidence: 1}, true},
		"half the confidence":     {store.Label{Task: "devices", Classes: []string{"line"}, Confidence: 0.5}, false},
		"another reader":          {store.Label{Task: "devices", Classes: []string{"line"}, Reader: "r"}, false},
		"a doubt":                 {store.Label{Task: "devices", Classes: []string{"line"}, Uncertain: []string{"tube"}}, false},
		"nothing of what is left": {store.Label{Task: "devices", Classes: []string{"line"}, Partial: true}, false},
	} {
		if got := l.Says(c.other); got != c.want {
			t.Errorf("Says with %s: got %v, want %v", fact, got, c.want)
		}
	}
}

func TestGroupsSayWhatTheirMembersDo(t *testing.T) {
	label := func(present, absent, uncertain string, partial bool) store.Label {
		list := func(s string) []string {
			if s == "" {
				return nil
			}
			return []string{s}
		}
		return store.Label{Task: "devices", Classes: list(present), Absent: list(absent), Uncertain: list(uncertain), Partial: partial}
	}
	got, ok := store.Together(devices, []store.Label{label("line", "tube", "", true), label("", "line", "tube", true), label("", "drain", "", true)})
	if want := (store.Label{Task: "devices", Classes: []string{"line"}, Absent: []string{"drain"}, Uncertain: []string{"tube"}, Partial: true}); !ok || !got.Says(want) {
		t.Errorf("Together: got %+v, want %+v", got, want)
	}
	got, ok = store.Together(devices, []store.Label{label("line", "tube", "", true), label("", "", "pacemaker", false)})
	if want := (store.Label{Task: "devices", Classes: []string{"line"}, Uncertain: []string{"pacemaker"}}); !ok || !got.Says(want) {
		t.Errorf("Together with a complete label: got %+v, want %+v", got, want)
	}
	normal, covid := store.Label{Classes: []string{"normal"}}, store.Label{Classes: []string{"covid"}}
	if got, ok := store.Together(finding, []store.Label{normal, normal}); !ok || got.Classes[0] != "normal" {
		t.Errorf("Together of the same class: got %+v, %v", got, ok)
	}
	if got, ok := store.Together(finding, []store.Label{normal, covid}); ok {
		t.Errorf("Together of two classes: got %+v, want none", got)
	}
}

// Labels of before there were readers read and write as they did.
func TestOldLabelsAreTheSameInJSON(t *testing.T) {
	const old = `{"instance":"i0","task":"devices","classes":["line"],"source":"s","time":"2026-01-02T03:04:05Z"}`
	var l store.Label
	if err := json.Unmarshal([]byte(old), &l); err != nil {
		t.Fatal(err)
	}
	if y, weight := devices.Target(l); !slices.Equal(y, []float64{0, 1, 0, 0}) || weight != 1 {
		t.Errorf("Target(%s): got %v, %g, want the class named and no other", old, y, weight)
	}
	if b, err := json.Marshal(l); err != nil || string(b) != old {
		t.Errorf("Marshal: got %s, %v, want %s", b, err, old)
	}
	if b, err := json.Marshal(devices); err != nil || string(b) != `{"name":"devices","multi":true,"classes":["drain","line","pacemaker","tube"]}` {
		t.Errorf("Marshal of a task without settings: got %s, %v", b, err)
	}
}

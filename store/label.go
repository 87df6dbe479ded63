package store

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Label is what somebody says of an instance for one task.
//
// Labels are current by instance, task and reader: a later one of the same reader
// corrects the one before. See Resolve for what several together say.
type Label struct {
	Instance string `json:"instance"`
	Task     string `json:"task"`
	// Classes holds one class for a single-label task, and the classes present
	// for a multi-label one, where none means that none is present.
	Classes []string `json:"classes"`
	// Absent and Uncertain hold other classes of a multi-label task. A class that
	// is in no list is absent too, unless the label is Partial.
	Absent    []string `json:"absent,omitempty"`
	Uncertain []string `json:"uncertain,omitempty"`
	// Partial tells that nothing is said of the classes that are in no list.
	Partial bool `json:"partial,omitempty"`
	// Removed withdraws what the reader has said.
	Removed bool `json:"removed,omitempty"`
	// Reader is whose opinion it is where several read the same image; empty for
	// the label that stands for all: an adjudicated one, or the only one.
	Reader string `json:"reader,omitempty"`
	// Confidence is a millionth to 1; 0 is none given, and counts as 1.
	Confidence float64   `json:"confidence,omitempty"`
	Source     string    `json:"source,omitempty"`
	Time       time.Time `json:"time"`
	// Opinions are the labels, sorted by reader, of the several readers whose
	// opinions together this one is; see Resolve. It is never stored.
	Opinions []Label `json:"-"`
}

// Says reports whether two labels of one reader state the same, whatever their
// source and time.
func (l Label) Says(o Label) bool {
	return l.Instance == o.Instance && l.Task == o.Task && l.Reader == o.Reader &&
		l.Removed == o.Removed && l.Partial == o.Partial && l.weight() == o.weight() &&
		slices.Equal(l.Classes, o.Classes) && slices.Equal(l.Uncertain, o.Uncertain) &&
		(!l.Partial || slices.Equal(l.Absent, o.Absent))
}

// weight is the confidence as it counts.
func (l Label) weight() float64 {
	if l.Confidence == 0 {
		return 1
	}
	return l.Confidence
}

// State is what a label says of a class.
type State string

// The values of a State.
const (
	Present     State = "present"
	Absent      State = "absent"
	Uncertain   State = "uncertain"
	Unmentioned State = "unmentioned"
)

// State returns what the label says of a class.
func (l Label) State(class string) State {
	switch {
	case slices.Contains(l.Classes, class):
		return Present
	case slices.Contains(l.Uncertain, class):
		return Uncertain
	case l.Partial && !slices.Contains(l.Absent, class):
		return Unmentioned
	}
	return Absent
}

// set puts a class where a label of that state has it. An absent one is named
// only by a label that is partial.
func (l *Label) set(class string, s State) {
	switch {
	case s == Present:
		l.Classes = append(l.Classes, class)
	case s == Uncertain:
		l.Uncertain = append(l.Uncertain, class)
	case s == Absent && l.Partial:
		l.Absent = append(l.Absent, class)
	}
}

// Revise returns the current labels of an instance, sorted by task and reader,
// once l has been said: it takes the place of the same reader's for its task, or
// withdraws that. current is sorted so, and is used up.
func Revise(current []Label, l Label) []Label {
	at, found := slices.BinarySearchFunc(current, l, func(a, b Label) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Reader, b.Reader))
	})
	switch {
	case l.Removed && found:
		return slices.Delete(current, at, at+1)
	case l.Removed:
		return current
	case found:
		current[at] = l
		return current
	}
	return slices.Insert(current, at, l)
}

// Resolve returns what the current labels of one instance for one task, one of
// each reader, say together; false if there are none. That is the label without a
// reader if there is one, the only reader's as it is, or else what the readers
// say by their confidence, with their labels as Opinions:
//
// The class of a single-label task is the one in which there is most confidence;
// of several the first by name. A class of a multi-label task is uncertain if
// there is more confidence in that than in its presence and than in its absence;
// otherwise present or absent by which of the two there is more confidence in,
// which is whether the mean degree, with 1/2 for uncertain, is above 1/2, and
// uncertain if it is 1/2. Who does not mention a class has no part in it; the
// label is Partial if all are. Sums are equal that differ by less than 1e-9.
//
// Its confidence is the readers' mean, its time the latest, and its source theirs
// if that is one.
func Resolve(t Task, current []Label) (Label, bool) {
	var opinions []Label
	for _, l := range current {
		switch {
		case l.Removed:
		case l.Reader == "":
			return l, true
		default:
			opinions = append(opinions, l)
		}
	}
	if len(opinions) == 0 {
		return Label{}, false
	}
	if len(opinions) == 1 {
		return opinions[0], true
	}
	slices.SortFunc(opinions, func(a, b Label) int { return cmp.Compare(a.Reader, b.Reader) })
	l := common(opinions)
	if l.Opinions = opinions; t.Multi {
		resolveEach(&l)
	} else {
		l.Classes = []string{favourite(opinions)}
	}
	return l, true
}

// common is a label with what several have in common, and no classes.
func common(labels []Label) Label {
	first := labels[0]
	l := Label{Instance: first.Instance, Task: first.Task, Source: first.Source, Time: first.Time, Partial: true}
	given, sum := false, 0.0
	for _, o := range labels {
		given = given || o.Confidence != 0
		sum += o.weight()
		l.Partial = l.Partial && o.Partial
		if o.Source != l.Source {
			l.Source = ""
		}
		if o.Time.After(l.Time) {
			l.Time = o.Time
		}
	}
	if given {
		l.Confidence = min(1, sum/float64(len(labels)))
	}
	return l
}

// more reports whether a sum of confidences is larger than another.
func more(a, b float64) bool { return a > b+1e-9 }

// favourite is the class of a single-label task with most confidence.
func favourite(opinions []Label) (class string) {
	sums, best := map[string]float64{}, 0.0
	for _, o := range opinions {
		for _, c := range o.Classes {
			sums[c] += o.weight()
		}
	}
	for _, c := range named(opinions) {
		if class == "" || more(sums[c], best) {
			class, best = c, sums[c]
		}
	}
	return class
}

// resolveEach sets the state of every class that an opinion names.
func resolveEach(l *Label) {
	for _, class := range named(l.Opinions) {
		sums := map[State]float64{}
		for _, o := range l.Opinions {
			sums[o.State(class)] += o.weight()
		}
		present, absent, uncertain := sums[Present], sums[Absent], sums[Uncertain]
		switch {
		case more(uncertain, present) && more(uncertain, absent):
			l.set(class, Uncertain)
		case more(present, absent):
			l.set(class, Present)
		case more(absent, present):
			l.set(class, Absent)
		default:
			l.set(class, Uncertain)
		}
	}
}

// named returns the classes that labels name, sorted.
func named(labels []Label) (classes []string) {
	for _, l := range labels {
		classes = slices.Concat(classes, l.Classes, l.Absent, l.Uncertain)
	}
	slices.Sort(classes)
	return slices.Compact(classes)
}

// Together returns what the labels of a group's members say for a task, each
// already resolved; false if that is nothing. In a single-label task they must
// say the same. In a multi-label one a class is present that one member has,
// otherwise uncertain where one is, and absent where one says so; the label is
// partial if all are. A single member's label stays as it is; of several the
// label has no opinions, and confidence, time and source as in Resolve.
func Together(t Task, labels []Label) (Label, bool) {
	switch len(labels) {
	case 0:
		return Label{}, false
	case 1:
		return labels[0], true
	}
	l := common(labels)
	if !t.Multi {
		l.Classes = labels[0].Classes
		differs := func(o Label) bool { return !slices.Equal(o.Classes, l.Classes) }
		return l, !slices.ContainsFunc(labels, differs)
	}
	for _, class := range named(labels) {
		for _, s := range []State{Present, Uncertain, Absent} {
			if slices.ContainsFunc(labels, func(o Label) bool { return o.State(class) == s }) {
				l.set(class, s)
				break
			}
		}
	}
	return l, true
}

// Target returns what a label that passes CheckLabel, or is resolved from such,
// teaches: the degree of each of the task's classes, in their order, and how much
// it weighs. The degree is 1 for present and 0 for absent, and for uncertain and
// not mentioned what the task's policies say, NaN to ignore the class. Of several
// opinions it is the mean by confidence of those that do not ignore it. The weight
// is the confidence, of several their mean, and 1 if none was given. The degrees
// of a single-label task sum to 1 and are never NaN.
func (t Task) Target(l Label) (y []float64, weight float64) {
	if len(l.Opinions) == 0 {
		return t.degrees(l), l.weight()
	}
	y = make([]float64, len(t.Classes))
	sums := make([]float64, len(t.Classes))
	for _, o := range l.Opinions {
		weight += o.weight() / float64(len(l.Opinions))
		for c, degree := range t.degrees(o) {
			if !math.IsNaN(degree) {
				y[c] += o.weight() * degree
				sums[c] += o.weight()
			}
		}
	}
	for c := range y {
		y[c] /= sums[c] // NaN where every opinion ignores it
	}
	return y, weight
}

// degrees are Target's for a single opinion.
func (t Task) degrees(l Label) []float64 {
	y := make([]float64, len(t.Classes))
	for c, class := range t.Classes {
		switch p := t.Settings.policy(class); l.State(class) {
		case Present:
			y[c] = 1
		case Uncertain:
			y[c] = degree(p.Uncertain)
		case Unmentioned:
			y[c] = degree(p.Unmentioned)
		}
	}
	return y
}

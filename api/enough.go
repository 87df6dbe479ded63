package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nearcase/store"
)

// enough says why a task has too few labels for an answer, "" if it has not.
func (p *taskProbe) enough() string { return p.enoughWithout(nil).why }

// sufficiency says which classes are labelled in enough patients.
type sufficiency struct {
	// why the task is refused as a whole; empty if it is not.
	why string
	// refused says why by finding of a multi-label task.
	refused map[string]string
}

// enoughWithout judges the labels without some lessons. At least two classes of a
// single-label task need the least number of patients each; a finding needs it
// both with and without itself, and a multi-label task one such finding.
func (p *taskProbe) enoughWithout(lessons []lesson) sufficiency {
	least := cmp.Or(p.task.Settings.MinPatients, store.DefaultMinPatients)
	own := &taskProbe{has: map[string]map[string]int{}, lacks: map[string]map[string]int{}}
	for _, l := range lessons {
		own.tally(l, 1)
	}
	s, few, enough := sufficiency{refused: map[string]string{}}, []string{}, 0
	for _, class := range p.task.Classes {
		with, without := patients(p.has, class, own.has[class]), patients(p.lacks, class, own.lacks[class])
		text := fmt.Sprintf("%s %d", class, with)
		if p.task.Multi {
			text += fmt.Sprintf(" with and %d without", without)
			with = min(with, without)
		}
		if with >= least {
			enough++
			continue
		}
		few = append(few, text)
		s.refused[class] = fmt.Sprintf("not enough labels of %s patients; at least %d of each are needed", text, least)
	}
	want := 2
	if p.task.Multi {
		want = 1
	} else {
		s.refused = nil
	}
	if enough < want {
		s.why = fmt.Sprintf("not enough labels: %s with at least %d labelled patients are needed and there %s %d; labelled patients: %s",
			plural(want, p.task.Multi), least, is(enough), enough, strings.Join(few, ", "))
	}
	return s
}

func plural(n int, findings bool) string {
	if findings {
		return fmt.Sprintf("%d finding with and without it in each", n)
	}
	return fmt.Sprintf("%d classes", n)
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// refuses reports whether nothing may be said of a class.
func (s sufficiency) refuses(class string) bool { return s.why != "" || s.refused[class] != "" }

// reasons are those of single findings, sorted.
func (s sufficiency) reasons() []string {
	var texts []string
	for _, text := range s.refused {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}

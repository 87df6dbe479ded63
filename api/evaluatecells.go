package api

import (
	"slices"

	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

// mostInCells is how many images all cells of an evaluation list at most.
const mostInCells = 50_000

// cells lists the images of each cell of the methods' confusion matrices, as many as
// are asked for, or fewer where there are very many cells.
func (v *evaluation) cells(methods []method, predicted []eval.Predictions) (all []report.Cell) {
	if v.o.Cases == 0 {
		return nil
	}
	v.doing("cases")
	truth, n := v.truth.Only(v.tested), 0
	for i, m := range methods {
		for _, c := range eval.Cells(truth, predicted[i]) {
			listed := report.Cell{Model: m.Model, Method: m.Predictions.Method, Class: c.Class, Truth: c.Truth, Predicted: c.Predicted, N: len(c.Images)}
			for _, at := range c.Images[:min(len(c.Images), v.o.Cases)] {
				listed.Cases = append(listed.Cases, v.listed(predicted[i], c, at))
				n++
			}
			all = append(all, listed)
		}
	}
	if n > mostInCells {
		each := max(mostInCells/len(all), 1)
		v.warn("of each cell of the confusion matrices %d cases are listed: there are %d cells", each, len(all))
		for i, c := range all {
			all[i].Cases = c.Cases[:min(len(c.Cases), each)]
		}
	}
	return all
}

// listed is an image in a cell, with the probability of what was predicted.
func (v *evaluation) listed(p eval.Predictions, c eval.Cell, at int) report.Listed {
	l := report.Listed{ID: v.cases[v.tested[at]].Instance.ID}
	if p.Probabilities == nil {
		return l
	}
	if c.Class == "" {
		l.Probability = &p.Probabilities[at][c.Predicted]
		return l
	}
	present := p.Probabilities[at][slices.Index(v.task.Classes, c.Class)]
	if c.Predicted == 1 {
		present = 1 - present
	}
	l.Probability = &present
	return l
}

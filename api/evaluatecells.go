package api

import (
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

// mostInCells is how many images all cells of an evaluation list at most.
const mostInCells = 20_000

// cells lists the images of each cell of the methods' confusion matrices, as many as
// are asked for, or fewer where there are very many cells.
func (v *evaluation) cells(truth eval.Truth, methods []method, predicted []eval.Predictions) (all []report.Cell) {
	if v.o.Cases == 0 {
		return nil
	}
	v.doing("cases")
	for i, m := range methods {
		for _, c := range eval.Cells(truth, predicted[i]) {
			listed := report.Cell{Model: m.Model, Method: m.Predictions.Method, Class: c.Class, Truth: c.Truth, Predicted: c.Predicted, N: len(c.Images)}
			for k, at := range c.Images[:min(len(c.Images), v.o.Cases)] {
				one := report.Listed{ID: v.cases[v.tested[at]].Instance.ID}
				if predicted[i].Probabilities != nil {
					one.Probability = &c.Sure[k]
				}
				listed.Cases = append(listed.Cases, one)
			}
			all = append(all, listed)
		}
	}
	if each, capped := capCells(all, mostInCells); capped {
		v.warn("cells of the confusion matrices list up to %d cases, since there are %d cells", each, len(all))
	}
	return all
}

// capCells shortens the lists of cells to as many cases each as keep them within most in
// all, if they have more.
func capCells(all []report.Cell, most int) (each int, capped bool) {
	n := 0
	for _, c := range all {
		n += len(c.Cases)
	}
	if n <= most {
		return 0, false
	}
	each = most / len(all)
	for i, c := range all {
		all[i].Cases = c.Cases[:min(len(c.Cases), each)]
	}
	return each, true
}

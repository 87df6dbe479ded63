package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

// subgroups measures the methods where a field has each of its values.
func (v *evaluation) subgroups(ctx context.Context, methods []eval.Predictions) (all []report.Subgroup, err error) {
	truth := v.truth.Only(v.tested)
	for _, column := range v.columns {
		var small []string
		for _, g := range column.groups {
			if g.Small {
				small = append(small, fmt.Sprintf("%q", g.Value))
				continue
			}
			one, err := v.subgroup(ctx, truth, methods, column.name, g)
			if errors.Is(err, eval.ErrEmpty) {
				continue
			}
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		if len(small) > 0 {
			v.warn("subgroups by %s with fewer than %d images or %d patients are left out: %s",
				column.name, subgroupImages, subgroupPatients, strings.Join(small, ", "))
		}
	}
	return all, nil
}

// subgroup measures the methods on the images of a subgroup.
func (v *evaluation) subgroup(ctx context.Context, truth eval.Truth, methods []eval.Predictions, name string, g eval.Subgroup) (report.Subgroup, error) {
	some := make([]eval.Predictions, len(methods))
	for i, m := range methods {
		some[i] = m.Only(g.Images)
	}
	one := report.Subgroup{Column: name, Value: g.Value, N: len(g.Images), Patients: g.Patients}
	c, err := eval.Compare(ctx, truth.Only(g.Images), some, v.bootstrap(nil))
	if err != nil {
		return one, err
	}
	for _, r := range c.Results {
		one.Results = append(one.Results, eval.Result{Model: r.Model, Method: r.Method, N: r.N, Patients: r.Patients, Measures: r.Measures})
	}
	return one, nil
}

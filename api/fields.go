package api

import (
	"fmt"
	"slices"
	"strings"
)

// CaseFields are the parts of a case, or of a neighbour that votes, that Query.Fields
// may ask for, by the names of JSON.
func CaseFields() []string {
	return []string{"patient", "study", "series", "name", "labels", "label_details", "frame", "metadata", "instances"}
}

func checkFields(fields []string) error {
	for _, f := range fields {
		if !slices.Contains(CaseFields(), f) {
			return fmt.Errorf("%w: fields names %.80q, use %s", ErrQuery, f, strings.Join(CaseFields(), ", "))
		}
	}
	return nil
}

// only returns a case with the fields named alone; none names all.
func only(c Case, fields []string) Case {
	if len(fields) == 0 {
		return c
	}
	few := Case{ID: c.ID, Score: c.Score}
	for _, f := range fields {
		switch f {
		case "patient":
			few.Patient = c.Patient
		case "study":
			few.Study = c.Study
		case "series":
			few.Series = c.Series
		case "name":
			few.Name = c.Name
		case "labels":
			few.Labels = c.Labels
		case "label_details":
			few.Details = c.Details
		case "frame":
			few.Frame = c.Frame
		case "metadata":
			few.Metadata = c.Metadata
		case "instances":
			few.Instances = c.Instances
		}
	}
	return few
}

// onlyVoter is only for a neighbour, whose label and weight stay.
func onlyVoter(v Voter, fields []string) Voter {
	few := only(Case{Patient: v.Patient, Name: v.Name, Frame: v.Frame, Metadata: v.Metadata}, fields)
	v.Patient, v.Name, v.Frame, v.Metadata = few.Patient, few.Name, few.Frame, few.Metadata
	return v
}

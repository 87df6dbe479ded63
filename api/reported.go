package api

import "fmt"

// NotDiagnosis is what every report of an answer says of itself.
const NotDiagnosis = "Computed by comparison with labelled images and not reviewed. Not a diagnosis."

// Sources says what produced the answer for a task, one statement each.
func (c Classification) Sources(t TaskAnswer) []string {
	answers := t.Probe
	if t.Default == "softmax" {
		answers = t.Softmax
	}
	return []string{
		"model=" + c.Model,
		"model fingerprint=" + c.Fingerprint,
		"collection=" + c.Collection,
		fmt.Sprintf("index=%s, log entry %d", c.Index, c.Head),
		fmt.Sprintf("label watermark=%d", c.Watermark),
		fmt.Sprintf("probe=%s, version %d, %d examples", t.Default, answers.Version, t.Counts.Examples),
		fmt.Sprintf("votes of %d images of %d patients", t.Counts.Neighbours, t.Counts.Patients),
	}
}

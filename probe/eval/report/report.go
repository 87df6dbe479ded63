// Package report is an evaluation as it is published: what was measured, of
// which data and how, and that as a page of HTML that needs nothing else, as CSV
// and as a paragraph for a methods section. It computes no figure.
package report

import (
	"time"

	"nearcase/probe/eval"
)

// A Report compares methods, and perhaps networks, on one task.
type Report struct {
	Task       string   `json:"task"`
	MultiLabel bool     `json:"multi_label"`
	Classes    []string `json:"classes"`
	Data       Data     `json:"data"`
	// Classifiers describes methods of Results; one that is not described is
	// named alone.
	Classifiers []Classifier `json:"classifiers,omitempty"`
	// Results by network and method, in the order in which they are shown.
	Results     []eval.Result `json:"results"`
	Differences []Difference  `json:"differences,omitempty"`
	Subgroups   []Subgroup    `json:"subgroups,omitempty"`
	Learning    []Curve       `json:"learning,omitempty"`
	Leaks       []Leak        `json:"leaks,omitempty"`
	// Cells list images by what is true and what was predicted, where that was asked
	// for.
	Cells    []Cell    `json:"cells,omitempty"`
	Mistakes []Mistake `json:"mistakes,omitempty"`
	// Methods is a paragraph for a paper: see the function Methods.
	Methods  string   `json:"methods"`
	Warnings []string `json:"warnings,omitempty"`
}

// Data says what was evaluated and how it was divided.
type Data struct {
	Networks []Network `json:"networks"`
	Images   int       `json:"images"`
	Patients int       `json:"patients"` // groups that are never divided
	// Unknown is how many images have no known patient.
	Unknown int          `json:"unknown_patient"`
	Classes []ClassCount `json:"classes"`
	// Sources counts labels by who gave them; "" where that is not known.
	Sources map[string]int `json:"sources,omitempty"`
	// Uncertain is how many labels were uncertain or not given and were dealt with
	// by the task's policy.
	Uncertain int `json:"uncertain,omitempty"`
	// Policy is that policy in words, such as "left out"; empty if none applied.
	Policy string `json:"uncertain_policy,omitempty"`
	// Split says how images were divided: Folds folds, or by the values of a
	// metadata column or of a file that named them.
	Split string `json:"split"`
	Folds int    `json:"folds,omitempty"`
	// Train and Test are the images on either side of a given split.
	Train  int    `json:"train,omitempty"`
	Test   int    `json:"test,omitempty"`
	Seed   int64  `json:"seed"`
	Rounds int    `json:"rounds"` // of the bootstrap
	K      int    `json:"k"`      // neighbours that vote
	Metric string `json:"metric,omitempty"`
	// Watermark is the last label that took part.
	Watermark uint64    `json:"label_watermark"`
	Program   string    `json:"program"` // name and version
	Time      time.Time `json:"time"`
	Took      float64   `json:"took_seconds"`
}

// Network is a collection and the frozen network that made its embeddings.
type Network struct {
	Collection    string `json:"collection"`
	Model         string `json:"model"`
	Fingerprint   string `json:"fingerprint"`
	Dimension     int    `json:"dimension"`
	Preprocessing string `json:"preprocessing,omitempty"` // in words
	TrainingData  string `json:"training_data,omitempty"`
	Licence       string `json:"licence,omitempty"`
	Index         string `json:"index,omitempty"` // engine
}

// The kinds of Classifier.
const (
	Neighbours = "neighbours" // votes of the nearest
	ClassMeans = "class means"
	Ridge      = "ridge"
	Softmax    = "softmax"
	Logistic   = "logistic" // one for each class, independent of the others
	ZeroShot   = "zero-shot"
)

// Classifier says what a method is and how it was set.
type Classifier struct {
	Method string `json:"method"` // as in Results
	Kind   string `json:"kind"`   // empty: none of the above
	// Settings are in words, such as "k = 20, softmax weights at temperature 0.07".
	Settings string `json:"settings,omitempty"`
	// Chosen says, as a clause, how what was set was chosen, such as "the penalty
	// was chosen by leave-one-patient-out error over twelve decades".
	Chosen string `json:"chosen,omitempty"`
}

// ClassCount is how often a class was given.
type ClassCount struct {
	Class    string `json:"class"`
	Images   int    `json:"images"`
	Patients int    `json:"patients"`
}

// Difference of a measure between two methods on the same images and resamples:
// the first less the second.
type Difference struct {
	Measure string `json:"measure"`
	Model   string `json:"model"`
	Method  string `json:"method"`
	// Against is what it is compared with.
	AgainstModel  string `json:"against_model"`
	AgainstMethod string `json:"against_method"`
	eval.Estimate
}

// Subgroup is what was achieved where a column of the metadata has a value.
type Subgroup struct {
	Column   string        `json:"column"`
	Value    string        `json:"value"` // empty: not given
	N        int           `json:"n"`
	Patients int           `json:"patients"`
	Results  []eval.Result `json:"results"` // measures of the whole task alone
}

// Curve is a learning curve: a measure by the number of labelled images of each
// class.
type Curve struct {
	Model   string       `json:"model"`
	Method  string       `json:"method"`
	Measure string       `json:"measure"`
	Points  []CurvePoint `json:"points"`
}

// CurvePoint is the mean and range over repetitions.
type CurvePoint struct {
	PerClass int     `json:"per_class"` // at most; classes may have fewer
	Examples float64 `json:"examples"`  // mean number
	eval.Estimate
}

// Leak is what a measure would have been had images been divided without regard
// to patients, beside what it is.
type Leak struct {
	Model   string        `json:"model"`
	Method  string        `json:"method"`
	Measure string        `json:"measure"`
	Grouped eval.Estimate `json:"grouped"`
	ByImage eval.Estimate `json:"by_image"`
	// Gain is by_image less grouped, on the same resamples.
	Gain eval.Estimate `json:"gain"`
}

// Cell is one of a method's confusion matrix: of a multi-label task there is a matrix
// of each finding.
type Cell struct {
	Model  string `json:"model"`
	Method string `json:"method"`
	Class  string `json:"class,omitempty"` // the finding
	// Truth and Predicted are positions in Classes, or of a finding 0 for present and
	// 1 for absent.
	Truth     int `json:"truth"`
	Predicted int `json:"predicted"`
	N         int `json:"n"` // images
	// Cases are the first of them, the surest first.
	Cases []Listed `json:"cases"`
}

// Listed is an image in a cell.
type Listed struct {
	ID string `json:"id"`
	// Probability of what was predicted; nil where the method gives none.
	Probability *float64 `json:"probability,omitempty"`
}

// Mistake is an image that was predicted wrongly, with the nearest cases that it
// was judged by.
type Mistake struct {
	Model     string   `json:"model"`
	Method    string   `json:"method"`
	ID        string   `json:"id"`
	Truth     []string `json:"truth"`
	Predicted []string `json:"predicted"`
	// Probability is that of what was predicted, or of a finding that was not its
	// complement; nil where the method gives none.
	Probability *float64 `json:"probability,omitempty"`
	// Image is a small picture as a data URI; empty if none is stored.
	Image      string     `json:"image,omitempty"`
	Neighbours []Evidence `json:"neighbours,omitempty"`
}

// Evidence is a neighbour of a mistake.
type Evidence struct {
	ID    string   `json:"id"`
	Score float64  `json:"score"`
	Label []string `json:"label"`
	Image string   `json:"image,omitempty"`
}

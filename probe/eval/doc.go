// Package eval measures how well predictions agree with labels: folds that
// never split a patient, the metrics of the field, and intervals that treat
// the patient, not the image, as the unit that was sampled.
//
// Everything here is arithmetic and gives the same result for the same
// arguments, on every machine. Nothing is read, written or started.
package eval

import "errors"

// Errors that a caller can act on.
var (
	// ErrFolds says that there are fewer than two folds or fewer groups than folds.
	ErrFolds = errors.New("eval: cannot make these folds")
	// ErrLength says that arguments which describe the same images differ in length.
	ErrLength = errors.New("eval: lengths differ")
	// ErrEmpty says that there is nothing to evaluate.
	ErrEmpty = errors.New("eval: no images")
	// ErrClass says that a label is not among the classes, or a class is named twice.
	ErrClass = errors.New("eval: unexpected class")
	// ErrOneClass says that all images are positive or all negative.
	ErrOneClass = errors.New("eval: only one class is present")
	// ErrNotFinite says that a score is NaN or infinite.
	ErrNotFinite = errors.New("eval: score is not finite")
	// ErrPatients says that there are too few patients to resample.
	ErrPatients = errors.New("eval: fewer than two patients")
)

// Package eval measures how well predictions agree with labels: folds that
// never split a patient, the metrics of the field, and intervals that treat
// the patient, not the image, as the unit that was sampled.
//
// Everything here is arithmetic and gives the same result for the same
// arguments, whatever the number of goroutines, on every machine but for the
// last bits of logarithms. Nothing is read or written, and no goroutine outlives
// the call that started it.
package eval

import "errors"

// Errors that a caller can act on.
var (
	// ErrFolds says that there are fewer than two folds, fewer groups than folds, or
	// no image on a side of a split.
	ErrFolds = errors.New("eval: cannot make these folds")
	// ErrLength says that arguments which describe the same images differ in length.
	ErrLength = errors.New("eval: lengths differ")
	// ErrEmpty says that there is nothing to evaluate.
	ErrEmpty = errors.New("eval: no images")
	// ErrClass says that classes are not sorted or named twice, or that an image has
	// other than one of a single-label task.
	ErrClass = errors.New("eval: unexpected class")
	// ErrOneClass says that all images are positive or all negative.
	ErrOneClass = errors.New("eval: only one class is present")
	// ErrNotFinite says that a score is NaN or infinite.
	ErrNotFinite = errors.New("eval: score is not finite")
	// ErrProbability says that a probability is below 0 or above 1, or that those of
	// an image in a single-label task do not add up to 1.
	ErrProbability = errors.New("eval: not a probability")
	// ErrMeasure says that there is no measure of that name, or that it is undefined.
	ErrMeasure = errors.New("eval: measure is undefined")
	// ErrAge says that a text is no age.
	ErrAge = errors.New("eval: not an age")
)

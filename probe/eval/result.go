package eval

// Truth is what is known of the images that were predicted. Every slice but
// Classes has one entry for each image.
type Truth struct {
	Classes []string // sorted by name
	// Multi tells that an image may have any number of the classes, each judged
	// for itself.
	Multi bool
	// Y[i][c] is 1 if image i has class c, 0 if it has not and NaN where that is
	// not known, which leaves the image out of what is measured of c. In a
	// single-label task each row has one 1 and else 0.
	Y [][]float64
	// Groups name the images' patients: what is resampled.
	Groups []string
}

// Predictions are what one method says of each image of a Truth.
type Predictions struct {
	Model  string // collection or network
	Method string // such as "20-NN", "ridge"
	// Scores rank the images by class: images by classes, finite, higher is more
	// likely.
	Scores [][]float64
	// Probabilities are calibrated; nil if the method gives none. Brier score,
	// ECE and log loss are measured of these alone.
	Probabilities [][]float64
	// Predicted is which classes are predicted; nil means the best score, or for
	// a multi-label task the scores of at least Threshold.
	Predicted [][]bool
	// Sets are prediction sets; nil if the method gives none.
	Sets [][]bool
	// Relevant tells of the nearest cases retrieved for each image, best first,
	// whether they have its label; nil for methods that retrieve none.
	Relevant [][]bool
}

// The names of measures. Of a whole task: the macro measures are means over the
// classes, one against the rest, that some but not all images have.
const (
	AUCMacro         = "auc_macro"
	AUCWeighted      = "auc_weighted" // by the number of images that have the class
	AveragePrecision = "average_precision"
	Accuracy         = "accuracy"
	BalancedAccuracy = "balanced_accuracy"
	F1               = "f1"
	Brier            = "brier"
	LogLoss          = "log_loss"
	ECE              = "ece"
	SensitivityAt    = "sensitivity_at_90_specificity"
	SpecificityAt    = "specificity_at_90_sensitivity"
	Precision1       = "p_at_1"
	Precision5       = "p_at_5"
	Precision10      = "p_at_10"
	Coverage         = "coverage" // share of images whose prediction set has their class
	SetSize          = "set_size" // mean number of classes in a prediction set
	// Of a class alone.
	AUCOfClass  = "auc"
	Sensitivity = "sensitivity"
	Specificity = "specificity"
	Precision   = "precision"
)

// A Measure is a statistic with its interval. One that is undefined, such as an
// AUC where one class is missing, is left out.
type Measure struct {
	Name string `json:"name"`
	Estimate
	// Defined is in how many rounds of the bootstrap it was.
	Defined int `json:"defined"`
}

// A Result is what one method achieved.
type Result struct {
	Model    string        `json:"model"`
	Method   string        `json:"method"`
	N        int           `json:"n"` // images
	Patients int           `json:"patients"`
	Measures []Measure     `json:"measures"`
	Classes  []ClassResult `json:"classes"`
	// Confusion of a single-label task, in the order of Classes.
	Confusion Confusion `json:"confusion,omitempty"`
	// Reliability of each image's highest probability, of a multi-label task of
	// the probabilities of all findings; nil without probabilities.
	Reliability []Bin    `json:"reliability,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
}

// A ClassResult is what a method achieved for one class against the rest.
type ClassResult struct {
	Class    string    `json:"class"`
	N        int       `json:"n"`     // images that have it
	Known    int       `json:"known"` // images of which it is known
	Measures []Measure `json:"measures"`
	ROC      []Point   `json:"roc,omitempty"` // x: 1 - specificity, y: sensitivity; at most 200
	PR       []Point   `json:"pr,omitempty"`  // x: recall, y: precision; at most 200
}

// A Point of a curve.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// A Bin of a reliability diagram: the images whose probability is in
// [Low, High), or [Low, High] for the last.
type Bin struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	N          int     `json:"n"`
	Confidence float64 `json:"confidence"` // mean probability
	Right      float64 `json:"right"`      // share that is so
}

// Measure returns a measure of the result by name, and whether it has it.
func (r Result) Measure(name string) (Measure, bool) { return named(r.Measures, name) }

// Measure returns a measure of the class by name, and whether it has it.
func (r ClassResult) Measure(name string) (Measure, bool) { return named(r.Measures, name) }

func named(all []Measure, name string) (Measure, bool) {
	for _, m := range all {
		if m.Name == name {
			return m, true
		}
	}
	return Measure{}, false
}

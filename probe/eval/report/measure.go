package report

import (
	"slices"

	"nearcase/probe/eval"
)

// measure is how a measure is named and defined to a reader.
type measure struct {
	name  string // as in eval
	short string // heads a column
	long  string // in a sentence
	// lower tells that lower is better, neither that none is better.
	lower, neither bool
	definition     string
	reference      string
}

const (
	fawcett    = "Fawcett, Pattern Recognit. Lett. 27, 2006"
	hanley     = "Hanley and McNeil, Radiology 143, 1982"
	manning    = "Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, ch. 8"
	conformal  = "Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005"
	brodersen  = "Brodersen et al., ICPR 2010"
	rijsbergen = "van Rijsbergen, Information Retrieval, 1979"
)

// measures are in the order in which they are shown, as eval.Compare defines
// them.
func measures() []measure { return slices.Concat(ranking(), deciding(), probabilistic()) }

// ranking are measures of how scores order images.
func ranking() []measure {
	return []measure{
		{name: eval.AUCMacro, short: "AUC", long: "macro-averaged one-against-rest area under the ROC curve (AUC)",
			definition: "Probability that an image with a class scores higher than one without it, ties counting half; of a task the mean over the classes that some but not all images have.", reference: hanley},
		{name: eval.AUCWeighted, short: "AUC, weighted", long: "AUC weighted by class frequency",
			definition: "The same, each class weighted by the images that have it.", reference: fawcett},
		{name: eval.AUCOfClass, short: "AUC", long: "AUC",
			definition: "Probability that an image with the class scores higher than one without it, ties counting half.", reference: hanley},
		{name: eval.AveragePrecision, short: "Average precision", long: "average precision",
			definition: "Sum over thresholds of the precision times the gain in recall, not interpolated; of a task the mean over classes. Scores without meaning reach the class's prevalence.", reference: "Davis and Goadrich, ICML 2006"},
		{name: eval.SensitivityAt, short: "Sens. at 90 % spec.", long: "sensitivity at 90 % specificity",
			definition: "Highest sensitivity of a threshold whose specificity is at least 90 %; of a task the mean over classes.", reference: fawcett},
		{name: eval.SpecificityAt, short: "Spec. at 90 % sens.", long: "specificity at 90 % sensitivity",
			definition: "Highest specificity of a threshold whose sensitivity is at least 90 %; of a task the mean over classes.", reference: fawcett},
	}
}

// deciding are measures of what was predicted.
func deciding() []measure {
	return []measure{
		{name: eval.BalancedAccuracy, short: "Balanced accuracy", long: "balanced accuracy",
			definition: "Mean over classes of the share of their images predicted rightly; of findings judged one by one, of the mean of sensitivity and specificity.", reference: brodersen},
		{name: eval.Accuracy, short: "Accuracy", long: "accuracy", definition: "Share of images predicted rightly. To predict the largest class always reaches its share."},
		{name: eval.Sensitivity, short: "Sensitivity", long: "sensitivity", definition: "Share of the images with the class that were predicted so; also called recall.", reference: fawcett},
		{name: eval.Specificity, short: "Specificity", long: "specificity", definition: "Share of the images without the class that were not predicted to have it.", reference: fawcett},
		{name: eval.Precision, short: "Precision", long: "precision", definition: "Share of the images predicted to have the class that have it; also called positive predictive value. It depends on prevalence.", reference: fawcett},
		{name: eval.F1, short: "F1", long: "F1 score", definition: "Harmonic mean of precision and sensitivity; of a task the mean over classes.", reference: rijsbergen},
	}
}

// probabilistic are measures of probabilities, prediction sets and retrieval.
func probabilistic() []measure {
	return []measure{
		{name: eval.Brier, short: "Brier score", long: "Brier score", lower: true,
			definition: "Squared difference between probability and what is so, summed over the classes of an image (of two classes, half of that) and averaged over images. 0 is best.", reference: "Brier, Mon. Weather Rev. 78, 1950"},
		{name: eval.LogLoss, short: "Log loss", long: "logarithmic loss", lower: true,
			definition: "Mean negative logarithm of the probability given to what is so. 0 is best.", reference: "Good, J. R. Stat. Soc. B 14, 1952"},
		{name: eval.ECE, short: "ECE", long: "expected calibration error", lower: true,
			definition: "Distance between mean probability and the share that is so, in 15 bins of equal width of each image's highest probability, or of a finding's own, weighted by their images. 0 is best.", reference: "Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017"},
		{name: eval.Coverage, short: "Coverage", long: "coverage of the prediction sets", neither: true,
			definition: "Share of images whose prediction set has their class, or of findings present that are in the set; to be compared with the coverage asked for.", reference: conformal},
		{name: eval.SetSize, short: "Set size", long: "size of the prediction sets", lower: true,
			definition: "Mean number of classes in a prediction set. Of sets with equal coverage the smaller say more.", reference: conformal},
		{name: eval.Precision1, short: "P@1", long: "precision at 1 of the retrieved cases", definition: "Share of images whose nearest case has their label.", reference: manning},
		{name: eval.Precision5, short: "P@5", long: "precision at 5", definition: "Share of the 5 nearest cases that have the image's label; those missing count against it.", reference: manning},
		{name: eval.Precision10, short: "P@10", long: "precision at 10", definition: "The same of the 10 nearest.", reference: manning},
	}
}

// known returns the measure by its name. One that is not in measures is named
// by itself.
func known(name string) measure {
	for _, m := range measures() {
		if m.name == name {
			return m
		}
	}
	return measure{name: name, short: name, long: name, neither: true}
}

// present returns the measures that any of all has: those known in the order of
// measures, then others as they come.
func present(all ...[]eval.Measure) []measure {
	var found, others []measure
	has := func(list []measure, name string) bool {
		return slices.ContainsFunc(list, func(m measure) bool { return m.name == name })
	}
	order := measures()
	for _, list := range all {
		for _, m := range list {
			if !has(order, m.Name) && !has(others, m.Name) {
				others = append(others, known(m.Name))
			}
		}
	}
	for _, m := range order {
		for _, list := range all {
			if slices.ContainsFunc(list, func(x eval.Measure) bool { return x.Name == m.name }) {
				found = append(found, m)
				break
			}
		}
	}
	return append(found, others...)
}

func ofResults(results []eval.Result) (all [][]eval.Measure) {
	for _, r := range results {
		all = append(all, r.Measures)
	}
	return all
}

func ofClasses(results []eval.Result) (all [][]eval.Measure) {
	for _, r := range results {
		for _, c := range r.Classes {
			all = append(all, c.Measures)
		}
	}
	return all
}

// primary is the measure by which results are summed up, and false if there is
// none.
func primary(results []eval.Result) (measure, bool) {
	all := present(ofResults(results)...)
	for _, name := range []string{eval.AUCMacro, eval.BalancedAccuracy} {
		if i := slices.IndexFunc(all, func(m measure) bool { return m.name == name }); i >= 0 {
			return all[i], true
		}
	}
	if len(all) == 0 {
		return measure{}, false
	}
	return all[0], true
}

// best returns the position of the result that is best by m, the first of
// equals, or -1.
func best(results []eval.Result, m measure) int {
	at, top := -1, 0.0
	for i, r := range results {
		x, ok := r.Measure(m.name)
		if !ok || m.neither || !finite(x.Value) {
			continue
		}
		if v := oriented(m, x.Value); at < 0 || v > top {
			at, top = i, v
		}
	}
	return at
}

func oriented(m measure, value float64) float64 {
	if m.lower {
		return -value
	}
	return value
}

// winner is best where it is better than every other result that has m by a
// paired difference whose interval excludes zero, else -1.
func (r Report) winner(m measure) int {
	at, rivals := best(r.Results, m), 0
	if at < 0 {
		return -1
	}
	for i, other := range r.Results {
		if _, ok := other.Measure(m.name); i == at || !ok {
			continue
		}
		if rivals++; !r.beats(m, r.Results[at], other) {
			return -1
		}
	}
	if rivals == 0 {
		return -1
	}
	return at
}

func (r Report) beats(m measure, a, b eval.Result) bool {
	for _, d := range r.Differences {
		if d.Measure != m.name || !excludesZero(d.Estimate) {
			continue
		}
		ahead := oriented(m, d.Value) > 0
		first := d.Model == a.Model && d.Method == a.Method && d.AgainstModel == b.Model && d.AgainstMethod == b.Method
		second := d.Model == b.Model && d.Method == b.Method && d.AgainstModel == a.Model && d.AgainstMethod == a.Method
		if first && ahead || second && !ahead {
			return true
		}
	}
	return false
}

package report

import "slices"

// How far a report covers an item of a checklist.
const (
	covered = "covered"
	inPart  = "in part"
	authors = "authors"
)

// item of CLAIM, numbered as in its first edition.
type item struct {
	number int
	name   string
	state  string
	where  string
}

// claim says which items of CLAIM the report covers. Those that ask for title,
// introduction, discussion and registration are the authors' and left out.
func (r Report) claim() []item {
	return slices.Concat(r.claimData(), r.claimModel(), r.claimEvaluation())
}

// when is the item as covered if it is, and else as left to the authors.
func when(is bool, number int, name, state, where string) item {
	if !is {
		return item{number, name, authors, "not in this report"}
	}
	return item{number, name, state, where}
}

func (r Report) claimData() []item {
	d := r.Data
	preprocessed := len(d.Networks) > 0 && !slices.ContainsFunc(d.Networks, func(n Network) bool { return n.Preprocessing == "" })
	return []item{
		{7, "Data sources", authors, "blank in the methods paragraph"},
		{8, "Eligibility criteria", authors, "blank in the methods paragraph"},
		when(preprocessed, 9, "Preprocessing of the data", covered, "Data: networks"),
		{10, "Selection of subsets of the data", authors, "not in this report"},
		when(len(d.Classes) > 0, 11, "Definitions of data elements", inPart, "Data: classes by name and count"),
		{12, "De-identification", authors, "blank in the methods paragraph"},
		when(d.Uncertain > 0 && d.Policy != "" || d.Unknown > 0, 13, "Handling of missing data", inPart, "Data: uncertain labels, unknown patients"),
		{14, "Definition of the reference standard", authors, "blank in the methods paragraph"},
		{15, "Rationale for the reference standard", authors, "not in this report"},
		when(len(d.Sources) > 0, 16, "Source of annotations", inPart, "Data: labels by source"),
		{17, "Annotation tools", authors, "not in this report"},
		{18, "Variability within and between readers", authors, "blank in the methods paragraph"},
		{19, "Intended sample size", authors, "not in this report"},
		when(d.Split != "" || d.Folds > 0, 20, "Assignment to partitions", covered, "Data: division, seed"),
		when(d.Split != "" || d.Folds > 0, 21, "Level at which partitions are disjoint", covered, "Data: patient"),
	}
}

func (r Report) claimModel() []item {
	d := r.Data
	settings := slices.ContainsFunc(r.Classifiers, func(c Classifier) bool { return c.Settings != "" || c.Chosen != "" })
	chosen := slices.ContainsFunc(r.Classifiers, func(c Classifier) bool { return c.Chosen != "" })
	return []item{
		when(len(d.Networks) > 0, 22, "Description of the model", inPart, "Data: networks; Methods"),
		when(d.Program != "", 23, "Software", covered, "Data: program"),
		when(len(d.Networks) > 0, 24, "Initialisation of parameters", covered, "frozen networks, by fingerprint"),
		when(settings, 25, "Training and hyper-parameters", inPart, "Methods"),
		when(chosen, 26, "Selection of the final model", inPart, "Methods"),
		when(len(r.Results) > 0, 27, "Ensembling", covered, "none: each result is of one classifier"),
	}
}

func (r Report) claimEvaluation() []item {
	measured := len(present(ofResults(r.Results)...)) > 0
	bounded := measured && r.Data.Rounds > 0
	wrong := slices.ContainsFunc(r.Mistakes, func(m Mistake) bool { return len(m.Neighbours) > 0 })
	return []item{
		when(measured, 28, "Metrics of performance", covered, "Results; Definitions"),
		when(bounded, 29, "Statistical measures of uncertainty", covered, "Results: 95 % intervals"),
		when(len(r.Subgroups) > 0 || len(r.Leaks) > 0, 30, "Robustness or sensitivity analysis", inPart, "Subgroups; Leak"),
		when(wrong, 31, "Explainability", inPart, "Mistakes: the cases an image was judged by"),
		{32, "Testing on external data", authors, "not in this report"},
		{33, "Flow of participants", authors, "not in this report"},
		when(len(r.Subgroups) > 0, 34, "Demographic and clinical characteristics", inPart, "Subgroups: images and patients"),
		when(measured, 35, "Performance on all partitions", inPart, "Results: held-out images"),
		when(bounded, 36, "Diagnostic accuracy and its precision", covered, "Results; Classes"),
		when(len(r.Mistakes) > 0, 37, "Failure analysis", inPart, "Mistakes"),
	}
}

package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearcase/probe/eval"
)

// Blanks that only an author can fill in stand between these, in Methods.
const (
	blankOpen  = "[AUTHORS: "
	blankClose = "]"
)

// Methods returns a paragraph for a paper's methods section. It covers what
// CLAIM asks of data, reference standard, partitions, model and evaluation
// (Mongan, Moy and Kahn, Radiol. Artif. Intell. 2, 2020; Tejani et al., CLAIM
// 2024 Update, Radiol. Artif. Intell. 6, 2024), as far as the report contains it:
// each sentence says what was done, and none stands for what was not. What the
// program cannot know is left as a blank in brackets that begins with AUTHORS.
func Methods(r Report) string {
	var all []string
	for _, part := range [][]string{r.ofData(), r.ofLabels(), r.ofSplit(), r.ofNetworks(), r.ofClassifiers(), r.ofMeasures(), r.ofProgram()} {
		for _, sentence := range part {
			all = append(all, strings.Join(strings.Fields(sentence), " "))
		}
	}
	return strings.Join(all, " ")
}

func blank(text string) string { return blankOpen + text + blankClose }

func (r Report) ofData() []string {
	all := []string{blank("state the source of the images, dates and setting, eligibility criteria, acquisition and de-identification") + "."}
	if r.Data.Images == 0 {
		return append(all, "No image was evaluated.")
	}
	kind := "single-label"
	if r.MultiLabel {
		kind = "multi-label"
	}
	all = append(all, fmt.Sprintf("The %s task “%s” was evaluated on %s of %s.", kind, r.Task,
		counted(r.Data.Images, "image"), counted(r.Data.Patients, "patient")))
	var classes []string
	for _, c := range r.Data.Classes {
		classes = append(classes, fmt.Sprintf("%s (%s of %s)", c.Class, counted(c.Images, "image"), counted(c.Patients, "patient")))
	}
	if len(classes) == 1 {
		all = append(all, "The class was "+classes[0]+".")
	} else if len(classes) > 1 {
		all = append(all, "The classes were "+listed(classes)+".")
	}
	if n := r.Data.Unknown; n > 0 {
		all = append(all, fmt.Sprintf("The patient was not known for %s.", counted(n, "image")))
	}
	return all
}

func (r Report) ofLabels() []string {
	all := []string{"The reference standard was the label recorded for each image " +
		blank("state how labels were obtained, by whom, with which qualifications, and how readers agreed") + "."}
	var sources []string
	for _, s := range slices.Sorted(maps.Keys(r.Data.Sources)) {
		name := "“" + s + "”"
		if s == "" {
			name = "a source that was not recorded"
		}
		sources = append(sources, fmt.Sprintf("%s from %s", counted(r.Data.Sources[s], "label"), name))
	}
	if len(sources) > 0 {
		all = append(all, "Labels by source: "+listed(sources)+".")
	}
	if n := r.Data.Uncertain; n > 0 {
		sentence := fmt.Sprintf("Labels that were uncertain or not given (%s) were handled by the policy of the task", count(n))
		if r.Data.Policy != "" {
			sentence += ": " + r.Data.Policy
		}
		all = append(all, sentence+".")
	}
	return all
}

func (r Report) ofSplit() (all []string) {
	d := r.Data
	switch {
	case d.Folds > 0:
		all = append(all, fmt.Sprintf("Images were divided at the level of the patient into %d folds (%s); each fold was predicted from the others.", d.Folds, split(d)))
	case d.Train > 0 || d.Test > 0:
		all = append(all, fmt.Sprintf("Images were divided at the level of the patient by a given partition (%s) into %s for training and %s for testing.",
			split(d), count(d.Train), count(d.Test)))
	case d.Split != "":
		all = append(all, fmt.Sprintf("Images were divided at the level of the patient (%s).", d.Split))
	default:
		return nil
	}
	return append(all, "No patient had images on both sides of a division.")
}

// split names how images were divided and the seed.
func split(d Data) string {
	if d.Split == "" {
		return fmt.Sprintf("seed %d", d.Seed)
	}
	return fmt.Sprintf("%s; seed %d", d.Split, d.Seed)
}

func (r Report) ofNetworks() []string {
	var networks []string
	for _, n := range r.Data.Networks {
		networks = append(networks, n.described())
	}
	switch len(networks) {
	case 0:
		return nil
	case 1:
		return []string{"Embeddings were computed with " + networks[0] + ".", "The network was used frozen: it was neither trained nor fine-tuned."}
	}
	return []string{"Embeddings were computed with " + listed(networks) + ".", "The networks were used frozen: none was trained or fine-tuned."}
}

// described names the network and, in brackets, what is known of it.
func (n Network) described() string {
	var notes []string
	if n.Dimension > 0 {
		notes = append(notes, counted(n.Dimension, "dimension"))
	}
	for _, note := range []struct{ name, text string }{
		{"preprocessing: ", n.Preprocessing}, {"training data: ", n.TrainingData}, {"fingerprint ", n.Fingerprint}} {
		if note.text != "" {
			notes = append(notes, note.name+note.text)
		}
	}
	name := cmp.Or(n.Model, n.Collection)
	if len(notes) == 0 {
		return name
	}
	return name + " (" + strings.Join(notes, "; ") + ")"
}

func (r Report) ofClassifiers() (all []string) {
	_, methods := names(r.Results)
	switch len(methods) {
	case 0:
		return nil
	case 1:
		all = append(all, "Images were classified by "+quoted(methods)[0]+".")
	default:
		all = append(all, "The classifiers compared were "+listed(quoted(methods))+".")
	}
	for _, c := range r.Classifiers {
		if said := r.set(c); said != "" && slices.Contains(methods, c.Method) {
			all = append(all, fmt.Sprintf("The classifier “%s” %s.", c.Method, said))
		}
	}
	return all
}

// quoted puts names in quotation marks: they may have commas.
func quoted(names []string) (all []string) {
	for _, n := range names {
		all = append(all, "“"+n+"”")
	}
	return all
}

// set says what a classifier was and how it was set.
func (r Report) set(c Classifier) string {
	said := ""
	if is := r.explained(c.Kind); is != "" {
		said = "was " + is
	}
	if c.Settings != "" {
		said = strings.TrimSpace(cmp.Or(said, "was used as follows") + " (" + c.Settings + ")")
	}
	if said != "" && c.Chosen != "" {
		return said + "; " + c.Chosen
	}
	if c.Chosen != "" {
		return "was set as follows: " + c.Chosen
	}
	return said
}

// explained says what a kind of classifier is; nothing of one it does not know.
func (r Report) explained(kind string) string {
	switch kind {
	case Neighbours:
		if r.Data.Metric != "" {
			return "a vote of the nearest labelled images by " + r.Data.Metric
		}
		return "a vote of the nearest labelled images"
	case ClassMeans:
		return "a classification by the nearest class mean of the embeddings"
	case Ridge:
		return "a linear classifier fitted to the embeddings by regularised least squares in closed form"
	case Softmax:
		return "a multinomial logistic regression on the embeddings with a quadratic penalty"
	case Logistic:
		return "an independent logistic regression for each class on the embeddings with a quadratic penalty"
	case ZeroShot:
		return "a comparison of each image's embedding with those of texts that name the classes, without labels"
	}
	return ""
}

// upper begins a sentence, unless its first word is written in a way of its own.
func upper(text string) string {
	word, _, _ := strings.Cut(text, " ")
	if word == "" || word[0] < 'a' || word[0] > 'z' || strings.ToLower(word) != word || strings.ContainsAny(word, "0123456789") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func agree(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (r Report) ofMeasures() (all []string) {
	var measured, ofClass []string
	for _, m := range present(ofResults(r.Results)...) {
		measured = append(measured, m.long)
	}
	for _, m := range present(ofClasses(r.Results)...) {
		ofClass = append(ofClass, m.long)
	}
	if len(measured) > 0 {
		all = append(all, "Performance was measured by "+listed(measured)+".")
	}
	if len(ofClass) > 0 {
		all = append(all, "Of each class against the rest, "+listed(ofClass)+agree(len(ofClass), " was", " were")+" measured.")
	}
	if n := r.Data.Rounds; n > 0 && len(all) > 0 {
		all = append(all, fmt.Sprintf("The 95 %% confidence intervals are those of a bias-corrected and accelerated (BCa) bootstrap that resampled patients, each with all images (%s)%s.", counted(n, "round"), r.unlike()))
	}
	if len(r.Differences) > 0 {
		all = append(all, "Methods were compared by paired differences on the same images and the same resamples, without correction for multiple comparisons.")
	}
	return append(all, r.ofAnalyses()...)
}

// unlike says, as a clause, which intervals are not BCa: see eval.Compare.
func (r Report) unlike() string {
	if !r.has(eval.ECE) {
		return ""
	}
	return ", those of the expected calibration error of a basic bootstrap on the same resamples"
}

// has reports whether a result has a measure.
func (r Report) has(measure string) bool {
	return slices.ContainsFunc(r.Results, func(x eval.Result) bool {
		_, ok := x.Measure(measure)
		return ok
	})
}

// ofAnalyses are the further analyses that the report has.
func (r Report) ofAnalyses() (all []string) {
	var columns []string
	for _, g := range r.Subgroups {
		if !slices.Contains(columns, g.Column) {
			columns = append(columns, g.Column)
		}
	}
	if len(columns) > 0 {
		all = append(all, "Subgroups were analysed by "+listed(columns)+".")
	}
	if slices.ContainsFunc(r.Learning, func(c Curve) bool { return len(c.Points) > 0 }) {
		all = append(all, "Learning curves were measured over the number of labelled images of each class.")
	}
	if len(r.Leaks) > 0 {
		all = append(all, "To show what leaks between images of a patient, results were also measured with images divided regardless of patients; those figures are not reported as performance.")
	}
	return all
}

func (r Report) ofProgram() []string {
	var notes []string
	if r.Data.Watermark > 0 {
		notes = append(notes, fmt.Sprintf("label watermark %d", r.Data.Watermark))
	}
	if !r.Data.Time.IsZero() {
		notes = append(notes, r.Data.Time.UTC().Format("2 January 2006"))
	}
	if r.Data.Program == "" {
		return nil
	}
	sentence := "All analyses were done with " + r.Data.Program
	if len(notes) > 0 {
		sentence += " (" + strings.Join(notes, "; ") + ")"
	}
	return []string{sentence + "."}
}

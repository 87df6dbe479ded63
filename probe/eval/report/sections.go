package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"nearcase/probe/eval"
)

// sections of what was measured, in the order in which they are read. One that
// is empty is absent from the report.
func (r Report) sections() []section {
	return []section{
		{ID: "data", Title: "Data", Blocks: r.dataBlocks()},
		r.results(),
		{ID: "classes", Title: "Classes", Blocks: r.classBlocks()},
		r.curves(roc()), r.curves(precisionRecall()),
		r.confusion(), r.reliability(), r.learningCurves(), r.differences(), r.subgroups(), r.leak(), r.mistakes(),
	}
}

// about are the sections on the report itself.
func (r Report) about(lacking []string) (all []section) {
	warnings := section{ID: "warnings", Title: "Warnings", Notes: r.warnings()}
	if len(warnings.Notes) == 0 {
		warnings.Text = append(warnings.Text, "None.")
	}
	if len(lacking) > 0 {
		warnings.Text = append(warnings.Text, "Not in this report: "+listed(lacking)+".")
	}
	all = append(all, warnings, r.methods())
	if terms := r.terms(); len(terms) > 0 {
		all = append(all, section{ID: "definitions", Title: "Definitions", Terms: terms})
	}
	return append(all, r.checklist())
}

// warnings are those of the report and of its results. One that only some
// results have begins with their names.
func (r Report) warnings() []string {
	all := slices.Clone(r.Warnings)
	var seen []string
	for _, result := range r.Results {
		for _, w := range result.Warnings {
			if slices.Contains(seen, w) {
				continue
			}
			seen = append(seen, w)
			all = append(all, r.warned(w))
		}
	}
	return all
}

func (r Report) warned(warning string) string {
	var by []string
	for _, result := range r.Results {
		if slices.Contains(result.Warnings, warning) {
			by = append(by, r.name(result.Model, result.Method))
		}
	}
	if len(by) == len(r.Results) {
		return warning
	}
	return strings.Join(by, ", ") + ": " + warning
}

func heads(text string) cell { return cell{Text: text, Heads: true} }
func right(text string) cell { return cell{Text: text, Class: "n"} }

func (r Report) dataBlocks() (all []block) {
	all = append(all, block{Kind: "Table", Caption: "What was evaluated and how it was divided.", Tables: halves(r.facts())})
	if len(r.Data.Classes) > 0 {
		t := table{Head: []cell{{Text: "Class"}, {Text: "Images", Class: "n"}, {Text: "Patients", Class: "n"}}}
		for _, c := range r.Data.Classes {
			t.Rows = append(t.Rows, row{Cells: []cell{heads(c.Class), right(count(c.Images)), right(count(c.Patients))}})
		}
		b := block{Kind: "Table", Caption: "Images and patients of each class", Tables: []table{t}}
		if len(r.Data.Sources) > 0 {
			b.Caption += ", and labels by who gave them"
			b.Tables = append(b.Tables, r.sources())
		}
		b.Caption += "."
		all = append(all, b)
	}
	if len(r.Data.Networks) > 0 {
		all = append(all, block{Kind: "Table", Caption: "Frozen networks that made the embeddings. A fingerprint changes with the weights or the preprocessing.", Tables: []table{r.networks()}})
	}
	return all
}

// halves puts rows into two tables side by side.
func halves(rows []row) []table {
	half := (len(rows) + 1) / 2
	return []table{{Class: "facts", Rows: rows[:half]}, {Class: "facts", Rows: rows[half:]}}
}

func (r Report) sources() table {
	t := table{Head: []cell{{Text: "Source of labels"}, {Text: "Labels", Class: "n"}}}
	for _, s := range slices.Sorted(maps.Keys(r.Data.Sources)) {
		t.Rows = append(t.Rows, row{Cells: []cell{heads(cmp.Or(s, "not recorded")), right(count(r.Data.Sources[s]))}})
	}
	return t
}

func (r Report) facts() (rows []row) {
	d := r.Data
	fact := func(is bool, name, text string) {
		if is {
			rows = append(rows, row{Cells: []cell{heads(name), {Text: text}}})
		}
	}
	kind := "single-label"
	if r.MultiLabel {
		kind = "multi-label: each class is judged for itself"
	}
	fact(true, "Task", strings.TrimPrefix(r.Task+", "+kind, ", "))
	fact(true, "Images", count(d.Images))
	fact(true, "Patients", count(d.Patients)+", never divided")
	fact(d.Unknown > 0, "Patient not known", counted(d.Unknown, "image"))
	fact(d.Uncertain > 0, "Uncertain or not given", strings.TrimSuffix(counted(d.Uncertain, "label")+", policy: "+d.Policy, ", policy: "))
	fact(d.Split != "" || d.Folds > 0, "Division", division(d))
	fact(d.K > 0, "Neighbours that vote", count(d.K))
	fact(d.Metric != "", "Similarity", d.Metric)
	fact(d.Rounds > 0, "Intervals", "95 %, bootstrap over patients, "+counted(d.Rounds, "round"))
	fact(true, "Seed", fmt.Sprint(d.Seed))
	fact(d.Watermark > 0, "Label watermark", fmt.Sprint(d.Watermark))
	fact(d.Program != "", "Program", d.Program)
	fact(!d.Time.IsZero(), "Time", r.moment())
	fact(d.Took > 0 && finite(d.Took), "Took", fmt.Sprintf("%.1f s", d.Took))
	return rows
}

func division(d Data) string {
	var all []string
	if d.Folds > 0 {
		all = append(all, fmt.Sprintf("%d folds", d.Folds))
	}
	if d.Split != "" {
		all = append(all, d.Split)
	}
	if d.Train > 0 || d.Test > 0 {
		all = append(all, fmt.Sprintf("%s for training, %s for testing", counted(d.Train, "image"), count(d.Test)))
	}
	return strings.Join(all, "; ")
}

func (r Report) networks() table {
	t := table{Class: "wide", Head: []cell{{Text: "Collection"}, {Text: "Network"}, {Text: "Dimensions", Class: "n"}, {Text: "Preprocessing"}, {Text: "Pretrained on"}, {Text: "Licence"}, {Text: "Index"}, {Text: "Fingerprint"}}}
	for _, n := range r.Data.Networks {
		t.Rows = append(t.Rows, row{Cells: []cell{heads(n.Collection), {Text: cmp.Or(n.Model, absent)}, right(count(n.Dimension)), {Text: cmp.Or(n.Preprocessing, absent)},
			{Text: cmp.Or(n.TrainingData, absent)}, {Text: cmp.Or(n.Licence, absent)}, {Text: cmp.Or(n.Index, absent)}, {Text: cmp.Or(n.Fingerprint, absent), Class: "code"}}})
	}
	return t
}

// results is the main table, or two where one would be too wide.
func (r Report) results() section {
	s := section{ID: "results", Title: "Results"}
	all := present(ofResults(r.Results)...)
	later := probabilistic()
	probable := func(m measure) bool {
		return m.neither && m.definition == "" || slices.ContainsFunc(later, func(x measure) bool { return x.name == m.name })
	}
	first := slices.DeleteFunc(slices.Clone(all), probable)
	second := slices.DeleteFunc(slices.Clone(all), func(m measure) bool { return !probable(m) })
	const rule = " Bold: better than every other row that has the measure, by paired differences on the same resamples whose 95 % intervals all exclude zero; with none bold, no row is."
	if len(first) > 0 {
		s.Blocks = append(s.Blocks, block{Kind: "Table", Caption: "How well images are told apart, with 95 % intervals." + rule, Tables: []table{r.measured(first)}})
	}
	if len(second) > 0 {
		s.Blocks = append(s.Blocks, block{Kind: "Table", Caption: "Calibrated probabilities, prediction sets and retrieved cases, with 95 % intervals, of the methods that have any. Bold as above.", Tables: []table{r.measured(second)}})
	}
	return s
}

// measured has a row for each result that has any of the measures, and a column for
// each measure.
func (r Report) measured(columns []measure) table {
	t := table{Class: "wide", Head: []cell{{Text: "Network"}, {Text: "Method"}}}
	var winners []int
	for _, m := range columns {
		small := ""
		if m.lower {
			small = "lower is better"
		}
		t.Head = append(t.Head, cell{Text: m.short, Small: small, Class: "n"})
		winners = append(winners, r.winner(m))
	}
	last := ""
	for i, result := range r.Results {
		if !slices.ContainsFunc(columns, func(m measure) bool { _, ok := result.Measure(m.name); return ok }) {
			continue
		}
		model := result.Model
		if len(t.Rows) > 0 && model == last {
			model = ""
		}
		cells := []cell{heads(model), {Text: result.Method}}
		for j, m := range columns {
			c := valued(result.Measure(m.name))
			if winners[j] == i {
				c.Class += " best"
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, row{First: len(t.Rows) > 0 && result.Model != last, Cells: cells})
		last = result.Model
	}
	return t
}

// valued is a measure with its interval below, or a dash.
func valued(m eval.Measure, ok bool) cell {
	if !ok || !finite(m.Value) {
		return right(absent)
	}
	return cell{Text: number(m.Value), Small: bounds(m.Estimate), Class: "n"}
}

func (r Report) classBlocks() []block {
	columns := present(ofClasses(r.Results)...)
	if len(columns) == 0 {
		return nil
	}
	t := table{Class: "wide", Head: []cell{{Text: "Class"}, {Text: "Result"}, {Text: "Images", Class: "n"}}}
	for _, m := range columns {
		t.Head = append(t.Head, cell{Text: m.short, Class: "n"})
	}
	for _, class := range r.Classes {
		begins := true
		for _, result := range r.Results {
			c, ok := find(result, class)
			if !ok {
				continue
			}
			cells := []cell{heads(""), {Text: r.name(result.Model, result.Method)}, {Text: count(c.N), Small: "of " + count(c.Known), Class: "n"}}
			if begins {
				cells[0].Text = class
			}
			for _, m := range columns {
				cells = append(cells, valued(c.Measure(m.name)))
			}
			t.Rows = append(t.Rows, row{First: begins && len(t.Rows) > 0, Cells: cells})
			begins = false
		}
	}
	return []block{{Kind: "Table", Caption: "Each class against the rest, with 95 % intervals. Images: those with the class, of those for which it is known.", Tables: []table{t}}}
}

// legend names the results that a figure shows; one alone needs none.
func (r Report) legend(shows func(eval.Result) bool) (keys []key) {
	style := looks(r.Results)
	for i, result := range r.Results {
		if shows(result) {
			keys = append(keys, key{style[i], r.name(result.Model, result.Method)})
		}
	}
	if len(keys) == 1 {
		return nil
	}
	return keys
}

func (r Report) curves(k curveKind) section {
	s := section{ID: k.id, Title: k.title}
	b := block{Kind: "Figure", Caption: k.caption, Panels: true, Figures: r.perClass(k)}
	b.Legend = r.legend(func(x eval.Result) bool {
		return slices.ContainsFunc(x.Classes, func(c eval.ClassResult) bool { return len(k.of(c)) > 0 })
	})
	if n := len(r.Classes); len(b.Figures) == most && n > most {
		b.Caption += fmt.Sprintf(" The %d most frequent of %d classes.", most, n)
	}
	if len(b.Figures) > 0 {
		s.Blocks = []block{b}
	}
	return s
}

// largest is the number of classes of the largest confusion matrix that is shown.
const largest = 24

func (r Report) confusion() section {
	s := section{ID: "confusion", Title: "Confusion matrices"}
	b := block{Kind: "Table", Caption: "Images by true class (rows) and predicted class (columns), with their share of the row. The stronger the colour, the larger the share."}
	omitted := false
	for _, result := range r.Results {
		if n := len(result.Confusion); n > largest {
			omitted = true
		} else if n > 0 && n == len(result.Classes) {
			b.Tables = append(b.Tables, confusion(r.name(result.Model, result.Method), result))
		}
	}
	if len(b.Tables) > 0 {
		s.Blocks = append(s.Blocks, b)
	}
	if omitted {
		s.Notes = append(s.Notes, fmt.Sprintf("Matrices of more than %d classes are not shown.", largest))
	}
	return s
}

func confusion(title string, r eval.Result) table {
	t := table{Title: title, Class: "confusion", Head: []cell{{Text: "true ↓  predicted →", Class: "corner"}}}
	for _, c := range r.Classes {
		t.Head = append(t.Head, cell{Text: c.Class})
	}
	for i, counts := range r.Confusion {
		total := 0
		for _, n := range counts {
			total += n
		}
		cells := []cell{heads(r.Classes[i].Class)}
		for _, n := range counts {
			c := cell{Text: count(n), Class: "h0"}
			if total > 0 {
				share := float64(n) / float64(total)
				c.Small, c.Class = fmt.Sprintf("%.0f %%", 100*share), fmt.Sprintf("h%d", int(10*share+0.5))
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, row{Cells: cells})
	}
	return t
}

func (r Report) reliability() section {
	s := section{ID: "reliability", Title: "Reliability"}
	of := "each image's highest probability"
	if r.MultiLabel {
		of = "the probabilities of all findings"
	}
	if figures := r.reliabilities(); len(figures) > 0 {
		s.Blocks = []block{{Kind: "Figure", Panels: true, Figures: figures,
			Caption: "Reliability of " + of + ": the share that is so against the mean probability of each bin, and below how many a bin has. On the dotted line a probability means what it says; below it, it promises too much."}}
	}
	return s
}

func (r Report) learningCurves() section {
	s := section{ID: "learning", Title: "Learning curves"}
	var all []eval.Measure
	for _, c := range r.Learning {
		all = append(all, eval.Measure{Name: c.Measure})
	}
	for _, m := range present(all) {
		figure, ok := r.learning(m)
		if !ok {
			continue
		}
		legend := r.legend(func(x eval.Result) bool {
			return slices.ContainsFunc(r.Learning, func(c Curve) bool {
				return c.Measure == m.name && c.Model == x.Model && c.Method == x.Method
			})
		})
		s.Blocks = append(s.Blocks, block{Kind: "Figure", Figures: []template.HTML{figure}, Legend: legend,
			Caption: upper(m.long) + " by the number of labelled images of each class. Lines: mean over repetitions; bands: their range."})
	}
	return s
}

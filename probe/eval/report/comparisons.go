package report

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"nearcase/probe/eval"
)

func (r Report) differences() section {
	s := section{ID: "differences", Title: "Paired differences"}
	var all []eval.Measure
	for _, d := range r.Differences {
		all = append(all, eval.Measure{Name: d.Measure})
	}
	t := table{Class: "wide", Head: []cell{{Text: "Measure"}, {Text: "First"}, {Text: "Second"}, {Text: "First less second", Class: "n"}, {Text: "95 % interval", Class: "n"}, {Text: "Excludes zero", Class: "state"}}}
	var figures []template.HTML
	for _, m := range present(all) {
		f, rows := r.differing(m)
		rows[0].First = len(t.Rows) > 0
		t.Rows = append(t.Rows, rows...)
		if figure, ok := f.svg(); ok {
			figures = append(figures, figure)
		}
	}
	if len(figures) > 0 {
		s.Blocks = append(s.Blocks, block{Kind: "Figure", Figures: figures,
			Caption: "Differences on the same images and resamples, with 95 % intervals. Filled: the interval excludes zero; hollow: it does not. They are not corrected for the number of comparisons."})
	}
	if len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, block{Kind: "Table", Caption: "The same differences as numbers.", Tables: []table{t}})
	}
	return s
}

// differing are the differences of a measure, drawn and as rows.
func (r Report) differing(m measure) (f forest, rows []row) {
	f = forest{title: "Difference of " + m.long, zero: true, left: "← second better", right: "first better →"}
	if m.lower {
		f.left, f.right = "← first better", "second better →"
	} else if m.neither {
		f.left, f.right = "← second higher", "first higher →"
	}
	f.rows = []bough{{name: m.short, heading: true}}
	for _, d := range r.Differences {
		if d.Measure != m.name {
			continue
		}
		first, second := r.name(d.Model, d.Method), r.name(d.AgainstModel, d.AgainstMethod)
		f.rows = append(f.rows, bough{name: first + " less " + second, Estimate: d.Estimate})
		rows = append(rows, row{Cells: []cell{heads(m.short), {Text: first}, {Text: second}, right(signed(d.Value)), right(between(d.Estimate)), {Text: verdict(d.Estimate), Class: "state"}}})
	}
	return f, rows
}

func verdict(e eval.Estimate) string {
	if excludesZero(e) {
		return "yes"
	}
	return "no"
}

func (r Report) subgroups() section {
	s := section{ID: "subgroups", Title: "Subgroups"}
	var all []eval.Result
	for _, g := range r.Subgroups {
		all = append(all, g.Results...)
	}
	m, ok := primary(all)
	if !ok {
		return s
	}
	f := forest{title: m.long, rows: r.groves(m)}
	figure, ok := f.svg()
	if ok {
		s.Blocks = append(s.Blocks, block{Kind: "Figure", Figures: []template.HTML{figure},
			Caption: upper(m.long) + " of all images and of each subgroup, with 95 % intervals."})
	}
	s.Blocks = append(s.Blocks, block{Kind: "Table", Caption: "Subgroups by columns of the metadata, with 95 % intervals.", Tables: []table{r.grouped(all)}})
	return s
}

// groves are the rows of the forest plot of subgroups, all images first.
func (r Report) groves(m measure) (rows []bough) {
	style := looks(r.Results)
	add := func(heading string, results []eval.Result) {
		rows = append(rows, bough{name: heading, heading: true})
		for _, result := range results {
			x, ok := result.Measure(m.name)
			if !ok {
				continue
			}
			b := bough{name: r.name(result.Model, result.Method), Estimate: x.Estimate}
			if i := slices.IndexFunc(r.Results, func(y eval.Result) bool { return y.Model == result.Model && y.Method == result.Method }); i >= 0 {
				b.look = style[i]
			}
			rows = append(rows, b)
		}
	}
	add(fmt.Sprintf("All (%s)", counted(r.Data.Images, "image")), r.Results)
	for _, g := range r.Subgroups {
		add(fmt.Sprintf("%s: %s (%s of %s)", g.Column, cmp.Or(g.Value, "not given"), counted(g.N, "image"), counted(g.Patients, "patient")), g.Results)
	}
	return rows
}

// columnsOfGroups is how many measures a table of subgroups shows.
const columnsOfGroups = 5

func (r Report) grouped(all []eval.Result) table {
	columns := present(ofResults(all)...)
	columns = columns[:min(len(columns), columnsOfGroups)]
	t := table{Class: "wide", Head: []cell{{Text: "Subgroup"}, {Text: "Images", Class: "n"}, {Text: "Patients", Class: "n"}, {Text: "Result"}}}
	for _, m := range columns {
		t.Head = append(t.Head, cell{Text: m.short, Class: "n"})
	}
	for _, g := range r.Subgroups {
		for i, result := range g.Results {
			cells := []cell{heads(""), right(""), right(""), {Text: r.name(result.Model, result.Method)}}
			if i == 0 {
				cells[0].Text, cells[1].Text, cells[2].Text = g.Column+": "+cmp.Or(g.Value, "not given"), count(g.N), count(g.Patients)
			}
			for _, m := range columns {
				cells = append(cells, valued(result.Measure(m.name)))
			}
			t.Rows = append(t.Rows, row{First: i == 0 && len(t.Rows) > 0, Cells: cells})
		}
	}
	return t
}

// named is how many results an alert names; the table has all.
const named = 3

func (r Report) leak() section {
	s := section{ID: "leak", Title: "Leak of an image-level split"}
	if len(r.Leaks) == 0 {
		return s
	}
	s.Text = []string{"Images of one patient resemble each other for reasons that have nothing to do with the label. Divided image by image, some of a patient's images help to predict the others, and part of what is measured is that a patient was recognised. Every other figure of this report keeps patients together."}
	if overstated := r.overstated(); len(overstated) > 0 {
		s.Alerts = []alert{{fmt.Sprintf("Dividing images regardless of patients would have overstated %d of %s.", len(overstated), counted(len(r.Leaks), "result")),
			upper(listed(overstated[:min(len(overstated), named)])) + "."}}
	} else {
		s.Text = append(s.Text, "Here no result was overstated by a difference whose interval excludes zero.")
	}
	t := table{Head: []cell{{Text: "Result"}, {Text: "Measure"}, {Text: "Patients kept together", Small: "what is reported", Class: "n"}, {Text: "Images divided singly", Small: "not to be reported", Class: "n"}, {Text: "Gained by leaking", Class: "n"}}}
	for _, l := range r.Leaks {
		t.Rows = append(t.Rows, row{Cells: []cell{heads(r.name(l.Model, l.Method)), {Text: known(l.Measure).short}, valued(eval.Measure{Estimate: l.Grouped}, true),
			valued(eval.Measure{Estimate: l.ByImage}, true), {Text: signed(l.Gain.Value), Small: between(l.Gain), Class: "n"}}})
	}
	s.Blocks = []block{{Kind: "Table", Caption: "The same measures, taken either way, with 95 % intervals.", Tables: []table{t}}}
	return s
}

// overstated says of each result that an image-level split makes look better, by
// a gain whose interval excludes zero, what it would read.
func (r Report) overstated() (all []string) {
	for _, l := range r.Leaks {
		m := known(l.Measure)
		if m.neither || !excludesZero(l.Gain) || oriented(m, l.Gain.Value) <= 0 {
			continue
		}
		all = append(all, fmt.Sprintf("%s would read %s %s instead of %s (%s, 95 %% interval %s to %s)", r.name(l.Model, l.Method), m.short,
			number(l.ByImage.Value), number(l.Grouped.Value), signed(l.Gain.Value), signed(l.Gain.Low), signed(l.Gain.High)))
	}
	return all
}

// card shows a mistake.
type card struct {
	ID, Truth, Predicted, Probability, By string
	Image                                 template.URL
	Near                                  []near
}

// near is a neighbour; Right tells that it has a label that the image has.
type near struct {
	ID, Label, Score string
	Image            template.URL
	Right            bool
}

func (r Report) mistakes() section {
	s := section{ID: "mistakes", Title: "Example mistakes"}
	for _, m := range r.Mistakes {
		c := card{ID: m.ID, Truth: labels(m.Truth), Predicted: labels(m.Predicted), By: r.name(m.Model, m.Method), Image: picture(m.Image)}
		if m.Probability != nil && finite(*m.Probability) {
			c.Probability = "probability " + number(*m.Probability)
		}
		for _, e := range m.Neighbours {
			c.Near = append(c.Near, near{ID: e.ID, Label: labels(e.Label), Score: number(e.Score), Image: picture(e.Image), Right: shares(m.Truth, e.Label)})
		}
		s.Cards = append(s.Cards, c)
	}
	if len(s.Cards) > 0 {
		s.Text = []string{"Images that were predicted wrongly, each with the nearest cases that it was judged by, best first, with their labels and scores. ✓ has a true label of the image, ✗ has none."}
	}
	return s
}

func labels(all []string) string { return cmp.Or(strings.Join(all, ", "), "none") }

// shares says whether two images have a label in common, or none each.
func shares(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return slices.ContainsFunc(a, func(label string) bool { return slices.Contains(b, label) })
}

// largestPicture is in bytes, of its file.
const largestPicture = 256 << 10

// picture returns a data URI that holds a PNG or JPEG file in base64, and
// nothing for any other.
func picture(uri string) template.URL {
	for _, kind := range []struct{ prefix, magic string }{
		{"data:image/png;base64,", "\x89PNG\r\n\x1a\n"}, {"data:image/jpeg;base64,", "\xff\xd8\xff"}} {
		code, ok := strings.CutPrefix(uri, kind.prefix)
		if !ok || len(code) > base64.StdEncoding.EncodedLen(largestPicture) || strings.ContainsAny(code, "\r\n") {
			continue
		}
		if file, err := base64.StdEncoding.DecodeString(code); err == nil && strings.HasPrefix(string(file), kind.magic) {
			return template.URL(uri)
		}
	}
	return ""
}

// methods is the paragraph, with its blanks marked.
func (r Report) methods() section {
	s := section{ID: "methods", Title: "Methods", Text: []string{"A paragraph for a methods section. Marked passages are for the authors."}}
	rest := cmp.Or(r.Methods, Methods(r))
	for rest != "" {
		before, after, ok := strings.Cut(rest, blankOpen)
		s.Quote = append(s.Quote, passage{Text: before})
		if !ok {
			break
		}
		text, rest2, _ := strings.Cut(after, blankClose)
		s.Quote = append(s.Quote, passage{Text: blankOpen + text + blankClose, Blank: true})
		rest = rest2
	}
	return s
}

// terms define the measures that the report has.
func (r Report) terms() (all []term) {
	add := func(measures []measure) {
		for _, m := range measures {
			if m.definition != "" && !slices.ContainsFunc(all, func(t term) bool { return t.Name == m.short }) {
				all = append(all, term{m.short, m.definition, m.reference})
			}
		}
	}
	add(present(ofResults(r.Results)...))
	add(present(ofClasses(r.Results)...))
	if len(all) > 0 && r.MultiLabel {
		all = append(all, term{Name: "Multi-label", Text: "Accuracy, Brier score, log loss and ECE are means over classes, each over the images of which it is known."})
	}
	if len(all) > 0 && r.Data.Rounds > 0 {
		how := "bias-corrected and accelerated bootstrap, widened for few patients"
		if r.has(eval.ECE) {
			how += "; of ECE the basic bootstrap, which holds the truth less often than 95 times in 100"
		}
		all = append(all, term{"95 % interval", "From how the measure varies when as many patients as there are are drawn with replacement, each with all its images: " + how + ". What the choice of patients or the labels themselves get wrong is not in it.",
			"Field and Welsh, J. R. Stat. Soc. B 69, 2007; Efron, J. Am. Stat. Assoc. 82, 1987; Hesterberg, Am. Stat. 69, 2015"})
	}
	return all
}

func (r Report) checklist() section {
	t := table{Head: []cell{{Text: "Item", Class: "n"}, {Text: "CLAIM"}, {Text: "This report", Class: "state"}, {Text: "Where"}}}
	for _, i := range r.claim() {
		t.Rows = append(t.Rows, row{Cells: []cell{right(fmt.Sprint(i.number)), heads(i.name), {Text: i.state, Class: "state"}, {Text: i.where, Class: "dim"}}})
	}
	return section{ID: "claim", Title: "Checklist",
		Blocks: []block{{Kind: "Table", Tables: []table{t}, Caption: "Items of CLAIM on data, model, evaluation and results, by their number in the first edition (Mongan, Moy and Kahn, Radiol. Artif. Intell. 2, 2020) and in the words of the 2024 update (Tejani et al., Radiol. Artif. Intell. 6, 2024). “authors”: the program cannot know it."}}}
}

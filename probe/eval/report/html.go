package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS string

// HTML writes the report as one page that loads nothing and runs nothing, and is
// well-formed XML after its first line. What the report lacks is left out and
// named as absent. Names are shown as text whatever they contain; a picture is
// shown if it is a PNG or JPEG in a base64 data URI.
func HTML(w io.Writer, r Report) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("report: reading the page's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newPage(r)); err != nil {
		return fmt.Errorf("report: writing HTML: %w", err)
	}
	// A number stays with its unit.
	text := bytes.ReplaceAll(bytes.Map(plain, b.Bytes()), []byte(" %"), []byte("\u00a0%"))
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("report: writing HTML: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	Title, Summary, Meta, Footer string
	Policy                       string
	Style                        template.CSS
	Sections                     []section
}

// section is a part of the page; what is empty is left out.
type section struct {
	ID, Title string
	Alerts    []alert
	Text      []string
	Blocks    []block
	Cards     []card
	Notes     []string
	Terms     []term
	Quote     []passage
}

func (s section) empty() bool {
	return len(s.Alerts)+len(s.Blocks)+len(s.Cards)+len(s.Notes)+len(s.Terms)+len(s.Quote) == 0
}

// named is the title within a sentence; an abbreviation stays as it is.
func (s section) named() string {
	if s.Title[1:2] == strings.ToUpper(s.Title[1:2]) {
		return s.Title
	}
	return strings.ToLower(s.Title[:1]) + s.Title[1:]
}

type alert struct{ Strong, Text string }

// block is figures or tables under one caption. Kind is "Figure" or "Table";
// newPage numbers each kind.
type block struct {
	Kind, Caption string
	Number        int
	Panels        bool // small figures that stand side by side
	Legend        []key
	Figures       []template.HTML
	Tables        []table
}

// key says whose look a line has.
type key struct {
	look
	Name string
}

type table struct {
	Title, Class string
	Head         []cell
	Rows         []row
}

// row is First where a group of rows begins.
type row struct {
	First bool
	Cells []cell
}

// cell has a text and below it a smaller one. Heads tells that it heads its row.
type cell struct {
	Text, Small, Class string
	Heads              bool
}

type term struct{ Name, Text, Reference string }

// passage of a text. A Blank is for the authors to fill in.
type passage struct {
	Text  string
	Blank bool
}

func newPage(r Report) page {
	p := page{Title: "Evaluation of " + r.Task, Summary: r.summary(), Meta: r.meta(), Style: template.CSS(styleCSS)}
	if r.Task == "" {
		p.Title = "Evaluation"
	}
	hash := sha256.Sum256([]byte(styleCSS))
	p.Policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'"
	p.Footer = "Predictions are for research. Classes are those of the labels; nothing here is a diagnosis."
	var lacking []string
	for _, s := range r.sections() {
		if s.empty() {
			lacking = append(lacking, s.named())
		} else {
			p.Sections = append(p.Sections, s)
		}
	}
	p.Sections = append(p.Sections, r.about(lacking)...)
	p.number()
	return p
}

// number counts figures and tables through the page.
func (p page) number() {
	counts := map[string]int{}
	for _, s := range p.Sections {
		for i := range s.Blocks {
			if b := &s.Blocks[i]; b.Caption != "" {
				counts[b.Kind]++
				b.Number = counts[b.Kind]
			}
		}
	}
}

// summary is one sentence: of what data, and which result is best.
func (r Report) summary() string {
	text := fmt.Sprintf("%s of %s", counted(r.Data.Images, "image"), counted(r.Data.Patients, "patient"))
	if n := len(r.Classes); n > 0 {
		text += ", " + countedClasses(n)
	}
	m, ok := primary(r.Results)
	if !ok {
		return text + ". Nothing was measured."
	}
	at := best(r.Results, m)
	if at < 0 {
		return text + "."
	}
	top := r.Results[at]
	x, _ := top.Measure(m.name)
	text += fmt.Sprintf(". Best %s: %s by %s", m.short, estimate(x.Estimate), r.name(top.Model, top.Method))
	if len(r.Results) > 1 {
		text += fmt.Sprintf(", of %d results", len(r.Results))
	}
	if r.winner(m) == at {
		text += ", ahead of every other by a paired difference whose interval excludes zero"
	}
	return text + "."
}

func countedClasses(n int) string {
	if n == 1 {
		return "1 class"
	}
	return count(n) + " classes"
}

func (r Report) meta() string {
	var all []string
	for _, text := range []string{r.Data.Program, r.moment(), fmt.Sprintf("seed %d", r.Data.Seed)} {
		if text != "" {
			all = append(all, text)
		}
	}
	if n := len(r.warnings()); n > 0 {
		all = append(all, counted(n, "warning"))
	}
	return strings.Join(all, " · ")
}

func (r Report) moment() string {
	if r.Data.Time.IsZero() {
		return ""
	}
	return r.Data.Time.UTC().Format("2 January 2006, 15:04 UTC")
}

// name of a result: the method alone if there is one network.
func (r Report) name(model, method string) string {
	if models, _ := names(r.Results); len(models) < 2 || model == "" {
		return method
	}
	return model + " · " + method
}

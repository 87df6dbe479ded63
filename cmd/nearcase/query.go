package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"nearcase/api"
	"nearcase/store"
)

// queryFlags name what to ask about.
type queryFlags struct {
	Image       string  `arg:"" optional:"" help:"Image to ask about." type:"path"`
	Instance    string  `short:"i" help:"Ask about a stored instance instead." placeholder:"ID"`
	Collection  string  `short:"c" default:"default" help:"Collection to ask."`
	K           int     `short:"k" help:"Number of neighbours (default: 20)."`
	Frame       int     `help:"Which frame of a file with several asks, from 1 (default: the mean of up to 16)."`
	Patient     string  `help:"Patient of the image, to be left out of the answer."`
	Study       string  `help:"Study of the image, to be left out of the answer; without an image, the stored study to ask about."`
	SamePatient bool    `help:"Let the query's own patient into the answer."`
	GroupBy     string  `help:"At most one case of each patient or study, the nearest: patient, study or none (default: none; votes: as configured)."`
	MinScore    float32 `help:"Leave out cases less similar than this (-1 to 1)."`
	Exact       bool    `help:"Exact answer whatever the index."`

	Like    []string `help:"Stored instance that cases are to be like; repeat it for several." placeholder:"ID" sep:"none"`
	Unlike  []string `help:"Stored instance that cases are to be unlike; repeat it for several." placeholder:"ID" sep:"none"`
	Exclude []string `help:"Stored instance to leave out; repeat it for several." placeholder:"ID" sep:"none"`
	filterFlags
	Level string `enum:"instance,series,study," default:"" help:"Ask for instances, or for whole series or studies: instance, series or study (default: instance; of a study: study)."`
	Pool  string `enum:"mean,max" default:"mean" help:"How the vectors of a series or study make one: mean or max."`
}

func (f queryFlags) query(c config) (api.Query, error) {
	q := api.Query{Instance: f.Instance, Frame: f.Frame, K: f.K, Patient: f.Patient, Study: f.Study, Level: f.Level, Pool: f.Pool,
		SamePatient: f.SamePatient, GroupBy: f.GroupBy, MinScore: f.MinScore, Exact: f.Exact,
		Like: f.Like, Unlike: f.Unlike, Exclude: api.Exclusion{Instances: f.Exclude}}
	var err error
	if q.Filter, err = f.filter(); err != nil || f.Image == "" {
		return q, err
	}
	if q.Image, err = api.ReadFile(f.Image, c.Limits.ImageBytes); err == nil && q.Image == nil {
		q.Image = []byte{}
	}
	return q, plain(err)
}

// plain leaves out of an error that a source is not valid: who named the file
// knows which it is.
func plain(err error) error {
	if errors.Is(err, api.ErrSource) {
		return errors.New(strings.TrimPrefix(err.Error(), api.ErrSource.Error()+": "))
	}
	return err
}

// one refuses any number of questions but one.
func one(q api.Query, alternatives string) error {
	asked := 0
	for _, given := range []bool{q.Image != nil, q.Instance != "", q.Text != ""} {
		if given {
			asked++
		}
	}
	if asked > 1 || asked == 0 && len(q.Like) == 0 && (q.Study == "" || len(q.Unlike) > 0) {
		return errors.New("name one image, one stored instance with --instance, a stored study with --study, examples with --like" + alternatives)
	}
	return nil
}

type similarCommand struct {
	queryFlags
	Text     string `help:"Ask by a text instead, of a model with a text tower." placeholder:"TEXT"`
	Labelled string `help:"Only cases labelled for a task, or with one of some classes of it." placeholder:"TASK[=CLASS|CLASS]"`
}

func (similarCommand) Help() string {
	return `The score is the cosine similarity: higher is closer, 1 is identical. The
query's own image, study and patient are left out unless --same-patient is given.

  nearcase similar --collection cxr image.png
  nearcase similar --collection cxr --instance 1.2.840.113619.2.5 -k 5
  nearcase similar --collection cxr --labelled finding=pneumonia --group-by patient image.png
  nearcase similar --collection cxr --where Modality=CR|DX --where PatientSex=F study/image.dcm
  nearcase similar --collection cxr --filter '{"field": "PatientAge", "lt": 18}' image.png
  nearcase similar --collection ct --study 1.2.840.113619.2
  nearcase similar --collection cxr --like ID --like ID --unlike ID
  nearcase similar --collection derm --text "a photo of a melanoma"`
}

func (q similarCommand) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, c config) error {
		query, err := q.query(c)
		if err != nil {
			return err
		}
		query.Text = q.Text
		if err := one(query, ", or a text with --text"); err != nil {
			return err
		}
		labelled, err := labelledFilter(q.Labelled)
		if err != nil {
			return err
		}
		query.Filter = store.Both(labelled, query.Filter)
		answer, err := o.Similar(ctx, q.Collection, query)
		if err != nil {
			return err
		}
		return s.print(answer, func(w io.Writer) {
			printCases(w, answer.Cases, levelOf(query))
			if len(answer.Cases) == 0 {
				fmt.Fprintln(w, none("case", query))
			}
			fmt.Fprintln(w, about(query, answer.Query, answer.Provenance))
		})
	})
}

// levelOf is what answers a query.
func levelOf(q api.Query) string {
	if q.Level == "" && q.Instance == "" && q.Image == nil && q.Text == "" && len(q.Like) == 0 {
		return "study"
	}
	return cmp.Or(q.Level, "instance")
}

// printCases prints a row for each case; its columns are those that any case has
// something for.
func printCases(w io.Writer, cases []api.Case, level string) {
	heads := []string{"SCORE", "FRAME", "CASE", "PATIENT", "LABELS", "METADATA", "ID"}
	if level != "instance" {
		heads = []string{"SCORE", "IMAGES", "PATIENT", "LABELS", "METADATA", "STUDY", "SERIES"}
	}
	var rows [][]string
	for _, c := range cases {
		score, labels, metadata := fmt.Sprintf("%.4f", c.Score), labelText(c.Labels), metadataText(c.Metadata, level)
		switch level {
		case "instance":
			rows = append(rows, []string{score, frameText(c.Frame), c.Name, c.Patient, labels, metadata, c.ID})
		case "study":
			rows = append(rows, []string{score, fmt.Sprint(len(c.Instances)), c.Patient, labels, metadata, c.Study, ""})
		default:
			rows = append(rows, []string{score, fmt.Sprint(len(c.Instances)), c.Patient, labels, metadata, c.Study, c.Series})
		}
	}
	printColumns(w, heads, rows)
}

// printColumns prints a table without the columns that are empty in every row.
func printColumns(w io.Writer, heads []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	used := func(row []string) []any {
		var cells []any
		for i, cell := range row {
			if slices.ContainsFunc(rows, func(r []string) bool { return r[i] != "" }) {
				cells = append(cells, cell)
			}
		}
		return cells
	}
	t := table(w, used(heads)...)
	for _, row := range rows {
		t.row(used(row)...)
	}
	t.flush()
}

// metadataText is what is known of an image in few words. A case that is a whole
// brings what is known of its first image: how that was taken is not said.
func metadataText(metadata map[string]string, level string) string {
	fields := []string{"Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "Laterality", "PatientSex", "PatientAge", "AcquisitionDate"}
	var words []string
	for _, field := range fields {
		ofImage := field == "ViewPosition" || strings.HasSuffix(field, "Laterality")
		twice := field == "Laterality" && metadata["ImageLaterality"] != ""
		if value := metadata[field]; value != "" && !twice && (level == "instance" || !ofImage) {
			words = append(words, value)
		}
	}
	return strings.Join(words, " ")
}

// frameText is the number of a frame; of a file with one image it has none.
func frameText(frame int) string {
	if frame == 0 {
		return ""
	}
	return fmt.Sprint(frame)
}

// labelledFilter reads TASK or TASK=CLASS|CLASS; nothing is no filter.
func labelledFilter(text string) (*store.Filter, error) {
	task, list, some := strings.Cut(text, "=")
	switch {
	case text == "":
		return nil, nil
	case task == "" || some && list == "":
		return nil, fmt.Errorf("--labelled %q: use TASK, or TASK=CLASS|CLASS", text)
	case some:
		return &store.Filter{Task: task, Saying: store.Saying{Has: strings.Split(list, "|")}}, nil
	}
	return &store.Filter{Task: task, Saying: store.Saying{Labelled: new(true)}}, nil
}

func join(classes []string) string {
	if len(classes) == 0 {
		return "none"
	}
	return strings.Join(classes, " + ")
}

// none says that nothing answers a query, and what it had to pass.
func none(what string, q api.Query) string {
	var filters []string
	if q.Filter != nil {
		filters = append(filters, filterText(q.Filter))
	}
	if q.MinScore != 0 {
		filters = append(filters, fmt.Sprintf("--min-score %g", q.MinScore))
	}
	if len(filters) == 0 {
		return fmt.Sprintf("no %s beside the query's own", what)
	}
	return fmt.Sprintf("no %s beside the query's own passes %s", what, strings.Join(filters, " "))
}

func labelText(labels map[string][]string) string {
	var texts []string
	for _, task := range sortedKeys(labels) {
		texts = append(texts, task+"="+join(labels[task]))
	}
	return strings.Join(texts, " ")
}

func about(q api.Query, asked api.Subject, p api.Provenance) string {
	own := "the query's own patient"
	if q.SamePatient {
		own = "the query's own"
	}
	return fmt.Sprintf("%s with %s (%.12s), index %s; left out as %s: %d", p.Collection, p.Model, p.Fingerprint, p.Index, own, asked.Excluded)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"nearcase/api"
	"nearcase/probe"
)

// queryFlags name what to ask about.
type queryFlags struct {
	Image         string  `arg:"" optional:"" help:"Image to ask about." type:"path"`
	Instance      string  `short:"i" help:"Ask about a stored instance instead." placeholder:"ID"`
	Collection    string  `short:"c" default:"default" help:"Collection to ask."`
	K             int     `short:"k" help:"Number of neighbours (default: 20)."`
	Patient       string  `help:"Patient of the image, to be left out of the answer."`
	Study         string  `help:"Study of the image, to be left out of the answer."`
	SamePatient   bool    `help:"Let the query's own patient into the answer."`
	OnePerPatient bool    `help:"At most one case of each patient, the nearest."`
	MinScore      float32 `help:"Leave out cases less similar than this (-1 to 1)."`
	Exact         bool    `help:"Exact answer whatever the index."`

	Where []string `help:"Only cases whose metadata say so; repeat it for several fields." placeholder:"FIELD=VALUE|VALUE" sep:"none"`
	Level string   `enum:"instance,series,study" default:"instance" help:"Ask for instances, or for whole series or studies (instance, series, study)."`
	Pool  string   `enum:"mean,max" default:"mean" help:"How the vectors of a series or study make one: mean or max."`
}

func (f queryFlags) query(c config) (api.Query, error) {
	q := api.Query{Instance: f.Instance, K: f.K, Patient: f.Patient, Study: f.Study, Level: f.Level, Pool: f.Pool,
		SamePatient: f.SamePatient, OnePerPatient: f.OnePerPatient, MinScore: f.MinScore, Exact: f.Exact}
	var err error
	if q.Where, err = fieldsAndValues(f.Where); err != nil || f.Image == "" {
		return q, err
	}
	if q.Image, err = api.ReadFile(f.Image, c.Limits.ImageBytes); err == nil && q.Image == nil {
		q.Image = []byte{}
	}
	return q, err
}

// one refuses any number of questions but one.
func one(q api.Query, alternatives string) error {
	asked := 0
	for _, given := range []bool{q.Image != nil, q.Instance != "", q.Text != ""} {
		if given {
			asked++
		}
	}
	if asked != 1 {
		return errors.New("name one image, or one stored instance with --instance" + alternatives)
	}
	return nil
}

// fieldsAndValues reads FIELD=VALUE|VALUE, several of which must all hold.
func fieldsAndValues(texts []string) (map[string][]string, error) {
	var where map[string][]string
	for _, text := range texts {
		field, values, ok := strings.Cut(text, "=")
		if !ok || field == "" || where[field] != nil {
			return nil, fmt.Errorf("--where %q: use FIELD=VALUE or FIELD=VALUE|VALUE, each field once", text)
		}
		if where == nil {
			where = map[string][]string{}
		}
		where[field] = strings.Split(values, "|")
	}
	return where, nil
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
  nearcase similar --collection cxr --labelled finding=pneumonia --one-per-patient image.png
  nearcase similar --collection cxr --where Modality=CR|DX --where PatientSex=F study/image.dcm
  nearcase similar --collection ct --level study --instance 1.2.840.113619.2.5
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
		if query.Labelled, query.Classes, err = taskAndClasses(q.Labelled); err != nil {
			return err
		}
		answer, err := o.Similar(ctx, q.Collection, query)
		if err != nil {
			return err
		}
		return s.print(answer, func(w io.Writer) {
			printCases(w, answer.Cases, query.Level)
			if len(answer.Cases) == 0 {
				fmt.Fprintln(w, none(query))
			}
			fmt.Fprintln(w, about(answer.Query, answer.Provenance))
		})
	})
}

func printCases(w io.Writer, cases []api.Case, level string) {
	if level == "instance" {
		t := table(w, "SCORE", "CASE", "PATIENT", "LABELS", "ID")
		for _, c := range cases {
			t.row(fmt.Sprintf("%.4f", c.Score), c.Name, c.Patient, labelText(c.Labels), c.ID)
		}
		t.flush()
		return
	}
	t := table(w, "SCORE", "IMAGES", "PATIENT", "LABELS", "STUDY", "SERIES")
	for _, c := range cases {
		series := c.Series
		if level == "study" {
			series = ""
		}
		t.row(fmt.Sprintf("%.4f", c.Score), len(c.Instances), c.Patient, labelText(c.Labels), c.Study, series)
	}
	t.flush()
}

// taskAndClasses reads TASK or TASK=CLASS|CLASS; nothing is neither.
func taskAndClasses(text string) (task string, classes []string, err error) {
	task, list, some := strings.Cut(text, "=")
	if text != "" && task == "" || some && list == "" {
		return "", nil, fmt.Errorf("--labelled %q: use TASK, or TASK=CLASS|CLASS", text)
	}
	if some {
		classes = strings.Split(list, "|")
	}
	return task, classes, nil
}

type classifyCommand struct {
	queryFlags
	Task   []string `short:"t" help:"Task to classify for (default: all that have labels)."`
	Prompt []string `help:"Text for zero-shot scores, with {} for the class (default: the model's)." sep:"none"`
}

func (classifyCommand) Help() string {
	return `Prints for each task the share of each class among the neighbours' votes beside
the score of the linear probe, and whether the two agree. Labels of the query's
own patient take part in neither. Neither is a diagnosis.

  nearcase classify --collection cxr image.png
  nearcase classify --collection cxr --task finding --json image.png`
}

func (q classifyCommand) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, c config) error {
		query, err := q.query(c)
		if err != nil {
			return err
		}
		query.Tasks, query.Prompts = q.Task, q.Prompt
		if err := one(query, ""); err != nil {
			return err
		}
		answer, err := o.Classify(ctx, q.Collection, query)
		if err != nil {
			return err
		}
		return s.print(answer, func(w io.Writer) { printClassification(w, answer) })
	})
}

// shown is how many neighbours a table shows.
const shown = 5

func printClassification(w io.Writer, answer api.Classification) {
	for _, a := range answer.Tasks {
		fmt.Fprintf(w, "%s: %s\n", a.Task, verdict(a))
		printScores(w, a)
		printVoters(w, a)
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s; labels up to %d\n", about(answer.Query, answer.Provenance), answer.Watermark)
}

// printScores prints what votes, probe and texts say of each class.
func printScores(w io.Writer, a api.TaskAnswer) {
	heads, scored := []any{"  CLASS", "VOTES", "", "PROBE", ""}, [][]probe.Score{a.Probe.Scores}
	if a.ZeroShot != nil {
		heads, scored = append(heads, "ZERO-SHOT", ""), append(scored, a.ZeroShot.Scores)
	}
	t := table(w, heads...)
	for _, v := range a.Votes {
		row := []any{"  " + v.Class, fmt.Sprintf("%.3f", v.Share), bar(v.Share)}
		for _, scores := range scored {
			i := slices.IndexFunc(scores, func(s probe.Score) bool { return s.Class == v.Class })
			if i < 0 {
				row = append(row, "-", "")
			} else {
				row = append(row, fmt.Sprintf("%6.3f", scores[i].Score), bar(scores[i].Score))
			}
		}
		t.row(row...)
	}
	t.flush()
}

func printVoters(w io.Writer, a api.TaskAnswer) {
	t := table(w, "  SCORE", "WEIGHT", "LABEL", "CASE", "PATIENT", "ID")
	for i, v := range a.Neighbours {
		if i == shown {
			break
		}
		t.row(fmt.Sprintf("  %.4f", v.Score), fmt.Sprintf("%.3f", v.Weight), join(v.Label), v.Name, v.Patient, v.ID)
	}
	t.flush()
	if n := len(a.Neighbours) - shown; n > 0 {
		fmt.Fprintf(w, "  and %d more\n", n)
	}
}

// verdict says in words what votes and probe predict.
func verdict(a api.TaskAnswer) string {
	if a.Counts.Neighbours == 0 {
		return "no labelled case beside the query's own"
	}
	rest := fmt.Sprintf(" (%d neighbours of %d patients; probe on %d labels)", a.Counts.Neighbours, a.Counts.Patients, a.Counts.Examples)
	switch {
	case a.Agree == nil:
		return fmt.Sprintf("votes say %s, the probe has no answer: %s", join(a.Vote), a.Probe.Problem) + rest
	case *a.Agree:
		return fmt.Sprintf("votes and probe agree on %s", join(a.Vote)) + rest
	}
	return fmt.Sprintf("votes say %s, the probe says %s: they disagree", join(a.Vote), join(a.Probe.Prediction)) + rest
}

func join(classes []string) string {
	if len(classes) == 0 {
		return "none"
	}
	return strings.Join(classes, " + ")
}

// bar draws a share from 0 to 1 in ten places.
func bar(share float64) string {
	n := int(10*min(max(share, 0), 1) + 0.5)
	return strings.Repeat("█", n) + strings.Repeat("·", 10-n)
}

// none says why there may be no case.
func none(q api.Query) string {
	if q.MinScore != 0 {
		return fmt.Sprintf("no case scores %g or more", q.MinScore)
	}
	return "no case beside the query's own"
}

func labelText(labels map[string][]string) string {
	var texts []string
	for _, task := range sortedKeys(labels) {
		texts = append(texts, task+"="+join(labels[task]))
	}
	return strings.Join(texts, " ")
}

func about(q api.Subject, p api.Provenance) string {
	text := fmt.Sprintf("%s with %s (%.12s), index %s", p.Collection, p.Model, p.Fingerprint, p.Index)
	return text + fmt.Sprintf("; left out as the query's own patient: %d", q.Excluded)
}

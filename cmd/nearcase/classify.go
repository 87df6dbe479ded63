package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"nearcase/api"
	"nearcase/probe"
)

type classifyCommand struct {
	queryFlags
	Task   []string `short:"t" help:"Task to classify for (default: all that have labels)."`
	Prompt []string `help:"Text for zero-shot scores, with {} for the class (default: the model's)." sep:"none"`
}

func (classifyCommand) Help() string {
	return `Prints for each task the share of each class among the neighbours' votes beside
the score of the ridge probe and the probability by the better probe, whether they
agree, and how unusual the image is. Labels of the query's own patient take part in
nothing. None of it is a diagnosis. The first time, probes are chosen and calibrated,
which can take a while (see nearcase probes).

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
		return s.print(answer, func(w io.Writer) { printClassification(w, query, answer) })
	})
}

// shown is how many neighbours a table shows.
const shown = 5

func printClassification(w io.Writer, q api.Query, answer api.Classification) {
	for _, a := range answer.Tasks {
		fmt.Fprintf(w, "%s: %s\n", a.Task, verdict(q, a))
		printScores(w, a)
		printTrusted(w, a)
		printVoters(w, a)
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, noveltyText(answer.Novelty))
	fmt.Fprintf(w, "%s; labels up to %d\n", about(q, answer.Query, answer.Provenance), answer.Watermark)
}

// printScores prints what votes, probes and texts say of each class, and the
// default probe's probability and call.
func printScores(w io.Writer, a api.TaskAnswer) {
	heads, scored := []any{"  CLASS", "VOTES", "", "RIDGE", ""}, [][]probe.Score{a.Probe.Scores}
	if a.ZeroShot != nil {
		heads, scored = append(heads, "ZERO-SHOT", ""), append(scored, a.ZeroShot.Scores)
	}
	if len(a.Softmax.Scores) > 0 {
		heads = append(heads, "SOFTMAX")
	}
	if len(a.Probabilities) > 0 {
		heads = append(heads, "PROBABILITY", "", "CALL")
	}
	t := table(w, heads...)
	for _, v := range a.Votes {
		row := []any{"  " + v.Class, "-", ""}
		if v.Share != nil {
			row = []any{"  " + v.Class, fmt.Sprintf("%.3f", *v.Share), bar(*v.Share)}
		}
		for _, scores := range scored {
			if s, ok := scoreOf(scores, v.Class); ok {
				row = append(row, fmt.Sprintf("%6.3f", s), bar(s))
			} else {
				row = append(row, "-", "")
			}
		}
		if s, ok := scoreOf(a.Softmax.Scores, v.Class); ok {
			row = append(row, fmt.Sprintf("%6.2f", s)) // a logit
		} else if len(a.Softmax.Scores) > 0 {
			row = append(row, "-")
		}
		t.row(append(row, trusted(a, v.Class)...)...)
	}
	t.flush()
}

func scoreOf(scores []probe.Score, class string) (float64, bool) {
	i := slices.IndexFunc(scores, func(s probe.Score) bool { return s.Class == class })
	if i < 0 {
		return 0, false
	}
	return scores[i].Score, true
}

// trusted are a class's probability and call.
func trusted(a api.TaskAnswer, class string) []any {
	i := slices.IndexFunc(a.Probabilities, func(p api.Probability) bool { return p.Class == class })
	if i < 0 {
		return nil
	}
	p, call := a.Probabilities[i].Probability, ""
	if i := slices.IndexFunc(a.Calls, func(c api.Call) bool { return c.Class == class }); i >= 0 {
		call = a.Calls[i].State
	}
	return []any{fmt.Sprintf("%.3f", p), bar(p), call}
}

// printTrusted prints the prediction set, the reasons why something is missing,
// and where the probes and votes differ.
func printTrusted(w io.Writer, a api.TaskAnswer) {
	if a.Set != nil {
		fmt.Fprintf(w, "  set at %.3g %% coverage: %s\n", 100*a.Set.Coverage, setText(a))
	}
	if a.Softmax.Problem == "" && a.Probe.Problem == "" && a.Refused == "" && !slices.Equal(a.Softmax.Prediction, a.Probe.Prediction) {
		fmt.Fprintf(w, "  the ridge probe says %s, the softmax probe %s\n", join(a.Probe.Prediction), join(a.Softmax.Prediction))
	}
	if a.Disagreement != nil && a.Disagreement.Flag {
		fmt.Fprintf(w, "  have a look: votes and probe differ by %.2f\n", a.Disagreement.Gap)
	}
	for _, reason := range a.Reasons {
		fmt.Fprintln(w, "  note:", reason)
	}
}

func setText(a api.TaskAnswer) string {
	if !a.Multi && len(a.Set.Classes) == 0 {
		return "no class fits"
	}
	var texts []string
	for _, class := range a.Set.Classes {
		if slices.Contains(a.Set.Absent, class) {
			class += "?"
		}
		texts = append(texts, class)
	}
	return join(texts)
}

func noveltyText(n api.Novelty) string {
	if n.Percentile == nil {
		return "how unusual it is: " + n.Problem
	}
	return fmt.Sprintf("more unusual than %.0f %% of the images of %d patients (distance %.3f to neighbour %d)", 100**n.Percentile, n.Reference, *n.Distance, n.K)
}

func printVoters(w io.Writer, a api.TaskAnswer) {
	var rows [][]string
	for _, v := range a.Neighbours[:min(shown, len(a.Neighbours))] {
		rows = append(rows, []string{fmt.Sprintf("  %.4f", v.Score), fmt.Sprintf("%.3f", v.Weight), join(v.Label),
			frameText(v.Frame), v.Name, v.Patient, metadataText(v.Metadata, "instance"), v.ID})
	}
	printColumns(w, []string{"  SCORE", "WEIGHT", "LABEL", "FRAME", "CASE", "PATIENT", "METADATA", "ID"}, rows)
	if n := len(a.Neighbours) - shown; n > 0 {
		fmt.Fprintf(w, "  and %d more\n", n)
	}
}

// verdict says in words what votes and probe predict.
func verdict(q api.Query, a api.TaskAnswer) string {
	rest := fmt.Sprintf(" (%d neighbours of %d patients; %s probe on %d labels)", a.Counts.Neighbours, a.Counts.Patients, a.Default, a.Counts.Examples)
	switch {
	case a.Counts.Neighbours == 0:
		return none("labelled case", q)
	case a.Refused != "":
		return a.Refused
	case a.Agree == nil:
		return fmt.Sprintf("votes say %s, the probe has no answer: %s", join(a.Vote), a.Probe.Problem) + rest
	case *a.Agree:
		return fmt.Sprintf("votes and probe agree on %s", join(a.Vote)) + expected(a) + rest
	}
	return fmt.Sprintf("votes say %s, the probe says %s: they disagree", join(a.Vote), join(byProbe(a))) + expected(a) + rest
}

// byProbe is what the default probe predicts by the labels' shares of the classes.
func byProbe(a api.TaskAnswer) []string {
	if a.Default == probe.SoftmaxHead {
		return a.Softmax.Prediction
	}
	return a.Probe.Prediction
}

// expected is what is predicted by the shares that the task expects, if it is
// something else.
func expected(a api.TaskAnswer) string {
	if slices.Equal(a.Prediction, byProbe(a)) {
		return ""
	}
	return fmt.Sprintf("; by the priors stated it is %s", join(a.Prediction))
}

// bar draws a share from 0 to 1 in ten places.
func bar(share float64) string {
	n := int(10*min(max(share, 0), 1) + 0.5)
	return strings.Repeat("█", n) + strings.Repeat("·", 10-n)
}

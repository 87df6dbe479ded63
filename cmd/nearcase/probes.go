package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"nearcase/api"
	"nearcase/probe"
	"nearcase/store"
)

type probesCommand struct {
	List     probesList     `cmd:"" default:"1" help:"List the probes of a collection's tasks."`
	Show     probesShow     `cmd:"" help:"Show what one version can be trusted with."`
	Retrain  probesRetrain  `cmd:"" help:"Make a version from the labels there are."`
	Rollback probesRollback `cmd:"" help:"Let an earlier version answer, or the newest again."`
	Compare  probesCompare  `cmd:"" help:"Set two versions side by side."`
	Set      probesSet      `cmd:"" help:"Say how a task's labels are learnt and answered from."`
}

func (probesCommand) Help() string {
	return `The ridge probe of a task knows every label at once. A version is what is chosen
and calibrated beside it: the softmax probe, the votes' k, probabilities,
prediction sets and operating points. It has the number of the last label it knows.

  nearcase probes list --collection cxr
  nearcase probes retrain --collection cxr finding
  nearcase probes show --collection cxr finding
  nearcase probes rollback --collection cxr finding 12043`
}

// ofTask names a task of a collection.
type ofTask struct {
	Task       string `arg:"" optional:"" help:"Task (default: the only one)."`
	Collection string `short:"c" default:"default" help:"Collection."`
}

// task returns the task named, or the only one.
func (q ofTask) task(ctx context.Context, o operations) (string, error) {
	if q.Task != "" {
		return q.Task, nil
	}
	c, err := o.Collection(ctx, q.Collection)
	if err != nil {
		return "", err
	}
	if len(c.Tasks) != 1 {
		return "", fmt.Errorf("name the task: collection %s has %d (%s)", c.Name, len(c.Tasks), taskNames(c))
	}
	return c.Tasks[0].Name, nil
}

type probesList struct {
	Collection string `short:"c" default:"default" help:"Collection."`
}

func (q probesList) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		all, err := o.Probes(ctx, q.Collection)
		if err != nil {
			return err
		}
		return s.print(all, func(w io.Writer) { printProbes(w, all) })
	})
}

func printProbes(w io.Writer, all []api.ProbeInfo) {
	t := table(w, "TASK", "LABELS", "PATIENTS", "CLASSES", "HEAD", "LAMBDA", "LOG LOSS", "VERSION", "CHANGED", "STATE")
	for _, i := range all {
		t.row(i.Task, i.Examples, i.Patients, countsText(i.Classes), "", "", "", versionText(i), i.Changed, stateText(i))
		for _, h := range i.Heads {
			name := h.Head
			if h.Head == i.Default {
				name += " (default)"
			}
			t.row("", "", "", "", name, lambdaText(h.Lambda), lossText(h.LogLoss))
		}
	}
	t.flush()
}

func countsText(counts map[string]int) string {
	var texts []string
	for _, class := range sortedKeys(counts) {
		texts = append(texts, fmt.Sprintf("%s %d", class, counts[class]))
	}
	return strings.Join(texts, ", ")
}

func versionText(i api.ProbeInfo) string {
	switch {
	case i.Answering == 0:
		return "-"
	case i.Answering == i.Pinned:
		return fmt.Sprintf("%d (pinned)", i.Answering)
	}
	return fmt.Sprint(i.Answering)
}

func stateText(i api.ProbeInfo) string {
	switch {
	case i.Running:
		return "being refitted"
	case i.Refused != "":
		return i.Refused
	case i.Problem != "":
		return i.Problem
	case i.Due:
		return "refit is due"
	}
	return "current"
}

func lambdaText(l float64) string {
	if l == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g", l)
}

func lossText(l *float64) string {
	if l == nil {
		return "-"
	}
	return fmt.Sprintf("%.4f", *l)
}

type probesShow struct {
	ofTask
	Version uint64 `help:"Version (default: the one that answers)."`
}

func (q probesShow) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		task, err := q.task(ctx, o)
		if err != nil {
			return err
		}
		v, err := o.Probe(ctx, q.Collection, task, store.Key(q.Version))
		if err != nil {
			return err
		}
		return s.print(v, func(w io.Writer) { printVersion(w, v) })
	})
}

func printVersion(w io.Writer, v api.ProbeVersion) {
	u := v.Tuning
	fmt.Fprintf(w, "%s, version %d: %d images of %d patients%s\n", v.Task, v.Version, u.Examples, u.Patients, standingText(v))
	fmt.Fprintf(w, "created   %s, which took %s\n", v.Made.Format("2006-01-02 15:04:05 MST"), v.Took.Round(time.Millisecond))
	for _, head := range []string{probe.RidgeHead, probe.SoftmaxHead} {
		h, ok := u.Head(head)
		if !ok {
			fmt.Fprintf(w, "\n%s: %s\n", head, u.WithoutSoftmax)
			continue
		}
		better := ""
		if head == u.Better && h.LogLoss != nil {
			better = ", better by out-of-patient log loss"
		}
		fmt.Fprintf(w, "\n%s: lambda %.3g, log loss %s%s\n", head, h.Lambda, lossText(h.LogLoss), better)
		printTrust(w, h)
	}
	printVotings(w, u.Voting)
}

func standingText(v api.ProbeVersion) string {
	switch {
	case v.Pinned:
		return "; it answers because it is pinned"
	case v.Answering:
		return "; it answers"
	}
	return ""
}

// printTrust prints what a head can be trusted with.
func printTrust(w io.Writer, h *probe.Head) {
	if c := h.Calibration; c != nil {
		t := table(w, "  CLASS", "SLOPE", "BIAS", "RULED OUT BELOW", "SENSITIVITY", "RULED IN ABOVE", "SPECIFICITY")
		for i, class := range c.Classes {
			row := []any{"  " + class, fmt.Sprintf("%.3f", c.Slope[i]), fmt.Sprintf("%.3f", c.Bias[i])}
			if i < len(h.Points) {
				row = append(row, cutText(h.Points[i].RuleOut)...)
				row = append(row, cutText(h.Points[i].RuleIn)...)
			}
			t.row(row...)
		}
		t.flush()
	}
	if h.Sets != nil {
		fmt.Fprintf(w, "  sets hold the truth of %.3g %% of images, by %d patients\n", 100*h.Sets.Coverage, h.Sets.Patients)
	}
	for _, reason := range h.Reasons {
		fmt.Fprintln(w, "  note:", reason)
	}
}

func cutText(c probe.Cut) []any {
	if c.Reason != "" {
		return []any{"never", "-"}
	}
	return []any{fmt.Sprintf("%.3f", c.Probability), fmt.Sprintf("%.3f (at least %.3f)", c.Achieved, c.Lower)}
}

func printVotings(w io.Writer, c *probe.Choice) {
	if c == nil {
		fmt.Fprintln(w, "\nvotes: no k was chosen; there are too few labels")
		return
	}
	fmt.Fprintf(w, "\nvotes: k = %d of %s, by %d images of %d patients\n", c.K, c.Weighting.Kind, c.Examples, c.Patients)
	t := table(w, "  K", "WEIGHTING", "LOG LOSS", "BALANCED ACCURACY", "")
	for _, trial := range c.Trials {
		near := ""
		if trial.Near {
			near = "as good as the best"
		}
		t.row(fmt.Sprintf("  %d", trial.K), trial.Weighting.Kind, fmt.Sprintf("%.4f", trial.LogLoss), fmt.Sprintf("%.3f", trial.BalancedAccuracy), near)
	}
	t.flush()
}

type probesRetrain struct{ ofTask }

func (q probesRetrain) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		task, err := q.task(ctx, o)
		if err != nil {
			return err
		}
		v, err := o.Retrain(ctx, q.Collection, task, s.progress("retrain"))
		if err != nil {
			return err
		}
		return s.print(v, func(w io.Writer) { printVersion(w, v) })
	})
}

type probesRollback struct {
	Task       string `arg:"" help:"Task."`
	Version    string `arg:"" help:"Version, or newest."`
	Collection string `short:"c" default:"default" help:"Collection."`
}

func (q probesRollback) Run(ctx context.Context, s *session) error {
	number := uint64(0)
	if q.Version != "newest" {
		var err error
		if number, err = strconv.ParseUint(q.Version, 10, 64); err != nil || number == 0 {
			return fmt.Errorf("version %q: use a number that nearcase probes list shows, or newest", q.Version)
		}
	}
	return s.with(existing, func(o operations, _ config) error {
		i, err := o.Rollback(ctx, q.Collection, q.Task, store.Key(number))
		if err != nil {
			return err
		}
		return s.print(i, func(w io.Writer) { printProbes(w, []api.ProbeInfo{i}) })
	})
}

type probesCompare struct {
	Task       string `arg:"" help:"Task."`
	A          uint64 `arg:"" help:"Version."`
	B          uint64 `arg:"" optional:"" help:"Another (default: the one that answers)."`
	Collection string `short:"c" default:"default" help:"Collection."`
}

func (q probesCompare) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		c, err := o.Compare(ctx, q.Collection, q.Task, store.Key(q.A), store.Key(q.B))
		if err != nil {
			return err
		}
		return s.print(c, func(w io.Writer) { printComparison(w, c) })
	})
}

func printComparison(w io.Writer, c api.Comparison) {
	heads := []any{c.Task}
	rows := [][]any{{"images"}, {"patients"}, {"ridge log loss"}, {"softmax log loss"}, {"better"}, {"k"}}
	for _, v := range c.Versions {
		u, softmax, k := v.Tuning, "-", "-"
		if u.Softmax != nil {
			softmax = lossText(u.Softmax.LogLoss)
		}
		if u.Voting != nil {
			k = fmt.Sprint(u.Voting.K)
		}
		heads = append(heads, fmt.Sprintf("VERSION %d", v.Version))
		for i, cell := range []any{u.Examples, u.Patients, lossText(u.Ridge.LogLoss), softmax, u.Better, k} {
			rows[i] = append(rows[i], cell)
		}
	}
	t := table(w, heads...)
	for _, row := range rows {
		t.row(row...)
	}
	t.flush()
	for _, h := range c.Heads {
		if h.Problem != "" {
			fmt.Fprintf(w, "%s: not compared: %s\n", h.Head, h.Problem)
			continue
		}
		fmt.Fprintf(w, "%s: both predict the same of %d of %d labelled images (%.1f %%)\n", h.Head, h.Same, h.Instances, 100*h.Share)
	}
}

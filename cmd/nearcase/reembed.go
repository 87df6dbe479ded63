package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"nearcase/api"
	"nearcase/probe/eval"
)

// reembedFlags are those of reindex that change the model.
type reembedFlags struct {
	Model      string   `help:"Embed again with this model, beside the one that answers." placeholder:"NAME"`
	LeaveOut   bool     `help:"Leave out images that cannot be embedded again: they will be missing after the switch."`
	PerSecond  float64  `help:"Images embedded in a second at most (default: no bound)."`
	Share      float64  `help:"Share of the workers to embed with (default: 0.5)."`
	Switch     bool     `help:"Let the other model answer: at once, or with --model when it agrees within bounds."`
	MinOverlap float64  `help:"Least mean share of the ten nearest that both models have." placeholder:"SHARE"`
	MaxAUCLoss *float64 `name:"max-auc-loss" help:"Most that the AUC of votes or probe may fall." placeholder:"LOSS"`
	Sample     int      `help:"Images of which neighbours are compared (default: 1000)."`
	Seed       int64    `help:"Seed of that sample and of folds."`
	Status     bool     `help:"Show how far it is, and the report; with --model also what it would cost."`
	Report     string   `help:"Write the report as a page of HTML." placeholder:"FILE"`
	Task       string   `short:"t" help:"Task of the page (default: the only one)."`
	Force      bool     `short:"f" help:"Replace a page that is there."`
	Back       bool     `help:"Let the model before answer again."`
	DropOld    bool     `help:"Drop the model before, or give up what was embedded."`
}

const reembedHelp = `

With --model all originals are embedded again by another model while the present one
answers, with labels, their history and what comes meanwhile. Interrupted, it goes on
when it is called again. Then a report says how the two agree, and --switch lets the
other one answer; --back returns, with what has come since, until --drop-old.

  nearcase reindex --model resnet18 --status cxr
  nearcase reindex --model resnet18 --share 0.25 cxr
  nearcase reindex --model resnet18 --switch --min-overlap 0.3 --max-auc-loss 0.01 cxr
  nearcase reindex --status --report agreement.html cxr
  nearcase reindex --switch cxr
  nearcase reindex --back cxr
  nearcase reindex --drop-old cxr`

// asksModel reports whether the model is what is to change.
func (f reembedFlags) asksModel() bool {
	return f.Model != "" || f.Switch || f.Status || f.Back || f.DropOld || f.Report != ""
}

func (f reembedFlags) check() error {
	n := 0
	for _, asked := range []bool{f.Switch, f.Status, f.Back, f.DropOld} {
		if asked {
			n++
		}
	}
	if n > 1 || f.Model != "" && (f.Back || f.DropOld) {
		return errors.New("use one of --switch, --status, --back and --drop-old; --model goes with the first two")
	}
	if f.Report != "" {
		return exportCommand{Output: f.Report, Force: f.Force}.vacant()
	}
	return nil
}

// reembed does what the flags ask of a collection's model.
func (f reembedFlags) reembed(ctx context.Context, s *session, collection string) error {
	if err := f.check(); err != nil {
		return err
	}
	return s.with(existing, func(o operations, _ config) error {
		if f.DropOld {
			if err := o.DropReembedding(ctx, collection); err != nil {
				return err
			}
			return s.print(struct {
				Dropped string `json:"dropped"`
			}{collection}, func(w io.Writer) { fmt.Fprintln(w, "dropped the vectors behind collection", collection) })
		}
		r, err := f.act(ctx, s, o, collection)
		if err == nil && f.Report != "" {
			page := func(w io.Writer) error { return o.AgreementPage(ctx, collection, f.Task, w) }
			err = exportCommand{Output: f.Report, Force: f.Force}.write(page)
		}
		if err != nil {
			return err
		}
		return s.print(r, func(w io.Writer) { printReembedding(w, r) })
	})
}

// act embeds, switches, or asks how far it is.
func (f reembedFlags) act(ctx context.Context, s *session, o operations, collection string) (api.Reembedding, error) {
	switch {
	case f.Back || f.Switch && f.Model == "":
		return o.SwitchModel(ctx, collection, api.SwitchOptions{Back: f.Back, LeaveOut: f.LeaveOut}, s.progress("embed"))
	case f.Model == "" || f.Status:
		return o.Reembedding(ctx, collection, f.Model)
	}
	if plan, err := o.Reembedding(ctx, collection, f.Model); err == nil && !s.Quiet && !s.JSON {
		fmt.Fprintf(s.stderr, "%d images; beside the vectors there are it takes about %s of the disk and %s of memory until --drop-old\n",
			plan.Instances, megabytes(plan.Cost.Disk), megabytes(plan.Cost.Memory))
	}
	return o.Reembed(ctx, collection, api.ReembedOptions{
		Model: f.Model, LeaveOut: f.LeaveOut, PerSecond: f.PerSecond, Share: f.Share, Switch: f.Switch,
		MinOverlap: f.MinOverlap, MaxAUCLoss: f.MaxAUCLoss, Sample: f.Sample, Seed: f.Seed,
	}, s.progress("embed"))
}

func printReembedding(w io.Writer, r api.Reembedding) {
	t := table(w)
	t.row("collection", r.Collection)
	t.row("state", r.State)
	t.row("model that answers", fmt.Sprintf("%s %.12s", r.Model, r.Fingerprint))
	t.row("other model", fmt.Sprintf("%s %.12s", r.Other, r.OtherFingerprint))
	t.row("embedded", fmt.Sprintf("%d of %d; %d log entries behind", r.Done, r.Instances, r.Behind))
	if r.Missing > 0 {
		t.row("cannot be embedded", r.Missing)
	}
	if r.PerSecond > 0 {
		t.row("speed", fmt.Sprintf("%.1f images/s, %s left", r.PerSecond, time.Duration(r.Remaining*float64(time.Second)).Round(time.Second)))
	}
	t.row("takes about", fmt.Sprintf("%s of the disk, %s of memory", megabytes(r.Cost.Disk), megabytes(r.Cost.Memory)))
	if r.Job != "" {
		t.row("job", r.Job)
	}
	t.flush()
	if r.Report != nil {
		printModelAgreement(w, *r.Report)
	}
}

func printModelAgreement(w io.Writer, a api.ModelAgreement) {
	fmt.Fprintf(w, "\n%d instances, %d missing, at log entry %d. Intervals: 95 %%, by patient.\n", a.Instances, a.Missing, a.Head)
	fmt.Fprintf(w, "before %s, %.1f ms an image; after %s, %.1f ms\n", a.Before.Model, a.Before.Milliseconds, a.After.Model, a.After.Milliseconds)
	fmt.Fprintf(w, "overlap of the %d nearest of other patients: %s (%d images)\n", a.Overlap.K, estimated(a.Overlap.Mean), a.Overlap.Sampled)
	for _, task := range a.Tasks {
		if task.Problem != "" {
			fmt.Fprintf(w, "\ntask %s: %s\n", task.Task, task.Problem)
			continue
		}
		fmt.Fprintf(w, "\ntask %s, %d images: another class by votes %d, share %s; by the probe %d, share %s\n", task.Task, task.Images,
			task.Votes.Flipped, estimated(task.Votes.Share), task.Probe.Flipped, estimated(task.Probe.Share))
		t := table(w, "AUC", "CLASS", "BEFORE", "AFTER", "AFTER LESS BEFORE")
		for _, c := range task.AUC {
			t.row(c.Method, cmp.Or(c.Class, "mean"), estimated(c.Before), estimated(c.After), estimated(c.Difference))
		}
		t.flush()
	}
}

// estimated is a figure with its interval.
func estimated(e eval.Estimate) string {
	return fmt.Sprintf("%.4f (%.4f to %.4f)", e.Value, e.Low, e.High)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"nearcase/api"
	"nearcase/store"
	"nearcase/store/local"
)

// engineOf is the engine that a collection asks for.
func engineOf(c api.Collection) string {
	if c.Index.IsAuto() {
		return store.EngineAuto
	}
	return c.Index.Engine
}

// describeIndex is what collections show says of an index, as rows of a table.
func describeIndex(c api.Collection) [][]any {
	s := c.Status.Index
	engine := c.Status.Engine
	switch asked := engineOf(c); asked {
	case engine:
	case store.EngineAuto:
		engine += " (auto)"
	default:
		engine += ", until " + asked + " is built"
	}
	rows := [][]any{
		{"index", engine},
		{"index size", fmt.Sprintf("%d places, %s in memory, %s mapped", s.Rows, megabytes(s.Bytes), megabytes(s.Mapped))},
	}
	if s.M > 0 {
		text := fmt.Sprintf("M %d, ef_construction %d, ef %d", s.M, s.EfConstruction, s.Ef)
		if s.Recall > 0 {
			text += fmt.Sprintf("; recall@10 %.4f when last sampled", s.Recall)
		}
		rows = append(rows, []any{"index graph", text})
	}
	snapshot := "none"
	if s.Snapshot > 0 {
		snapshot = fmt.Sprintf("at log entry %d", s.Snapshot)
	}
	return append(rows, []any{"index snapshot", snapshot})
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// indexFlags tune what is built.
type indexFlags struct {
	M              int     `name:"m" help:"Links of a new node in each layer (graph and coder)."`
	EfConstruction int     `help:"Candidates kept for them while building (graph)."`
	EfSearch       int     `help:"Candidates kept while searching (graph: found for --recall; coder)."`
	Recall         float64 `help:"Share of the true ten nearest to find (graph)."`
	Candidates     int     `help:"Candidates proposed for exact ranking (coder)."`
}

func (f indexFlags) spec(engine string) store.Index {
	return store.Index{
		Engine: engine, M: f.M, EfConstruction: f.EfConstruction, EfSearch: f.EfSearch,
		Recall: f.Recall, Candidates: f.Candidates,
	}
}

type reindexCommand struct {
	Collection string `short:"c" default:"default" help:"Collection."`
	Engine     string `help:"Index engine: auto, exact, graph or coder (default: the present one)."`
	indexFlags
	MinRecall float64 `help:"Recall@10 below which the old index stays." default:"0.9"`
	Name      string  `arg:"" optional:"" help:"Collection, in place of --collection."`
	reembedFlags
}

func (reindexCommand) Help() string {
	return `Builds a new index from the stored vectors beside the old one, compares the two
on stored images, and swaps them. If anything fails, or the new one finds less
than --min-recall, the old one stays. A parameter that is not given is the
engine's default.

  nearcase reindex --collection cxr --engine graph --recall 0.999` + reembedHelp
}

func (q reindexCommand) Run(ctx context.Context, s *session) error {
	q.Collection = cmp.Or(q.Name, q.Collection)
	if q.asksModel() {
		return q.reembed(ctx, s, q.Collection)
	}
	if !(q.MinRecall > 0 && q.MinRecall <= 1) {
		return fmt.Errorf("--min-recall is %g, use more than 0 and at most 1", q.MinRecall)
	}
	return s.with(existing, func(o operations, _ config) error {
		have, err := o.Collection(ctx, q.Collection)
		if err != nil {
			return err
		}
		to := store.Reindexing{Index: q.spec(cmp.Or(q.Engine, engineOf(have))), MinRecall: q.MinRecall}
		r, err := o.Reindex(ctx, q.Collection, to, s.progress("reindex"))
		if err != nil {
			return err
		}
		return s.print(r, func(w io.Writer) { printReindexed(w, r) })
	})
}

func printReindexed(w io.Writer, r store.Reindexed) {
	fmt.Fprintf(w, "%d instances indexed in %.1f s\n", r.Instances, r.Took.Seconds())
	t := table(w, "", "INDEX", "RECALL@10", "QUERIES/S")
	t.row("before", r.EngineBefore, fmt.Sprintf("%.4f", r.Recall10Before), fmt.Sprintf("%.0f", r.PerSecondBefore))
	t.row("now", r.Engine, fmt.Sprintf("%.4f", r.Recall10), fmt.Sprintf("%.0f", r.PerSecond))
	t.flush()
	fmt.Fprintf(w, "%d of %d stored images that both were asked about have the same ten nearest.\n", r.Same, r.Sampled)
}

type benchCommand struct {
	Embed benchEmbed `cmd:"" help:"Measure how fast images become vectors, stage by stage."`
	Index benchIndex `cmd:"" help:"Build each index engine from the vectors of a collection, and compare them."`
}

type benchIndex struct {
	Collection string   `short:"c" default:"default" help:"Collection."`
	Engine     []string `help:"Engines to try." default:"exact,graph,coder"`
	K          int      `short:"k" help:"Neighbours to ask for." default:"10"`
	Queries    int      `help:"Stored images to ask with." default:"200"`
	indexFlags
}

func (benchIndex) Help() string {
	return `Builds each engine in memory, asks it for the neighbours of stored images, which do
not answer themselves, and compares the answers with those of a scan. Queries go
one at a time through one thread. Nothing stored is changed.

  nearcase bench index --collection cxr --engine exact,graph`
}

func (b benchIndex) Run(ctx context.Context, s *session) (err error) {
	if s.Server != "" {
		return errors.New("bench works on a data directory, not on --server")
	}
	if b.K < 1 || b.Queries < 1 {
		return fmt.Errorf("-k is %d and --queries %d, use 1 or more", b.K, b.Queries)
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	catalog, err := s.openCatalog(c.calm(), existing)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, catalog.Close()) }()
	engines := make([]store.Index, len(b.Engine))
	for i, name := range b.Engine {
		engines[i] = b.spec(name)
	}
	trials, err := catalog.Try(ctx, b.Collection, engines, local.TrialOptions{K: b.K, Queries: b.Queries, Progress: s.building()})
	if err != nil {
		return err
	}
	return s.print(trials, func(w io.Writer) { printTrials(w, trials) })
}

// building shows how far the index of each engine is.
func (s *session) building() func(engine string, done, total int) {
	shows := map[string]func(done, total int){}
	return func(engine string, done, total int) {
		if shows[engine] == nil {
			shows[engine] = s.progress("build " + engine)
		}
		shows[engine](done, total)
	}
}

func printTrials(w io.Writer, all local.Trials) {
	fmt.Fprintf(w, "%s: %d vectors of %d dimensions, %d queries for %d neighbours\n", all.Collection, all.Vectors, all.Dimension, all.Queries, all.K)
	t := table(w, "ENGINE", fmt.Sprintf("RECALL@%d", all.K), "QUERIES/S", "P50", "P99", "BUILD", "BYTES/VECTOR", "MAPPED")
	for _, r := range all.Trials {
		t.row(trialName(r), fmt.Sprintf("%.4f", r.Recall), fmt.Sprintf("%.0f", r.PerSecond), brief(r.P50), brief(r.P99),
			fmt.Sprintf("%.1f s", r.Build.Seconds()), fmt.Sprintf("%.0f", r.Bytes), fmt.Sprintf("%.0f", r.Mapped))
	}
	t.flush()
}

// trialName is the engine with the parameters that it has.
func trialName(r local.Trial) string {
	var parameters []string
	for _, p := range []struct {
		name  string
		value int
	}{{"M", r.M}, {"ef_construction", r.EfConstruction}, {"ef", r.Ef}} {
		if p.value > 0 {
			parameters = append(parameters, fmt.Sprintf("%s %d", p.name, p.value))
		}
	}
	return strings.TrimSpace(r.Engine + " " + strings.Join(parameters, ", "))
}

func brief(d time.Duration) string { return d.Round(time.Microsecond).String() }

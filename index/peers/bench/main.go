// Command bench compares the engines of package index with hnswlib, FAISS and
// usearch: the same vectors, queries, k, M and efConstruction for all, in one
// run on one machine, each engine in a process of its own.
//
//	make bench-index N=100000 D=512
//
// It writes what it measured as JSON and from that docs/benchmarks/index.md
// with its plots. The drivers of the peers are built by .ci/bench-index.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"nearcase/index/peers/dataset"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// dispatch runs the driver of our own engines, exports a collection, writes the
// report of an earlier run, or, without a subcommand, measures and reports.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "driver" {
		return drive(ctx, args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "export" {
		return export(ctx, args[1:])
	}
	only := len(args) > 0 && args[0] == "report"
	if only {
		args = args[1:]
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	var failed error
	if !only {
		failed = measure(ctx, o, stderr)
	}
	if ctx.Err() != nil || !o.report {
		return failed
	}
	return errors.Join(failed, report(o, stderr))
}

// options are the harness's arguments.
type options struct {
	vectors           []int
	dim, queries      int
	datasets, engines []string
	real              []realFile
	settings          settings
	singleBuild       string
	peers, out, json  string
	resume, report    bool
	command           string
}

// realFile is a file of embeddings: float32 of dim numbers, row after row.
type realFile struct {
	name, path string
	dim        int
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{vectors: []int{100_000}, command: "bench " + strings.Join(args, " ")}
	o.settings.Ef = []int{10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512}
	o.datasets = dataset.Names()
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Func("n", "`sizes` of the made data sets, with commas (100000)", numbers(&o.vectors))
	f.IntVar(&o.dim, "dim", 512, "numbers of a made vector")
	f.IntVar(&o.queries, "queries", 1000, "queries of every data set; the last ones of a real one")
	f.IntVar(&o.settings.K, "k", 10, "neighbours asked for")
	f.IntVar(&o.settings.M, "m", 16, "links of a node")
	f.IntVar(&o.settings.EfConstruction, "ef-construction", 200, "width of the search for links")
	f.IntVar(&o.settings.Repetitions, "repetitions", 5, "timed passes over the queries")
	f.IntVar(&o.settings.Threads, "threads", runtime.NumCPU(), "cores when all are used")
	f.Func("ef", "`widths` of a search, with commas", numbers(&o.settings.Ef))
	f.Func("datasets", "made `sets`, with commas; - for none (all)", names(&o.datasets))
	f.Func("engines", "`engines` by their label, with commas (all)", names(&o.engines))
	f.Func("real", "embeddings from a file: `name=path:dim`; may be given again", o.addReal)
	f.StringVar(&o.singleBuild, "single-build", "first", "data `sets` on which building on one core is timed too: first, all or none")
	f.StringVar(&o.peers, "peers", filepath.Join("bin", "peers"), "`folder` of the peers' drivers")
	f.StringVar(&o.out, "out", filepath.Join("docs", "benchmarks"), "`folder` of index.md and its plots")
	f.StringVar(&o.json, "json", "", "`file` of the results (index.json in the folder)")
	f.BoolVar(&o.resume, "resume", false, "keep the runs that are in the file already")
	f.BoolVar(&o.report, "report", true, "write the report")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.json == "" {
		o.json = filepath.Join(o.out, "index.json")
	}
	o.command = o.withoutFolders()
	return o, o.check()
}

// withoutFolders is the command line with files named without their folders,
// which say nothing elsewhere.
func (o *options) withoutFolders() string {
	command, paths := o.command, []string{o.json, o.out, o.peers}
	for _, r := range o.real {
		paths = append(paths, r.path)
	}
	for _, path := range paths {
		if filepath.IsAbs(path) {
			command = strings.ReplaceAll(command, path, filepath.Base(path))
		}
	}
	return command
}

func (o *options) check() error {
	s := o.settings
	if slices.Min(append([]int{o.dim, o.queries, s.K, s.M, s.EfConstruction, s.Repetitions, s.Threads}, o.vectors...)) < 1 {
		return errors.New("sizes and numbers must be positive")
	}
	if slices.Min(s.Ef) < s.K {
		return fmt.Errorf("-ef: a width below k, %d, finds fewer than k", s.K)
	}
	if !slices.Contains([]string{"first", "all", "none"}, o.singleBuild) {
		return fmt.Errorf("-single-build: %q is none of first, all and none", o.singleBuild)
	}
	return nil
}

// names returns the parser of names with commas; - stands for none.
func names(to *[]string) func(string) error {
	return func(text string) error {
		*to = nil
		if text != "-" {
			*to = strings.Split(text, ",")
		}
		return nil
	}
}

func (o *options) addReal(text string) error {
	name, rest, _ := strings.Cut(text, "=")
	at := strings.LastIndex(rest, ":")
	if name == "" || at < 1 {
		return fmt.Errorf("%q is not name=path:dim", text)
	}
	dim, err := strconv.Atoi(rest[at+1:])
	o.real = append(o.real, realFile{name, rest[:at], dim})
	return err
}

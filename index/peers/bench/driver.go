package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// driverArguments are those of the protocol in ../README.md.
type driverArguments struct {
	vectors, queries, out, engine                   string
	dim, k, threads, m, efConstruction, repetitions int
	ef, searchThreads                               []int
}

func parseDriver(args []string, stderr io.Writer) (driverArguments, error) {
	a := driverArguments{ef: []int{0}, searchThreads: []int{1}}
	f := flag.NewFlagSet("driver", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&a.vectors, "vectors", "", "`file` of the base")
	f.StringVar(&a.queries, "queries", "", "`file` of the queries")
	f.StringVar(&a.out, "out", "", "`file` of the ids found")
	f.StringVar(&a.engine, "engine", "graph", "`name` of the engine in index.Spec")
	f.IntVar(&a.dim, "dim", 0, "numbers of a vector")
	f.IntVar(&a.k, "k", 10, "neighbours asked for")
	f.IntVar(&a.threads, "threads", 1, "threads that build")
	f.IntVar(&a.m, "m", 16, "links of a node")
	f.IntVar(&a.efConstruction, "ef-construction", 200, "width of the search for links")
	f.IntVar(&a.repetitions, "repetitions", 5, "timed passes over the queries")
	f.Func("ef", "`widths` of a search, with commas", numbers(&a.ef))
	f.Func("search-threads", "`threads` that search, with commas", numbers(&a.searchThreads))
	if err := f.Parse(args); err != nil {
		return a, err
	}
	if f.NArg() > 0 || a.vectors == "" || a.queries == "" || a.out == "" || a.dim < 1 {
		return a, fmt.Errorf("-vectors, -queries, -out and -dim are needed and nothing else")
	}
	return a, nil
}

// numbers returns the parser of a list with commas.
func numbers(to *[]int) func(string) error {
	return func(text string) error {
		*to = nil
		for part := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 {
				return fmt.Errorf("%q is no number", part)
			}
			*to = append(*to, n)
		}
		return nil
	}
}

// drive is the driver of our own engines: it builds, searches and prints as
// ../README.md says.
func drive(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	a, err := parseDriver(args, stderr)
	if err != nil {
		return err
	}
	base, err := mapped(a.vectors, a.dim)
	if err != nil {
		return err
	}
	defer base.close()
	print := json.NewEncoder(stdout).Encode
	o, err := fillOurs(ctx, a, base, print)
	if err != nil {
		return err
	}
	return searchAll(a, o, print)
}

// fillOurs fills an engine, which keeps copies, closes base, saves the engine,
// whose vectors are mapped from the file then, and prints what that took.
func fillOurs(ctx context.Context, a driverArguments, base *rows, print func(any) error) (ours, error) {
	runtime.GOMAXPROCS(a.threads)
	o, err := newOurs(a.engine, a.dim, a.m, a.efConstruction)
	if err != nil {
		return o, err
	}
	before := memory()
	began, used := time.Now(), processor()
	err = o.addAll(ctx, base.rows)
	seconds, had := time.Since(began).Seconds(), processor()-used
	if err != nil {
		return o, err
	}
	n, query := len(base.rows), slices.Clone(base.rows[0])
	base.close()
	file := a.out + ".index"
	defer os.Remove(file)
	saved, err := o.save(file)
	if err != nil {
		return o, err
	}
	after := memory()
	opened, err := o.open(file, query)
	if err != nil {
		return o, err
	}
	return o, print(event{
		Saved: saved, Opened: opened,
		Event: "build", Threads: a.threads, Vectors: n, Seconds: seconds, CPU: had / seconds / float64(a.threads),
		Before: before.anonymous, After: after.anonymous, FileBefore: before.file, FileAfter: after.file,
	})
}

// searchAll measures every width on every number of threads and writes the ids
// found in the order of the lines printed.
func searchAll(a driverArguments, o ours, print func(any) error) error {
	queries, err := mapped(a.queries, a.dim)
	if err != nil {
		return err
	}
	defer queries.close()
	out, err := os.Create(a.out)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, threads := range a.searchThreads {
		runtime.GOMAXPROCS(threads)
		all, err := passes(a, o, queries.rows, threads)
		if err != nil {
			return err
		}
		for i, t := range all {
			if err := print(t.event(threads, a.ef[i], len(queries.rows))); err != nil {
				return err
			}
			if err := binary.Write(out, binary.LittleEndian, t.ids); err != nil {
				return err
			}
		}
	}
	return out.Close()
}

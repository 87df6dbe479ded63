// Command nearcase is a case library for medical images.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// commands are the command line. Flags win over the environment, which wins
// over the configuration file.
type commands struct {
	globals

	Serve       serveCommand       `cmd:"" help:"Serve the HTTP API on a data directory."`
	Demo        demoCommand        `cmd:"" help:"Show everything on synthetic images, then serve them."`
	Ingest      ingestCommand      `cmd:"" help:"Store images from files, folders or a CSV with labels."`
	Similar     similarCommand     `cmd:"" help:"Find the cases most similar to an image."`
	Classify    classifyCommand    `cmd:"" help:"Classify an image by its neighbours' votes and by the probes."`
	Label       labelCommand       `cmd:"" help:"Add, correct or remove labels of a stored image."`
	Probes      probesCommand      `cmd:"" help:"List, show, retrain, roll back and compare the probes of a task."`
	Evaluate    evaluateCommand    `cmd:"" help:"Evaluate votes and probe in patient-grouped folds."`
	Review      reviewCommand      `cmd:"" help:"List probable label errors, duplicates and images worth labelling."`
	Export      exportCommand      `cmd:"" help:"Write vectors, labels and metadata for NumPy, Parquet or JSON readers."`
	Reindex     reindexCommand     `cmd:"" help:"Rebuild the index, perhaps with another engine, while the old one serves."`
	Bench       benchCommand       `cmd:"" help:"Measure models and index engines on images of yours."`
	Collections collectionsCommand `cmd:"" help:"List, show, create or drop collections."`
	Models      modelsCommand      `cmd:"" help:"List, pull, add, inspect and verify models."`
	Version     versionCommand     `cmd:"" help:"Print versions."`
}

const description = `A case library for medical images: it embeds images with a frozen network and
answers a new one with the most similar cases, the vote of their labels, and
the scores of linear probes that know every label given so far.

  nearcase demo
  nearcase ingest --collection cxr labels.csv
  nearcase classify --collection cxr image.png`

// run is the whole program: it returns the exit status, 0 for success, 1 for
// an error and 2 for wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c commands
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("nearcase"), kong.Description(description), kong.UsageOnError(),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(stderr, "nearcase:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // help was asked for and printed
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "nearcase: %v\nTry nearcase --help, or nearcase COMMAND --help.\n", err)
		return 2
	}
	if err := parsed.Run(&session{globals: c.globals, stdout: stdout, stderr: stderr}); err != nil {
		fmt.Fprintln(stderr, "nearcase:", message(err))
		return 1
	}
	return 0
}

// message is what people are told of an error.
func message(err error) string {
	return strings.ReplaceAll(err.Error(), context.Canceled.Error(), "interrupted")
}

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
	kongcompletion "github.com/jotaen/kong-completion"
)

func main() {
	os.Exit(run(untilInterrupted(), os.Args[1:], os.Stdout, os.Stderr))
}

// untilInterrupted returns a context that ends with the first interrupt, or the
// first request to end. The second ends the program at once, with the exit status
// that shells have for it.
func untilInterrupted() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		second, _ := (<-signals).(syscall.Signal)
		os.Exit(128 + int(second))
	}()
	return ctx
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
	List        listCommand        `cmd:"" help:"List stored images by a filter and in an order."`
	Delete      deleteCommand      `cmd:"" help:"Delete the images that a filter lets pass."`
	Erase       eraseCommand       `cmd:"" help:"Erase a patient for good, verify it, and show receipts of that."`
	Compact     compactCommand     `cmd:"" help:"Rewrite the store without what was deleted, so that its bytes are gone."`
	Backup      backupCommand      `cmd:"" help:"Copy all that is stored, and list and verify such backups."`
	Restore     restoreCommand     `cmd:"" help:"Make a data directory from backups, or add a collection of one."`
	Verify      verifyCommand      `cmd:"" help:"Re-read all that is stored and say what is wrong with it."`
	Bench       benchCommand       `cmd:"" help:"Measure models and index engines on images of yours."`
	Collections collectionsCommand `cmd:"" help:"List, show, create or drop collections."`
	Jobs        jobsCommand        `cmd:"" help:"List, show, await and cancel work in the background."`
	Changes     changesCommand     `cmd:"" help:"Tell what has happened after a cursor, or as it happens."`
	Webhooks    webhooksCommand    `cmd:"" help:"List, make, change and test webhooks, and send dead letters again."`
	Keys        keysCommand        `cmd:"" help:"List, make, rotate and revoke API keys."`
	Audit       auditCommand       `cmd:"" help:"Verify and show the audit log: who saw or changed what."`
	Encryption  encryptionCommand  `cmd:"" help:"Encrypt the data directory, and change its keys."`
	Models      modelsCommand      `cmd:"" help:"List, pull, add, inspect and verify models."`
	Config      configCommand      `cmd:"" help:"Print or check the configuration."`
	Doctor      doctorCommand      `cmd:"" help:"Check machine, models, data directory and network, and say what to do."`
	Health      healthCommand      `cmd:"" help:"Ask a server whether it is ready."`
	Version     versionCommand     `cmd:"" help:"Print versions."`
	Completion  completion         `cmd:"" help:"Let a shell complete commands and flags: bash, zsh or fish."`
	Man         manCommand         `cmd:"" help:"Write the manual page."`
}

// completion prints what makes a shell ask the program itself to complete a line.
type completion = kongcompletion.Completion

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
	completed := false
	kongcompletion.Register(parser, kongcompletion.WithExitFunc(func(int) { completed = true }))
	if completed {
		return 0
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

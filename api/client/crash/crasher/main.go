// Command crasher kills a server of its own again and again under the load of many
// clients, and checks each time that it has what it acknowledged: see package crash.
// It ends at the first violation with how to repeat it, and keeps the data then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"nearcase/api/client/crash"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crasher:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	crash.Options
	small int64 // bytes of a file system in memory; 0 for none
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("crasher", flag.ContinueOnError)
	f.StringVar(&o.Program, "program", "bin/nearcase", "the server's program")
	f.StringVar(&o.Data, "data", "", "an empty folder for the data, which is kept; one of its own that is removed, if not given")
	f.Uint64Var(&o.Seed, "seed", 0, "what decides; 0 draws one")
	f.IntVar(&o.Kills, "kills", 0, "end after so many kills")
	f.DurationVar(&o.For, "for", 0, "end after so long; with -kills after both")
	f.IntVar(&o.Clients, "clients", 0, "clients at once; 0 for 8")
	f.IntVar(&o.Live, "live", 0, "instances that each keeps; 0 for 80")
	f.IntVar(&o.Every, "every", 0, "kills between comparisons with a store never killed; 0 for 25")
	f.Int64Var(&o.small, "small", 0, "mount a file system in memory of so many bytes for the data, and fill it at times (Linux, as root)")
	if err = f.Parse(args); err == nil && f.NArg() > 0 {
		err = errors.New("give flags alone")
	}
	if o.Kills == 0 && o.For == 0 {
		o.For = 2 * time.Minute
	}
	if o.AtLeast = true; o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	return o, err
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	made := o.Data == ""
	if made {
		if o.Data, err = os.MkdirTemp("", "crasher"); err != nil {
			return err
		}
	}
	if o.Program, err = filepath.Abs(o.Program); err != nil {
		return err
	}
	unmount := func() error { return nil }
	if o.Full = o.small; o.small > 0 {
		if unmount, err = mount(o.Data, o.small); err != nil {
			return err
		}
	}
	o.Log = out
	fmt.Fprintf(out, "seed %d, data in %s\n", o.Seed, o.Data)
	report, err := crash.Run(ctx, o.Options)
	lost := 0
	if errors.Is(err, crash.ErrViolated) {
		lost = 1
	}
	report.Print(out, lost)
	if err != nil {
		return fmt.Errorf("%w\nreproduce: go run ./api/client/crash/crasher %s -seed %d; the data is kept in %s", err, strings.Join(args, " "), o.Seed, o.Data)
	}
	if err := unmount(); err != nil || !made {
		return err
	}
	return os.RemoveAll(o.Data)
}

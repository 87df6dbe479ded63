// Command load asks a running server as many clients at once would, and reports
// how long its answers take, which of them are errors, and how its memory is
// meanwhile. It is for a server of its own, in whose collection it stores, replaces
// and labels synthetic images; their number does not grow, so that memory should
// not either. As a soak it deletes, reindexes and compacts too, samples all that may
// leak, and fails where that grows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// options are the command line, and the API key of NEARCASE_KEY.
type options struct {
	server, key, collection, model string
	clients, images, pid           int
	duration                       time.Duration
	growth                         float64
	soak                           soak
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&o.server, "server", "http://127.0.0.1:8417", "base URL of the server")
	f.StringVar(&o.collection, "collection", "load", "collection to make and use")
	f.StringVar(&o.model, "model", "scatter", "its model")
	f.IntVar(&o.clients, "clients", 64, "clients at once")
	f.IntVar(&o.images, "images", 1000, "images that are stored and replaced")
	f.IntVar(&o.pid, "pid", 0, "process of the server, whose memory is sampled; 0 for none")
	f.DurationVar(&o.duration, "duration", 5*time.Minute, "how long")
	f.Float64Var(&o.growth, "growth", 1.2, "how much of its memory the server may have at the end, as a multiple")
	f.StringVar(&o.soak.admin, "admin", "", "base URL of the server's admin listener: makes it a soak")
	f.StringVar(&o.soak.data, "data", "", "data directory of the server, whose size a soak samples")
	f.StringVar(&o.soak.out, "out", "", "folder for a soak's samples and plot; none if not given")
	f.DurationVar(&o.soak.every, "every", 10*time.Second, "time between a soak's samples")
	err, o.key = f.Parse(args), os.Getenv("NEARCASE_KEY")
	if err == nil && (f.NArg() > 0 || o.clients < 1 || o.images < 2) {
		err = errors.New("give flags alone, with at least 1 client and 2 images")
	}
	return o, err
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	w := newWorkload(o)
	defer w.http.CloseIdleConnections()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if o.soak.admin != "" {
		return w.keepOn(ctx, out)
	}
	m := newMemory(o.pid)
	ended := m.watch(ctx, o.duration)
	w.work(ctx, o.duration)
	<-ended
	w.print(out, o.duration)
	m.print(out)
	return errors.Join(ctx.Err(), w.verdict(), m.verdict(o.growth))
}

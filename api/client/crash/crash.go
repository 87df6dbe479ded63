// Package crash kills a real server at random moments under the load of many
// clients, starts it again on the same data, and holds what it has then to what
// it acknowledged.
//
// What the clients have been told is kept in a model in memory. A request that was
// answered is in the store; one that got no answer has happened or has not, wholly;
// and nothing else has. The answers of the store are those of a store that was
// never killed and was given what the model says.
package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// ErrViolated is what a server did that it must not.
var ErrViolated = errors.New("the promise is broken")

// Options of Run. Program is required.
type Options struct {
	// Program is the server's, Environment what it gets beside that of this process.
	Program     string
	Environment []string
	// Data is an empty folder, which has the data directories of both servers.
	Data string
	// Seed decides what the clients ask, and when and how the server is killed. It
	// replays the same decisions; what the server was at in the moment of a kill is
	// up to the machine.
	Seed uint64
	// Kills end the run, or For, whichever is first; 0 is no bound. It goes on until
	// both are reached if AtLeast is set.
	Kills   int
	For     time.Duration
	AtLeast bool
	// Clients at once, each of which keeps about Live instances; 0 means 8 and 80.
	Clients, Live int
	// Every so many kills all is compared with a store that was never killed; 0
	// means 25.
	Every int
	// Full is how many bytes the file system of Data may be filled with before a
	// kill; 0 fills none.
	Full int64
	// Log gets a line for each kill.
	Log io.Writer
}

func (o Options) withDefaults() Options {
	for _, n := range []struct {
		field *int
		value int
	}{{&o.Clients, 8}, {&o.Live, 80}, {&o.Every, 25}} {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	return o
}

// run is one call of Run.
type run struct {
	Options
	*Report
	random  *rand.Rand // of the kills
	server  *server
	twin    *twin
	model   *model
	clients []*worker
	follow  *follower
	began   time.Time
}

// Run kills and checks until it has done so as often as it is to, or the first
// violation, which is ErrViolated. The report has what was found until then.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &run{Options: o.withDefaults(), Report: newReport(), random: rand.New(rand.NewPCG(o.Seed, 0)), began: time.Now()}
	r.model, r.follow = newModel(), newFollower()
	err := r.run(ctx)
	r.Report.took = time.Since(r.began)
	return r.Report, err
}

func (r *run) run(ctx context.Context) (err error) {
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.twin.end(), r.server.end()) }()
	for !r.isOver() && ctx.Err() == nil {
		if err := r.cycle(ctx); err != nil {
			return fmt.Errorf("kill %d: %w", r.kills, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.compare(ctx, true)
}

// isOver reports whether it was done often and long enough.
func (r *run) isOver() bool {
	often := r.Kills > 0 && r.kills >= r.Kills
	long := r.For > 0 && time.Since(r.began) >= r.For
	if r.AtLeast {
		return (often || r.Kills == 0) && (long || r.For == 0)
	}
	return often || long
}

// begin starts both servers and makes the collection.
func (r *run) begin(ctx context.Context) error {
	environment := append(r.Environment, settings(r.Data)...)
	if err := writeKey(r.Data); err != nil {
		return err
	}
	r.server = &server{program: r.Program, environment: environment, data: filepath.Join(r.Data, "killed")}
	r.twin = &twin{server: &server{program: r.Program, environment: environment, data: filepath.Join(r.Data, "unharmed")}}
	err := r.twin.begin(ctx, r.model)
	if err == nil {
		_, err = r.server.start(ctx)
	}
	if err == nil {
		err = makeCollection(ctx, r.server.client, r.random)
	}
	if err != nil {
		return errors.Join(err, r.twin.end(), r.server.end())
	}
	for n := range r.Clients {
		r.clients = append(r.clients, newWorker(r, n))
	}
	return nil
}

// cycle lets the clients work until the server is killed, starts it again, and
// checks what it has.
func (r *run) cycle(ctx context.Context) error {
	way, began := r.drawWay(), time.Now()
	if err := r.work(ctx, way); err != nil {
		return err
	}
	worked := time.Since(began)
	took, err := r.restart(ctx)
	if err != nil {
		return err
	}
	began = time.Now()
	if err := r.check(ctx); err != nil {
		return err
	}
	r.killed(way.name, took)
	fmt.Fprintf(r.Log, "%s kill %d (%s) after %s: ready in %s, checked %d instances and %d labels in %s; %s\n",
		time.Since(r.began).Round(time.Second), r.kills, way.name, worked.Round(time.Millisecond), took.Round(time.Millisecond),
		r.model.count(), r.model.labels(), time.Since(began).Round(time.Millisecond), r.acknowledged())
	if r.kills%r.Every == 0 {
		return r.compare(ctx, false)
	}
	return nil
}

package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/cmd/nearcase/phantom"
	"nearcase/store"
)

// What the clients work with.
const collection = "crash"

var (
	classes = []string{phantom.Clear, phantom.Haze, phantom.Nodules}
	finding = store.Task{Name: phantom.Finding, Classes: classes}
	devices = store.Task{Name: phantom.Devices, Multi: true, Classes: []string{phantom.Line, phantom.Pacemaker}}
	tasks   = []store.Task{finding, devices}
	readers = []string{"", "anna", "bert", "carl"}
)

// makeCollection makes the collection on a server, with an engine that is drawn.
func makeCollection(ctx context.Context, c *client.Client, r *rand.Rand) error {
	_, err := c.Create(ctx, api.NewCollection{
		Name: collection, Model: "scatter", Tasks: tasks, Index: store.Index{Engine: []string{"exact", "graph", "auto"}[r.IntN(3)]},
	})
	return err
}

// phase is the time from a start of the server to its end.
type phase struct {
	stopped atomic.Bool
	// troubled tells that refusals are to be expected.
	troubled atomic.Bool
	begun    atomic.Int64
	target   int64
	reached  chan struct{}
	alone    int64 // when the operator asks for something
	operate  chan struct{}
}

// begin counts a request that begins.
func (p *phase) begin() {
	n := p.begun.Add(1)
	if n == p.alone {
		close(p.operate)
	}
	if n == p.target {
		close(p.reached)
	}
}

// way is how a server is killed.
type way struct {
	name string
	end  func(*run, *phase, time.Duration) error
}

var ways = []struct {
	way
	weight int
}{
	{way{"killed", (*run).kill}, 60},
	{way{"stopped, killed", (*run).stopAndKill}, 12},
	{way{"stopped, continued, killed", (*run).stopAndContinue}, 12},
	{way{"terminated", (*run).terminate}, 16},
}

var full = way{"disk full, killed", (*run).fillAndKill}

func (r *run) drawWay() way {
	if r.Full > 0 && r.random.IntN(8) == 0 {
		return full
	}
	n := r.random.IntN(100)
	for _, w := range ways {
		if n -= w.weight; n < 0 {
			return w.way
		}
	}
	return ways[0].way
}

// toAnswer is how long a server may answer none of its clients.
const toAnswer = 3 * time.Minute

// work lets the clients and the operator ask until the server has been killed.
func (r *run) work(ctx context.Context, how way) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p := &phase{target: 40 + r.random.Int64N(560), reached: make(chan struct{}), operate: make(chan struct{})}
	p.alone = 1 + r.random.Int64N(p.target)
	operation, pause := r.drawOperation(), time.Duration(r.random.Int64N(int64(40*time.Millisecond)))
	var group sync.WaitGroup
	for _, w := range r.clients {
		group.Go(func() {
			if err := w.work(ctx, p); err != nil {
				stop(err)
			}
		})
	}
	group.Go(func() {
		if err := r.operate(ctx, p, operation); err != nil {
			stop(err)
		}
	})
	err := r.await(ctx, p)
	if err == nil {
		err = how.end(r, p, pause)
	}
	p.stopped.Store(true)
	if err != nil {
		stop(err)
	}
	group.Wait()
	return context.Cause(ctx)
}

// await returns when so much was asked that the server is to be killed.
func (r *run) await(ctx context.Context, p *phase) error {
	for {
		begun := p.begun.Load()
		select {
		case <-p.reached:
			return nil
		case <-r.server.ended:
			return fmt.Errorf("%w: the server has ended by itself\n%s", ErrViolated, r.server.told.text())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(toAnswer):
			if p.begun.Load() == begun {
				return fmt.Errorf("%w: the server hangs: it has answered nothing for %s, after %d of %d requests", ErrViolated, toAnswer, begun, p.target)
			}
		}
	}
}

func (r *run) kill(_ *phase, pause time.Duration) error {
	time.Sleep(pause)
	return r.server.kill()
}

func (r *run) stopAndKill(_ *phase, pause time.Duration) error {
	err := r.server.signal(syscall.SIGSTOP)
	time.Sleep(10 * pause)
	return errors.Join(err, r.server.kill())
}

func (r *run) stopAndContinue(_ *phase, pause time.Duration) error {
	err := r.server.signal(syscall.SIGSTOP)
	time.Sleep(10 * pause)
	err = errors.Join(err, r.server.signal(syscall.SIGCONT))
	time.Sleep(pause)
	return errors.Join(err, r.server.kill())
}

func (r *run) terminate(p *phase, pause time.Duration) error {
	p.troubled.Store(true)
	time.Sleep(pause)
	return r.server.end()
}

// fillAndKill leaves the server without room on the disk for a while.
func (r *run) fillAndKill(p *phase, pause time.Duration) error {
	p.troubled.Store(true)
	name := filepath.Join(r.Data, "filler")
	if err := fill(name, r.Full); err != nil {
		return err
	}
	time.Sleep(20 * pause)
	return errors.Join(r.server.kill(), os.Remove(name))
}

// fill writes until there is no room, or so many bytes.
func fill(name string, most int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	chunk := make([]byte, 64<<10)
	for written := int64(0); written < most; written += int64(len(chunk)) {
		if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// restart starts the server, which is sometimes killed while it opens, and returns
// how long it took at last.
func (r *run) restart(ctx context.Context) (time.Duration, error) {
	for r.random.IntN(8) == 0 {
		pause := time.Duration(r.random.Int64N(int64(150 * time.Millisecond)))
		if err := r.server.launch(); err != nil {
			return 0, err
		}
		time.Sleep(pause)
		if err := r.server.kill(); err != nil {
			return 0, err
		}
		r.killed("killed while opening", 0)
	}
	return r.server.start(ctx)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"nearcase/api"
	"nearcase/api/observe"
	"nearcase/api/rest"
	"nearcase/store/local"
)

// running is a server in a run of the program.
type running struct {
	s        *session
	c        config
	logger   *slog.Logger
	recorder *observe.Recorder
	server   *rest.Server
	service  atomic.Pointer[api.Service]     // nil until the data directory is open
	models   atomic.Pointer[rest.Check]      // how they are
	limited  atomic.Pointer[limitedListener] // nil before it listens
	loading  atomic.Pointer[loading]         // nil before and after
}

// loading is the collection that is being opened, and how far that is.
type loading struct {
	collection  string
	entries, of int
	told        time.Time // when the log was told last
}

// tellLoading is the log's interval, for a long start.
const tellLoading = 10 * time.Second

// load notes how far the opening is.
func (r *running) load(collection string, entries, of int) {
	is := &loading{collection, entries, of, time.Now()}
	if was := r.loading.Load(); was != nil && time.Since(was.told) < tellLoading {
		is.told = was.told
	} else if was != nil {
		r.logger.Info("opening", "collection", collection, "entries", entries, "of", of)
	}
	r.loading.Store(is)
}

// String says which collection is being opened, and how far that is; of none it is empty.
func (l *loading) String() string {
	switch {
	case l == nil:
		return ""
	case l.of == 0:
		return "collection " + l.collection
	}
	return fmt.Sprintf("collection %s, %s of %s entries", l.collection, thousands(l.entries), thousands(l.of))
}

// lastTraces is how long the end waits for what observes the server.
const lastTraces = 5 * time.Second

// newRunning returns a server that is not open yet, and lets the session be
// observed.
func (s *session) newRunning(c config) (*running, error) {
	access, err := c.access()
	if err != nil {
		return nil, err
	}
	v := currentVersions()
	r := &running{s: s, c: c, logger: s.logger(c)}
	r.recorder, err = observe.Open(observe.Options{
		Version: v.Version, Commit: v.Commit, Go: v.Go, Endpoint: c.Tracing.Endpoint, Ratio: c.Tracing.Ratio,
		RecallEvery: c.Metrics.RecallEvery, Logger: r.logger,
	})
	if err != nil {
		return nil, err
	}
	s.begin, s.loading = r.recorder.Begin, r.load
	r.models.Store(&rest.Check{Name: "models", State: "loading", Fails: true})
	o := rest.Options{
		MaxBody: c.Limits.RequestBytes, MaxImageBytes: c.Limits.ImageBytes, MaxFiles: c.Limits.RequestImages,
		Crowded: func() bool { l := r.limited.Load(); return l != nil && l.isCrowded() },
		Logger:  r.logger, Version: v, Observe: r.observe, Checks: r.checks, Loading: func() string { return r.loading.Load().String() },
		Hosts: c.Hosts, Timeout: c.Limits.RequestTime, Access: access,
	}
	if c.Metrics.Public {
		o.Metrics = r.recorder.Metrics()
	}
	r.server = rest.New(nil, o)
	return r, nil
}

func (r *running) observe(q *http.Request, id string) (context.Context, func(rest.Ended)) {
	ctx, end := r.recorder.Request(q, id)
	return ctx, func(e rest.Ended) { end(observe.Request(e)) }
}

// run listens, opens what is to be served, and serves it until the context ends.
// ready, if set, is told the base URL once requests are welcome.
func (r *running) run(ctx context.Context, open opener, ready func(url string)) error {
	r.c.Limits.bound()
	listener, err := r.listen(r.c.Listen)
	if err != nil {
		return errors.Join(err, r.close(nil)())
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	var active sync.WaitGroup
	active.Go(func() { r.tellEnd(ctx, background) })
	active.Go(func() { r.obey(background) })
	err = r.serveAdmin(background, &active)
	r.logger.Info("listening", "address", listener.Addr().String(), "connections", r.c.connections())
	r.tellDescriptors()
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(ctx, listener) }()
	done := r.close(nil)
	if err == nil {
		done, err = r.open(ctx, open)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // it was ended meanwhile, as it was told to
		err = nil
	}
	if r.service.Load() == nil {
		stop()
	} else {
		active.Go(func() { r.warm(ctx) })
		if l, ok := r.service.Load().Catalog.(*local.Catalog); ok {
			active.Go(func() { r.keepHouse(ctx, l) })
		}
		url := r.c.scheme() + listener.Addr().String()
		r.logger.Info("serving", "url", url, "data", r.c.Data)
		if ready != nil {
			ready(url)
		}
	}
	err = errors.Join(err, <-served)
	stop()
	end()
	active.Wait()
	r.logger.Info("stopped")
	return errors.Join(err, done())
}

// tellEnd tells the log that the end is asked for, unless all has ended before.
func (r *running) tellEnd(ctx, background context.Context) {
	select {
	case <-ctx.Done():
		r.logger.Info("stopping: requests under way are finished")
	case <-background.Done():
	}
}

// scheme begins the URL of the API.
func (c config) scheme() string {
	if c.TLS.Certificate != "" {
		return "https://"
	}
	return "http://"
}

func (r *running) listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	limited := limitListener(l, r.c.connections())
	r.limited.CompareAndSwap(nil, limited)
	return limited, nil
}

// opener opens what is served, and returns what closes it.
type opener func() (*api.Service, func() error, error)

// open opens what is served and answers for it. What it returns ends all of it,
// whatever came of it.
func (r *running) open(ctx context.Context, open opener) (done func() error, err error) {
	service, closing, err := open()
	done = r.close(closing)
	if err != nil {
		return done, err
	}
	w := observe.Watched{Service: service}
	if l, ok := service.Catalog.(*local.Catalog); ok {
		w.Writing, w.Disk, w.Store = l.Waiting, r.disk(l), func() observe.Store {
			room := l.Room()
			return observe.Store{Floor: room.Floor, Ballast: room.Ballast, Refused: room.Refused, Reopened: l.Reopened(), Compactions: l.Compactions()}
		}
	}
	g, err := r.c.openGuards(ctx, service.Catalog)
	done = r.close(func() error { return errors.Join(g.close(), closing()) })
	if err != nil {
		return done, err
	}
	if lost := g.ring.Damaged(); lost != nil {
		r.logger.Error("API keys cannot be read: who has one of them is refused", "error", lost)
	}
	if err := errors.Join(r.recorder.Watch(w), r.server.Open(service, g.ring, g.log), service.Resume(ctx)); err != nil {
		return done, err
	}
	r.service.Store(service)
	return done, nil
}

// close returns what ends the observation, and then what is observed.
func (r *running) close(done func() error) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
		defer cancel()
		err := r.recorder.Close(ctx)
		if done != nil {
			err = errors.Join(err, done())
		}
		return err
	}
}

// disk measures a data directory for the metrics.
func (r *running) disk(l *local.Catalog) func(context.Context) (map[string]int64, int64, error) {
	return func(ctx context.Context) (map[string]int64, int64, error) {
		u, err := l.Usage(ctx)
		on, unknown := diskOf(r.c.Data)
		return map[string]int64{"log": u.Log, "originals": u.Originals, "index": u.Index, "derived": u.Derived, "other": u.Other}, on.free, errors.Join(err, unknown)
	}
}

// serveAdmin serves the admin listener, if there is to be one.
func (r *running) serveAdmin(ctx context.Context, active *sync.WaitGroup) error {
	if r.c.Admin.Listen == "" {
		return nil
	}
	if err := rest.CheckListen(r.c.Admin.Listen); err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	listener, err := r.listen(r.c.Admin.Listen)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	r.logger.Info("listening for those who operate the server", "address", listener.Addr().String())
	active.Go(func() {
		if err := r.server.ServeAdmin(ctx, listener, r.recorder.Metrics()); err != nil {
			r.logger.Error("the admin listener failed", "error", err)
		}
	})
	return nil
}

// warm opens the models of all collections, for which requests wait meanwhile.
func (r *running) warm(ctx context.Context) {
	if is := warm(ctx, r.service.Load(), r.logger); ctx.Err() == nil {
		r.models.Store(&rest.Check{Name: "models", State: is})
	}
}

// warm opens the models of all collections, tells the log, and returns how they
// are.
func warm(ctx context.Context, service *api.Service, logger *slog.Logger) string {
	err := service.Warm(ctx)
	switch {
	case ctx.Err() != nil:
		return "interrupted"
	case err != nil:
		logger.Warn("a model cannot be used", "error", err)
		return "degraded: a model cannot be used, see the log"
	}
	logger.Info("models are ready")
	return "ok"
}

// checks are how what the server rests on is.
func (r *running) checks(ctx context.Context) []rest.Check {
	all := []rest.Check{*r.models.Load()}
	if service := r.service.Load(); service != nil {
		all = append(all, rest.Check{Name: "index", State: indexes(ctx, service)}, rest.Check{Name: "log", State: damages(ctx, service)})
		if is := service.BackupState(ctx, time.Now()); is != "" {
			all = append(all, rest.Check{Name: "backup", State: is})
		}
		if is := service.VerifyState(ctx, time.Now()); is != "" {
			all = append(all, rest.Check{Name: "verification", State: is})
		}
	}
	if on, err := diskOf(r.c.Data); err == nil {
		is := rest.Check{Name: "disk", State: "ok"}
		if on.free < r.c.Limits.DiskFreeBytes {
			is.State = fmt.Sprintf("degraded: %s are free", bytesText(on.free))
		}
		all = append(all, is)
	}
	return all
}

// damages is how the log is.
func damages(ctx context.Context, service *api.Service) string {
	lost, err := service.Catalog.Damages(ctx)
	switch {
	case err != nil:
		return "degraded: not known"
	case len(lost) > 0:
		return fmt.Sprintf("degraded: %d entries are lost, see nearcase verify", len(lost))
	}
	return "ok"
}

// indexes is how the collections' indexes are.
func indexes(ctx context.Context, service *api.Service) string {
	collections, err := service.Collections(ctx)
	if err != nil {
		return "degraded: not known"
	}
	for _, c := range collections {
		if !c.Index.IsAuto() && c.Status.Engine != c.Index.Engine {
			return "degraded: one is being built, and exact scans answer"
		}
	}
	return "ok"
}

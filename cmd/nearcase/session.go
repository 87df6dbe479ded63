package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/api/observe"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/probe"
	"nearcase/store"
	"nearcase/store/local"
)

// globals are the flags that every command has.
type globals struct {
	Config      string `help:"Configuration file (see config.example.yaml)." placeholder:"FILE" env:"NEARCASE_CONFIG"`
	Data        string `help:"Data directory (default: nearcase-data)." placeholder:"DIR" xor:"where"`
	Server      string `help:"Work on a running server instead of a data directory." placeholder:"URL" xor:"where"`
	KeyFile     string `help:"File with the API key for --server (default: the key in NEARCASE_KEY)." placeholder:"FILE" env:"NEARCASE_KEY_FILE"`
	ModelsDir   string `name:"models-dir" help:"Folder with a folder for each model (default: models)." placeholder:"DIR"`
	Onnxruntime string `help:"Path of the ONNX Runtime library." placeholder:"FILE"`
	JSON        bool   `name:"json" help:"Print JSON."`
	Quiet       bool   `short:"q" help:"No progress bars."`
}

// session is one run of the program: its flags and its streams.
type session struct {
	globals
	stdout, stderr io.Writer
	measuring      *measuring // nil unless it will work for long
	serves         bool       // it goes on until it is told to end
	// ending, if set, ends the opening of a data directory.
	ending context.Context
	// loading, if set, is told which collection is being opened, and how many of its
	// log entries have been read.
	loading func(collection string, entries, of int)
	// begin, if set, is told of the stages of the work.
	begin func(ctx context.Context, stage string) (context.Context, func(error))
	level slog.LevelVar
	log   *slog.Logger // nil until it is asked for
}

// operations are what both a data directory and a server can do.
type operations interface {
	Create(context.Context, api.NewCollection) (api.Collection, error)
	Collection(ctx context.Context, name string) (api.Collection, error)
	Collections(context.Context) ([]api.Collection, error)
	Declare(ctx context.Context, collection string, tasks []store.Task) (api.Collection, error)
	Drop(ctx context.Context, collection string) error
	ListModels(context.Context) ([]api.ModelInfo, error)
	Ingest(ctx context.Context, collection string, images iter.Seq[api.Image], o api.IngestOptions) iter.Seq2[api.Item, error]
	List(ctx context.Context, collection string, o api.ListOptions) (api.Page, error)
	Sweep(ctx context.Context, collection string, o api.SweepOptions, progress func(done, total int)) (api.Swept, error)
	Label(ctx context.Context, collection string, labels []api.LabelRequest) (api.Labelled, error)
	History(ctx context.Context, collection, id string) ([]api.LabelEntry, error)
	Settings(ctx context.Context, collection, task string) (store.Settings, error)
	Configure(ctx context.Context, collection, task string, settings store.Settings) error
	Similar(ctx context.Context, collection string, q api.Query) (api.Similar, error)
	Classify(ctx context.Context, collection string, q api.Query) (api.Classification, error)
	Probes(ctx context.Context, collection string) ([]api.ProbeInfo, error)
	Probe(ctx context.Context, collection, task string, version store.Key) (api.ProbeVersion, error)
	Retrain(ctx context.Context, collection, task string, progress func(done, total int)) (api.ProbeVersion, error)
	Rollback(ctx context.Context, collection, task string, version store.Key) (api.ProbeInfo, error)
	Compare(ctx context.Context, collection, task string, a, b store.Key) (api.Comparison, error)
	Evaluate(ctx context.Context, collection string, o api.EvaluateOptions, progress func(done, total int)) (api.Evaluation, error)
	Review(ctx context.Context, collection string, o api.ReviewOptions, progress func(done, total int)) (api.Review, error)
	Export(ctx context.Context, collection string, o api.ExportOptions, w io.Writer, progress func(done, total int)) (api.Exported, error)
	Reembed(ctx context.Context, collection string, o api.ReembedOptions, progress func(done, total int)) (api.Reembedding, error)
	Reembedding(ctx context.Context, collection, model string) (api.Reembedding, error)
	SwitchModel(ctx context.Context, collection string, o api.SwitchOptions, progress func(done, total int)) (api.Reembedding, error)
	DropReembedding(ctx context.Context, collection string) error
	AgreementPage(ctx context.Context, collection, task string, w io.Writer) error
	Reindex(ctx context.Context, collection string, to store.Reindexing, progress func(done, total int)) (store.Reindexed, error)
	Amend(ctx context.Context, collection string, a store.Amendment) (api.Collection, error)
	Statistics(ctx context.Context, collection string) (store.Statistics, error)
	Erase(ctx context.Context, collection, patient string, progress func(done, total int)) (api.Receipt, error)
	Receipts(ctx context.Context) ([]api.Receipt, error)
	Receipt(ctx context.Context, id string) (api.Receipt, error)
	Compact(ctx context.Context, progress func(done, total int)) (store.Compacted, error)
	Verify(ctx context.Context, o api.VerifyOptions, progress func(done, total int)) (api.Verified, error)
	backers
	events
}

var (
	_ operations = (*api.Service)(nil)
	_ operations = (*client.Client)(nil)
)

// configuration is the file's and the environment's with the flags on top.
func (s *session) configuration() (config, error) {
	c, err := loadConfig(s.Config)
	c.Data = cmp.Or(s.Data, c.Data)
	c.Models = cmp.Or(s.ModelsDir, c.Models)
	c.ONNXRuntime = cmp.Or(s.Onnxruntime, c.ONNXRuntime)
	return c, err
}

// access says whether a command may make a new data directory.
type access bool

const (
	existing access = true
	orNew    access = false
)

// open opens the data directory or connects to the server.
func (s *session) open(a access) (operations, config, func() error, error) {
	c, err := s.configuration()
	if err != nil {
		return nil, c, nil, err
	}
	if s.Server != "" {
		o, err := s.connect()
		if err != nil {
			return nil, c, nil, err
		}
		return o, c, o.Close, nil
	}
	o, done, err := s.openLocal(c.calm(), a)
	return o, c, done, err
}

// connect returns a client of the server, with the API key that there is for it.
// A key is not sent in the clear.
func (s *session) connect() (*client.Client, error) {
	key := os.Getenv("NEARCASE_KEY")
	if s.KeyFile != "" {
		text, err := os.ReadFile(s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("API key: %w", err)
		}
		key = strings.TrimSpace(string(text))
	}
	u, err := url.Parse(s.Server)
	if key != "" && err == nil && u.Scheme == "http" && rest.CheckListen(net.JoinHostPort(u.Hostname(), "0")) != nil {
		return nil, fmt.Errorf("an API key would be sent to %s in the clear: use https", u.Redacted())
	}
	return client.New(s.Server, client.Options{Key: key})
}

// openLocal opens the data directory for a service.
func (s *session) openLocal(c config, a access) (*api.Service, func() error, error) {
	catalog, err := s.openCatalog(c, a)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.privacy(context.Background(), catalog)
	if err != nil {
		return nil, nil, errors.Join(err, catalog.Close())
	}
	m := models{config: c, measuring: s.measuring, refit: c.Probes.refit(s.serves), logger: s.logger(c), begin: s.begin}
	m.refit.Progress = s.progress("refit probes")
	service := newService(m, catalog, p)
	return service, func() error { return errors.Join(service.Close(), catalog.Close()) }, nil
}

// openCatalog opens the data directory.
func (s *session) openCatalog(c config, a access) (*local.Catalog, error) {
	key, err := c.Encryption.key()
	if err != nil {
		return nil, err
	}
	catalog, err := local.Open(c.Data, local.Options{
		MustExist: bool(a), Progress: s.opening(), Logger: s.logger(c), Context: s.ending, Begin: s.begin, Key: key,
		Space: c.space(), Memory: c.Store.MemoryBytes,
	})
	if errors.Is(err, os.ErrNotExist) && a == existing {
		return nil, fmt.Errorf("no data directory at %s: name one with --data, or make it with nearcase ingest", c.Data)
	}
	return catalog, err
}

func newService(m models, catalog store.Catalog, p api.Privacy) *api.Service {
	c := m.config
	return api.New(api.Options{
		Catalog: catalog, OpenModel: m.open, Models: m.list,
		Frames: api.Frames{Which: c.Frames.Which, Sample: c.Frames.Sample}, Privacy: p, Folders: c.Folders.byName(),
		Limits:  embed.Limits{Bytes: c.Limits.ImageBytes, Pixels: c.Limits.ImagePixels, Frames: c.Limits.ImageFrames},
		Workers: c.Workers, Batch: c.Batch, Neighbours: c.Votes.Neighbours,
		Weighting:         probe.Weighting{Kind: c.Votes.Weighting, Temperature: c.Votes.Temperature},
		SeveralPerPatient: !c.Votes.OnePerPatient, Refit: m.refit, Logger: m.logger, Begin: m.begin, Version: currentVersions().String(),
		Backups: c.Backup.backups(), VerifyEvery: c.Maintenance.VerifyEvery, Index: c.Index.spec(), Quiet: c.Studies.Quiet, Networks: c.Webhooks.networks(),
	})
}

// with opens, works and closes.
func (s *session) with(a access, work func(operations, config) error) error {
	o, c, done, err := s.open(a)
	if err != nil {
		return err
	}
	return errors.Join(work(o, c), done())
}

// print writes a value as JSON, or as text for people.
func (s *session) print(v any, text func(io.Writer)) error {
	if !s.JSON {
		text(s.stdout)
		return nil
	}
	e := json.NewEncoder(s.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// isTerminal reports whether people watch a stream.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress returns a function that shows how far work is, where people look.
// It may be called from several goroutines.
func (s *session) progress(what string) func(done, total int) {
	if s.Quiet || s.JSON || !isTerminal(s.stderr) {
		return func(int, int) {}
	}
	var mu sync.Mutex
	var bar *progressbar.ProgressBar
	return func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if bar == nil {
			bar = progressbar.NewOptions(total, progressbar.OptionSetDescription(what),
				progressbar.OptionSetWriter(s.stderr), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
		}
		_ = bar.Set(done)
	}
}

// opening returns what is told how far the opening of a data directory is: it shows
// that of a long one where people look.
func (s *session) opening() func(collection string, entries, of int) {
	shown, told := !s.Quiet && isTerminal(s.stderr), time.Now()
	return func(collection string, entries, of int) {
		if s.loading != nil {
			s.loading(collection, entries, of)
		}
		if shown && time.Since(told) > time.Second {
			told = time.Now()
			fmt.Fprintf(s.stderr, "opening collection %s: %s of %s entries\n", collection, thousands(entries), thousands(of))
		}
	}
}

// thousands is a count as people read it: 40,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0 && n > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// logger is the log of this run. Its level can be changed, and it knows the
// requests that it is told of.
func (s *session) logger(c config) *slog.Logger {
	if s.log == nil {
		_ = s.level.UnmarshalText([]byte(c.Log.Level)) // checked by config.check
		s.log = newLogger(c.Log.Format, s.stderr, &s.level)
	}
	return s.log
}

func newLogger(format string, w io.Writer, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(observe.Handler(slog.NewJSONHandler(w, o)))
	}
	return slog.New(observe.Handler(slog.NewTextHandler(w, o)))
}

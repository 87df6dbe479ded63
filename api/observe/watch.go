package observe

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nearcase/api"
)

// Watched is what a recorder looks at by itself.
type Watched struct {
	Service *api.Service
	// Writing, if set, is how many changes wait to be committed.
	Writing func() int
	// Disk, if set, returns what each part of the data directory takes, and what is
	// left. It may take long.
	Disk func(ctx context.Context) (parts map[string]int64, free int64, err error)
	// Store, if set, says how the store stands.
	Store func() Store
}

// Watch adds the metrics of a service, which must be open until Close has
// returned. It is called once.
func (r *Recorder) Watch(w Watched) error {
	if err := r.registry.Register(watched{w}); err != nil {
		return err
	}
	r.active.Go(func() { r.sample(w) })
	return nil
}

// watched are the metrics that are read from a service when they are asked for.
type watched struct{ Watched }

// scrapeTimeout bounds how long they are read.
const scrapeTimeout = 10 * time.Second

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	turns     = describe("embed_turns", "How many may use the processor at the same time to embed.")
	taken     = describe("embed_turns_taken", "How many do.")
	backedUp  = describe("backup_last_timestamp_seconds", "When the state of the last backup in the folder for backups was.")
	waiting   = describe("queue_length", "What waits, by queue: batcher (queries to be embedded), writer (changes to be committed), jobs.", "queue")
	running   = describe("jobs_running", "Jobs that run.")
	open      = describe("model_open", "1 if a model is open, 0 while it is being opened.", "model")
	instances = describe("collection_instances", "Instances of a collection.", "collection")
	patients  = describe("collection_patients", "Patients of a collection.", "collection")
	labels    = describe("collection_labels", "Classes that labels of a task say are present.", "collection", "task")
	entries   = describe("collection_log_entries_total", "Entries that a collection's log ever had.", "collection")
	engine    = describe("index_info", "The engine that serves; always 1.", "collection", "engine")
	memory    = describe("index_memory_bytes", "What an index takes of memory.", "collection")
	mapped    = describe("index_mapped_bytes", "What an index reads from its snapshot.", "collection")
	rows      = describe("index_rows", "Places for vectors, those of deleted ones included.", "collection")
	ef        = describe("index_ef", "Candidates that a search of a graph keeps.", "collection")
	recall    = describe("index_recall_tuned_ratio", "Recall@10 as the graph was tuned to last.", "collection")
	behind    = describe("probe_behind_entries", "Log entries between the last label that the probes of a task know and the last there is.", "collection", "task")
	made      = describe("probe_version_timestamp_seconds", "When the version that answers was made.", "collection", "task")
	changed   = describe("probe_labels_changed", "Labels that have changed since the newest version was made.", "collection", "task")
)

// Describe implements prometheus.Collector.
func (watched) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{turns, taken, waiting, backedUp, running, open, instances, patients, labels, entries,
		engine, memory, mapped, rows, ef, recall, behind, made, changed, floor, ballast, refused, reopened, compactions, stored, quota} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read, because the store
// is being closed, is left out.
func (w watched) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	w.load(ctx, ch)
	w.state(ch)
	collections, err := w.Service.Collections(ctx)
	if err != nil {
		return
	}
	for _, c := range collections {
		count(ch, c)
		countQuota(ch, c)
	}
	learnt, err := w.Service.Learnt(ctx)
	if err != nil {
		return
	}
	for _, l := range learnt {
		send(ch, behind, float64(l.Behind), l.Collection, l.Task)
		send(ch, changed, float64(l.Changed), l.Collection, l.Task)
		if l.Version != 0 {
			send(ch, made, float64(l.Made.UnixMilli())/1e3, l.Collection, l.Task)
		}
	}
}

func send(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// load tells of what waits and runs.
func (w watched) load(ctx context.Context, ch chan<- prometheus.Metric) {
	l := w.Service.Load()
	send(ch, turns, float64(l.Turns))
	send(ch, taken, float64(l.Taken))
	send(ch, waiting, float64(l.Waiting), "batcher")
	if w.Writing != nil {
		send(ch, waiting, float64(w.Writing()), "writer")
	}
	for model, is := range l.Models {
		send(ch, open, flag(is), model)
	}
	if last, err := w.Service.LastBackup(ctx); err == nil && !last.IsZero() {
		send(ch, backedUp, float64(last.Unix()))
	}
	jobs, err := w.Service.Jobs(ctx)
	if err != nil {
		return
	}
	states := map[api.JobState]int{}
	for _, j := range jobs {
		states[j.State]++
	}
	send(ch, waiting, float64(states[api.JobQueued]), "jobs")
	send(ch, running, float64(states[api.JobRunning]))
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// count tells what a collection holds.
func count(ch chan<- prometheus.Metric, c api.Collection) {
	s := c.Status
	send(ch, instances, float64(s.Instances), c.Name)
	send(ch, patients, float64(s.Patients), c.Name)
	ch <- prometheus.MustNewConstMetric(entries, prometheus.CounterValue, float64(s.Head), c.Name)
	for _, t := range c.Tasks {
		n := 0
		for _, of := range s.Labelled[t.Name] {
			n += of
		}
		send(ch, labels, float64(n), c.Name, t.Name)
	}
	send(ch, engine, 1, c.Name, s.Engine)
	send(ch, memory, float64(s.Index.Bytes), c.Name)
	send(ch, mapped, float64(s.Index.Mapped), c.Name)
	send(ch, rows, float64(s.Index.Rows), c.Name)
	if s.Index.Ef > 0 {
		send(ch, ef, float64(s.Index.Ef), c.Name)
	}
	if s.Index.Recall > 0 {
		send(ch, recall, s.Index.Recall, c.Name)
	}
}

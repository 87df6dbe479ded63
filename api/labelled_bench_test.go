package api_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// manyLabels is how many labelled vectors of manyWide components
// BenchmarkManyLabels has.
const (
	manyLabels = 100_000
	manyWide   = 768
)

// BenchmarkManyLabels measures an evaluation, a version of the probes, and a label
// followed by an answer, of 100,000 labelled vectors of 50,000 patients:
//
//	go test ./api -run '^$' -bench 'ManyLabels/2/evaluate' -benchtime 1x
//
// Storing them and building the graph is not counted; it is done once in the
// folder NEARCASE_MANYLABELS where that is set. peak-MB is the largest resident
// memory of the process in that time, with all vectors and the index, and cpu-s the
// processor time of all cores, which other work on the machine changes less.
func BenchmarkManyLabels(b *testing.B) {
	for _, classes := range []int{2, 3} {
		b.Run(strconv.Itoa(classes), func(b *testing.B) {
			s := manyLabelled(b, classes)
			b.Run("evaluate", func(b *testing.B) { benchmarkEvaluate(b, s) })
			b.Run("refit", func(b *testing.B) { benchmarkRefit(b, s) })
			b.Run("label", func(b *testing.B) { benchmarkLabel(b, s) })
		})
	}
}

func benchmarkEvaluate(b *testing.B, s *api.Service) {
	for range b.N {
		peak, told := peakMemory(b), 0
		b.ResetTimer()
		began, used, was := time.Now(), processorTime(), "nothing"
		doing := func(what string) {
			b.Logf("%6.1f s, %6.1f s of processors after %s", time.Since(began).Seconds(), processorTime()-used, was)
			was = what
		}
		e, err := s.Evaluate(b.Context(), "c", api.EvaluateOptions{Doing: doing}, func(int, int) { told++ })
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(peak(), "peak-MB")
		b.ReportMetric(processorTime()-used, "cpu-s")
		doing("")
		auc := e.Results[0].Measures[0]
		b.Logf("%d methods, progress told %d times, %s of %s %.3f (%.3f to %.3f)",
			len(e.Results), told, auc.Name, e.Results[0].Method, auc.Value, auc.Low, auc.High)
	}
}

func benchmarkRefit(b *testing.B, s *api.Service) {
	for range b.N {
		if _, err := s.Classify(b.Context(), "c", api.Query{Instance: "i0"}); err != nil { // labels are learnt
			b.Fatal(err)
		}
		peak, used := peakMemory(b), processorTime()
		b.ResetTimer()
		retrain(b, s)
		b.ReportMetric(peak(), "peak-MB")
		b.ReportMetric(processorTime()-used, "cpu-s")
	}
}

// benchmarkLabel reports the medians of a label, an answer by vector that knows it,
// and both.
func benchmarkLabel(b *testing.B, s *api.Service) {
	c, err := s.Catalog.Collection(b.Context(), "c")
	if err != nil {
		b.Fatal(err)
	}
	vector, err := s.Catalog.Vector(b.Context(), "c", "i7")
	if err != nil {
		b.Fatal(err)
	}
	query := api.Query{Vector: vector, Fingerprint: c.Fingerprint}
	classes := c.Tasks[0].Classes
	var label, answer, both []float64
	for i := range max(b.N, 201) {
		began := time.Now()
		r := api.LabelRequest{Instance: fmt.Sprint("i", 11*i), Task: "finding", Classes: []string{classes[i%len(classes)]}}
		if _, err := s.Label(b.Context(), "c", []api.LabelRequest{r}); err != nil {
			b.Fatal(err)
		}
		said := time.Now()
		if _, err := s.Classify(b.Context(), "c", query); err != nil {
			b.Fatal(err)
		}
		label = append(label, float64(said.Sub(began).Microseconds())/1000)
		answer = append(answer, float64(time.Since(said).Microseconds())/1000)
		both = append(both, float64(time.Since(began).Microseconds())/1000)
	}
	b.ReportMetric(median(label), "label-ms")
	b.ReportMetric(median(answer), "answer-ms")
	b.ReportMetric(median(both), "both-ms")
}

// manyLabelled returns a service with the vectors, labels and graph.
func manyLabelled(b *testing.B, classes int) *api.Service {
	b.Helper()
	dir := b.TempDir()
	if kept := os.Getenv("NEARCASE_MANYLABELS"); kept != "" {
		dir = filepath.Join(kept, strconv.Itoa(classes))
	}
	catalog, err := local.Open(dir, local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	wide := small
	wide.Dimension = manyWide
	s := api.New(api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, OpenModel: func(string) (*embed.Model, error) {
		return embed.NewModel(wide, fmt.Sprintf("%064x", manyWide), means{})
	}})
	b.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			b.Error(err)
		}
	})
	if status, err := catalog.Status(b.Context(), "c"); err == nil && status.Instances == manyLabels {
		return s
	}
	began := time.Now()
	fillLabelled(b, s, store.Task{Name: "finding", Classes: []string{"a", "b", "c"}[:classes]})
	stored := time.Since(began)
	graph := store.Reindexing{Index: store.Index{Engine: "graph"}}
	if _, err := catalog.Reindex(b.Context(), "c", graph, nil); err != nil {
		b.Fatal(err)
	}
	b.Logf("storing took %.0f s, the graph %.0f s", stored.Seconds(), (time.Since(began) - stored).Seconds())
	return s
}

// fillLabelled stores vectors of two images of each patient in 60 clusters, where
// patients differ in 40 directions and images of one hardly. Labels follow the
// cluster, but for one patient in twelve, and a direction.
func fillLabelled(b *testing.B, s *api.Service, task store.Task) {
	b.Helper()
	fingerprint := emptied(b, s, task)
	rng := rand.New(rand.NewPCG(1, uint64(len(task.Classes))))
	centres, directions := normals(rng, 60), normals(rng, 40)
	for i, c := range centres {
		c[i%len(task.Classes)] += 4
	}
	var records []store.Record
	for i := 0; i < manyLabels; i += 2 {
		at := rng.IntN(len(centres))
		patient, class := slices.Clone(centres[at]), at%len(task.Classes)
		for _, d := range directions {
			by := 0.2 * rng.NormFloat64()
			for k := range patient {
				patient[k] += by * d[k]
			}
		}
		if rng.IntN(12) == 0 {
			class = rng.IntN(len(task.Classes))
		}
		for j := range 2 {
			v := slices.Clone(patient)
			for k := range v {
				v[k] += 0.3 * rng.NormFloat64()
			}
			records = append(records, store.Record{Vector: unit(v...), Fingerprint: fingerprint,
				Instance: store.Instance{ID: fmt.Sprint("i", i+j), Patient: fmt.Sprint("p", i/2)},
				Labels:   []store.Label{{Task: task.Name, Classes: []string{task.Classes[class]}}}})
		}
		if len(records) == 2000 {
			put(b, s.Catalog, records...)
			records = nil
		}
	}
	put(b, s.Catalog, records...)
}

func normals(rng *rand.Rand, n int) [][]float64 {
	all := make([][]float64, n)
	for i := range all {
		all[i] = make([]float64, manyWide)
		for k := range all[i] {
			all[i][k] = rng.NormFloat64()
		}
	}
	return all
}

// peakMemory returns a function for the largest resident memory since this call,
// in MB; 0 where Linux's /proc does not tell.
func peakMemory(b *testing.B) func() float64 {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Log("peak memory counts the setup: ", err)
	}
	return func() float64 {
		status, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kB, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
				return kB / 1000
			}
		}
		return 0
	}
}

// processorTime is that of the process so far, in seconds; 0 where Linux's /proc
// does not tell.
func processorTime() float64 {
	stat, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(stat))
	if len(fields) < 15 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[13], 64)
	system, _ := strconv.ParseFloat(fields[14], 64)
	return (user + system) / 100 // clock ticks of Linux
}

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/client"
	"nearcase/api/problem"
	"nearcase/embed/onnx/onnxtest"
	"nearcase/store"
	"nearcase/store/local"
)

// reembedding is a data directory whose server is killed while it embeds a collection
// again.
type reembedding struct {
	t          testing.TB
	data       string
	model      string
	perSecond  float64
	rng        *rand.Rand
	url        string
	kill       func()
	done, all  int
	served     int // queries that were answered while it was embedded
	took       []time.Duration
	began      time.Time
	down       time.Duration // from kills to the next answer
	query      []byte
	firstModel string
}

// A server is killed five times while it embeds a collection again. Each time it goes
// on where it was; queries are answered whenever it runs; labels, images and an
// erasure that come meanwhile are in both; the report says what one computes from the
// two; the model is changed, and back, with all that came.
func TestAReembeddingOutlivesKills(t *testing.T) {
	folder := filepath.Dir(phantoms(t, 30))
	models := t.TempDir()
	if err := apitest.TwoTowers(filepath.Join(models, "towers")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEARCASE_MODELS", models)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", "--collection", "cxr", filepath.Join(folder, "labels.csv"))
	images, err := filepath.Glob(filepath.Join(folder, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	r := newReembedding(t, data, "towers", images[0])
	r.perSecond = 15
	r.embed(3)
	r.checkReport()
	r.switches()
}

// All 5,856 radiographs, from the built-in network to ResNet-18.
func BenchmarkReembedding(b *testing.B) {
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		b.Skip("NEARCASE_TESTDATA is not set")
	}
	onnxtest.Require(b)
	models := filepath.Join(b.TempDir(), "resnet18")
	if err := os.MkdirAll(models, 0o700); err != nil {
		b.Fatal(err)
	}
	for from, to := range map[string]string{
		filepath.Join(root, "models/resnet18_layer3_gap256.onnx"):                 "resnet18_layer3_gap256.onnx",
		filepath.Join("..", "..", "docs/models/resnet18-layer3", "manifest.yaml"): "manifest.yaml",
	} {
		content, err := os.ReadFile(from)
		if err != nil {
			b.Fatal(err)
		}
		content = []byte(strings.Replace(string(content), "name: resnet18-layer3", "name: resnet18", 1))
		if err := os.WriteFile(filepath.Join(models, to), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.Setenv("NEARCASE_MODELS", filepath.Dir(models))
	data := filepath.Join(b.TempDir(), "data")
	began := time.Now()
	succeed(b, "--data", data, "ingest", "--collection", "cxr", filepath.Join(root, "cxr/labels.csv"))
	b.Logf("ingest with the built-in network: %.0f s", time.Since(began).Seconds())
	images, err := filepath.Glob(filepath.Join(root, "cxr/NORMAL/*"))
	if err != nil || len(images) == 0 {
		b.Fatal(images, err)
	}
	r := newReembedding(b, data, "resnet18", images[0])
	r.embed(5)
	r.checkReport()
	r.switches()
}

func newReembedding(t testing.TB, data, model, query string) *reembedding {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	image, err := os.ReadFile(query)
	if err != nil {
		t.Fatal(err)
	}
	r := &reembedding{t: t, data: data, model: model, rng: rand.New(rand.NewPCG(seed, 0)), query: image}
	r.start()
	r.all = r.collection().Status.Instances
	r.firstModel = r.collection().Model
	return r
}

func (r *reembedding) start() {
	r.t.Helper()
	r.url, r.kill = startServer(r.t.Context(), r.t, r.data)
}

func (r *reembedding) client() *client.Client {
	c, err := client.New(r.url, client.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *reembedding) collection() api.Collection {
	return asked[api.Collection](r.t, http.MethodGet, r.url+"/v1/collections/cxr", "")
}

func (r *reembedding) state() api.Reembedding {
	return asked[api.Reembedding](r.t, http.MethodGet, r.url+"/v1/collections/cxr/reembedding", "")
}

// embed begins, and kills the server so many times at random moments.
func (r *reembedding) embed(kills int) {
	r.t.Helper()
	r.began = time.Now()
	body, _ := json.Marshal(api.ReembedOptions{Model: r.model, PerSecond: r.perSecond, Share: 1, Sample: 500})
	j := asked[api.Job](r.t, http.MethodPost, r.url+"/v1/collections/cxr/reembedding", string(body))
	for n := range kills {
		target := r.all*(n+1)/(kills+1) - r.rng.IntN(max(1, r.all/(2*kills)))
		r.serveUntil(func() bool { r.done = r.state().Done; return r.done >= target })
		r.meanwhile(n)
		r.kill()
		killed := time.Now()
		r.start()
		r.ask()
		r.down += time.Since(killed)
		if now := r.state(); now.Done < min(r.done, r.all) || now.Done > r.all+1 { // a deletion may not have been followed yet, also before the kill
			r.t.Errorf("after kill %d: got %d embedded of %d, want the %d that were", n+1, now.Done, r.all, r.done)
		}
	}
	var last problem.Job
	r.serveUntil(func() bool {
		last = asked[problem.Job](r.t, http.MethodGet, r.url+"/v1/jobs/"+j.ID, "")
		return last.HasEnded()
	})
	if last.State != api.JobDone {
		r.t.Fatalf("the job ended as %s: %+v", last.State, last.Problem)
	}
	slices.Sort(r.took)
	r.t.Logf("%d images in %.1f s with %d kills, which took %.1f s until the next answer; %d queries served, median %s, p99 %s",
		r.all, time.Since(r.began).Seconds(), kills, r.down.Seconds(), r.served, r.took[len(r.took)/2].Round(time.Microsecond), r.took[len(r.took)*99/100].Round(time.Microsecond))
}

// serveUntil asks queries until something is so.
func (r *reembedding) serveUntil(is func() bool) {
	r.t.Helper()
	for !is() {
		r.ask()
	}
}

// ask asks a query, which the first model must answer.
func (r *reembedding) ask() {
	r.t.Helper()
	began := time.Now()
	a, err := r.client().Classify(r.t.Context(), "cxr", api.Query{Image: r.query})
	if err != nil || a.Model != r.firstModel || len(a.Tasks) == 0 {
		r.t.Fatalf("Classify while it is embedded: got %d tasks by %s, %v", len(a.Tasks), a.Model, err)
	}
	r.served++
	r.took = append(r.took, time.Since(began))
}

// meanwhile labels, deletes and, once, erases.
func (r *reembedding) meanwhile(n int) {
	r.t.Helper()
	c := r.client()
	page, err := c.List(r.t.Context(), "cxr", api.ListOptions{Limit: 40})
	if err != nil {
		r.t.Fatal(err)
	}
	one := page.Instances[r.rng.IntN(len(page.Instances))]
	task := r.collection().Tasks[0]
	class := task.Classes[n%len(task.Classes)]
	if _, err := c.Label(r.t.Context(), "cxr", []api.LabelRequest{{Instance: one.ID, Task: task.Name, Classes: []string{class}, Reader: fmt.Sprint("reader ", n)}}); err != nil {
		r.t.Fatal(err)
	}
	switch n {
	case 0:
		if err := c.Delete(r.t.Context(), "cxr", page.Instances[len(page.Instances)-1].ID); err != nil {
			r.t.Fatal(err)
		}
		r.all, r.done = r.all-1, r.done-1
	case 1: // early, as after the end it would take the report with it: all that it has embedded of the patient goes with it
		patient := page.Instances[r.rng.IntN(len(page.Instances))].Patient
		receipt, err := c.Erase(r.t.Context(), "cxr", patient, nil)
		if err != nil || !receipt.IsVerified() || len(receipt.Elsewhere) != 0 {
			r.t.Fatalf("Erase: got %+v, %v", receipt, err)
		}
		r.all, r.done = r.all-receipt.Instances, r.done-receipt.Instances
	}
}

// checkReport computes what the report says from the two collections themselves.
func (r *reembedding) checkReport() {
	r.t.Helper()
	now := r.state()
	if now.State != api.Embedded || now.Done != r.all || now.Behind != 0 || now.Missing != 0 || now.Report == nil {
		r.t.Fatalf("reembedding: got %+v, want %d embedded and a report", now, r.all)
	}
	shown, _ := json.MarshalIndent(now.Report, "", " ")
	r.t.Logf("report: %s", shown)
	r.kill()
	l, err := local.Open(r.data, local.Options{MustExist: true})
	if err != nil {
		r.t.Fatal(err)
	}
	sameHistories(r.t, l)
	one, other := nearestOf(r.t, l, "cxr"), nearestOf(r.t, l, store.ShadowName("cxr"))
	same, shares := 0, []float64{}
	for id, ids := range one {
		n := 0
		for _, near := range ids {
			if slices.Contains(other[id], near) {
				n++
			}
		}
		same, shares = same+n, append(shares, float64(n)/10)
	}
	if err := l.Close(); err != nil {
		r.t.Fatal(err)
	}
	mean, tolerance := float64(same)/float64(10*len(one)), 0.005
	if now.Report.Overlap.Sampled < len(one) { // a sample: within four standard errors
		tolerance = 4 * deviation(shares, mean) / math.Sqrt(float64(now.Report.Overlap.Sampled))
	}
	if got := now.Report.Overlap.Mean.Value; math.Abs(got-mean) > tolerance {
		r.t.Errorf("overlap: got %g of %d, want %g of all", got, now.Report.Overlap.Sampled, mean)
	}
	r.t.Logf("overlap of all %d: %.4f", len(one), mean)
	r.start()
}

func deviation(x []float64, mean float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(x)))
}

// sameHistories checks that both collections have the same instances with the same
// labels under the same keys.
func sameHistories(t testing.TB, l *local.Catalog) {
	t.Helper()
	of, err := l.List(t.Context(), "cxr", 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := l.List(t.Context(), store.ShadowName("cxr"), 0, 10_000)
	if err != nil || !reflect.DeepEqual(of, behind) {
		t.Fatalf("instances: got %d behind %d, %v, want the same", len(behind), len(of), err)
	}
	for _, c := range of {
		want, err := l.History(t.Context(), "cxr", c.Instance.ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.History(t.Context(), store.ShadowName("cxr"), c.Instance.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("history of %s: got %+v, %v, want %+v", c.Instance.ID, got, err, want)
		}
	}
}

// nearestOf scans all vectors for the ten nearest of every instance that are not of its
// patient.
func nearestOf(t testing.TB, l *local.Catalog, name string) map[string][]string {
	t.Helper()
	all, err := l.List(t.Context(), name, 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	vectors := make([][]float32, len(all))
	for i, c := range all {
		if vectors[i], err = l.Vector(t.Context(), name, c.Instance.ID); err != nil {
			t.Fatal(err)
		}
	}
	found, mu, group := map[string][]string{}, sync.Mutex{}, sync.WaitGroup{}
	for part := range 2 {
		group.Go(func() {
			for i := part; i < len(all); i += 2 {
				ids := nearest(all, vectors, i)
				mu.Lock()
				found[all[i].Instance.ID] = ids
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return found
}

func nearest(all []store.Case, vectors [][]float32, i int) []string {
	type near struct {
		dot float32
		id  string
	}
	var best []near
	for j, v := range vectors {
		if j == i || all[j].Instance.Patient == all[i].Instance.Patient || all[j].Instance.Digest == all[i].Instance.Digest {
			continue
		}
		var dot float32
		for k, x := range vectors[i] {
			dot += x * v[k]
		}
		if len(best) == 10 && dot <= best[9].dot {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, dot, func(n near, d float32) int {
			if n.dot > d {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, near{dot, all[j].Instance.ID})
		best = best[:min(10, len(best))]
	}
	ids := make([]string, len(best))
	for n, b := range best {
		ids[n] = b.id
	}
	return ids
}

// switches changes the model while queries are answered, stores more, and returns.
func (r *reembedding) switches() {
	r.t.Helper()
	c, ctx := r.client(), r.t.Context()
	answered, stop := map[string]int{}, make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			a, err := c.Similar(ctx, "cxr", api.Query{Image: r.query})
			if err != nil {
				r.t.Errorf("Similar while the model is changed: %v", err)
				return
			}
			answered[a.Model]++
		}
	})
	began := time.Now()
	now, err := c.SwitchModel(ctx, "cxr", api.SwitchOptions{}, nil)
	took := time.Since(began)
	if err != nil || now.State != api.Switched || now.Model != r.model {
		r.t.Fatalf("switch: got %+v, %v", now, err)
	}
	r.afterwards(c)
	began = time.Now()
	back, err := c.SwitchModel(ctx, "cxr", api.SwitchOptions{Back: true}, nil)
	close(stop)
	group.Wait()
	if err != nil || back.Model != r.firstModel || back.Instances != r.all+1 {
		r.t.Errorf("way back: got %+v, %v, want %d instances by %s", back, err, r.all+1, r.firstModel)
	}
	r.t.Logf("switch in %s, way back in %s; answers meanwhile %v", took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), answered)
	if a, err := c.Similar(ctx, "cxr", api.Query{Instance: "came-meanwhile"}); err != nil || a.Model != r.firstModel {
		r.t.Errorf("what came meanwhile, on the way back: got %+v, %v", a, err)
	}
	if err := c.DropReembedding(ctx, "cxr"); err != nil {
		r.t.Error(err)
	}
	r.kill()
	l, err := local.Open(r.data, local.Options{MustExist: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Collection(ctx, store.ShadowName("cxr")); err == nil {
		r.t.Error("the other model is still there after it was dropped")
	}
}

// afterwards stores an image while the other model answers.
func (r *reembedding) afterwards(c *client.Client) {
	r.t.Helper()
	image := api.Image{ID: "came-meanwhile", Patient: "somebody else", Read: func() ([]byte, error) { return r.query, nil }}
	for item, err := range c.Ingest(r.t.Context(), "cxr", slices.Values([]api.Image{image}), api.IngestOptions{}) {
		if err != nil || item.Err != nil {
			r.t.Fatalf("ingest after the switch: %v, %v", err, item.Err)
		}
	}
	if a, err := c.Classify(r.t.Context(), "cxr", api.Query{Instance: "came-meanwhile"}); err != nil || a.Model != r.model {
		r.t.Errorf("Classify after the switch: got %s, %v, want %s", a.Model, err, r.model)
	}
}

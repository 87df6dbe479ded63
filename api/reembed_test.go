package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// quartered is a picture whose quarters have shades that depend on its class and
// on its number.
func quartered(t testing.TB, n int) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	var shades [4]color.RGBA
	for q := range shades {
		base := 60 + 90*(n%2)*(q%2) + 40*(q/2)
		shades[q] = color.RGBA{uint8(base + rng.IntN(60)), uint8(base + rng.IntN(60)), uint8(base + rng.IntN(60)), 255}
	}
	for y := range 16 {
		for x := range 16 {
			img.SetRGBA(x, y, shades[2*(y/8)+x/8])
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pictures are images from one number to another, two to a patient, with their labels.
func pictures(t testing.TB, from, to int) []api.Image {
	var all []api.Image
	for n := from; n < to; n++ {
		data := quartered(t, n)
		all = append(all, api.Image{
			ID: fmt.Sprintf("1.2.840.99999.%d", n), Patient: fmt.Sprintf("pseudonym-%d", n/2), Name: fmt.Sprint(n),
			Labels: map[string][]string{"finding": {[]string{"dark", "light"}[n%2]}},
			Read:   func() ([]byte, error) { return data, nil },
		})
	}
	return all
}

var shadesTask = store.Task{Name: "finding", Classes: []string{"dark", "light"}}

// reembedder is a service that knows two small networks, over a catalog.
func reembedderOver(t testing.TB, catalog store.Catalog) *api.Service {
	t.Helper()
	s := api.New(api.Options{Catalog: catalog, Refit: api.Refit{When: api.Never}, Batch: 4, Workers: 2, OpenModel: func(name string) (*embed.Model, error) {
		if name == "means" {
			return embed.NewModel(small, fmt.Sprintf("%064x", 4), means{})
		}
		return apitest.OpenModel(name)
	}})
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), catalog.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// withPictures is such a service with a collection "c" of the network of means.
func withPictures(t testing.TB, n int) (*api.Service, *local.Catalog) {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := reembedderOver(t, catalog)
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "c", Model: "means", Tasks: []store.Task{shadesTask}}); err != nil {
		t.Fatal(err)
	}
	storePictures(t, s, pictures(t, 0, n))
	return s, catalog
}

func storePictures(t testing.TB, s *api.Service, images []api.Image) {
	t.Helper()
	for item, err := range s.Ingest(t.Context(), "c", slices.Values(images), api.IngestOptions{}) {
		if err := errors.Join(err, item.Err); err != nil {
			t.Fatal(err)
		}
	}
}

func reembedded(t testing.TB, s *api.Service, o api.ReembedOptions) api.Reembedding {
	t.Helper()
	o.Model = apitest.Quadrants
	r, err := s.Reembed(t.Context(), "c", o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The report is what one gets from the two collections, made one by one.
func TestTheReportOfAReembeddingIsRight(t *testing.T) {
	s, catalog := withPictures(t, 60)
	r := reembedded(t, s, api.ReembedOptions{})
	if r.State != api.Embedded || r.Done != 60 || r.Missing != 0 || r.Behind != 0 || r.Report == nil {
		t.Fatalf("Reembed: got %+v", r)
	}
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "other", Model: apitest.Quadrants, Tasks: []store.Task{shadesTask}}); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Ingest(t.Context(), "other", slices.Values(pictures(t, 0, 60)), api.IngestOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	wantOverlap(t, catalog, r.Report.Overlap, "c", "other", 60)
	e, err := s.Evaluate(t.Context(), "c", api.EvaluateOptions{Collections: []string{"other"}, Methods: []string{"votes", "ridge"}, WithoutLeak: true, Mistakes: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	task := r.Report.Tasks[0]
	if len(task.AUC) != 6 || task.Images != 60 || task.Problem != "" {
		t.Fatalf("report: got %+v, want the AUC of two methods as a mean and of two classes", task)
	}
	for i, at := range []int{0, 3} {
		was, _ := e.Results[i].Measure("auc_macro")
		is, _ := e.Results[2+i].Measure("auc_macro")
		got := task.AUC[at]
		if got.Class != "" || got.Before != was.Estimate || got.After != is.Estimate || math.Abs(got.Difference.Value-(is.Value-was.Value)) > 1e-12 {
			t.Errorf("AUC: got %+v, want %+v and %+v", got, was.Estimate, is.Estimate)
		}
	}
	for _, f := range []api.Flips{task.Votes, task.Probe} {
		if f.Images != 60 || f.Share.Value != float64(f.Flipped)/60 || f.Share.Low > f.Share.Value || f.Share.High < f.Share.Value || len(f.Examples) != min(10, f.Flipped) {
			t.Errorf("flips: got %+v", f)
		}
	}
	var page bytes.Buffer
	if err := s.AgreementPage(t.Context(), "c", "", &page); err != nil || !strings.Contains(page.String(), "before: means") || !strings.Contains(page.String(), "ten nearest") {
		t.Errorf("AgreementPage: got %d bytes, %v", page.Len(), err)
	}
}

// wantOverlap computes the overlap of the ten nearest from all vectors.
func wantOverlap(t *testing.T, c store.Catalog, got api.Overlap, one, other string, n int) {
	t.Helper()
	nearest := func(name string) map[string][]string {
		cases, err := c.List(t.Context(), name, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		vectors := map[string][]float32{}
		for _, of := range cases {
			if vectors[of.Instance.ID], err = c.Vector(t.Context(), name, of.Instance.ID); err != nil {
				t.Fatal(err)
			}
		}
		found := map[string][]string{}
		for _, a := range cases {
			ids := []string{}
			for _, b := range cases {
				if a.Instance.Patient != b.Instance.Patient {
					ids = append(ids, b.Instance.ID)
				}
			}
			dot := func(id string) (sum float64) {
				for i, x := range vectors[a.Instance.ID] {
					sum += float64(x) * float64(vectors[id][i])
				}
				return sum
			}
			slices.SortStableFunc(ids, func(x, y string) int {
				if dot(x) > dot(y) {
					return -1
				}
				return 1
			})
			found[a.Instance.ID] = ids[:10]
		}
		return found
	}
	before, after, same := nearest(one), nearest(other), 0
	for id := range before {
		for _, x := range before[id] {
			if slices.Contains(after[id], x) {
				same++
			}
		}
	}
	if want := float64(same) / float64(10*n); got.Sampled != n || math.Abs(got.Mean.Value-want) > 0.005 {
		t.Errorf("overlap: got %+v, want %g of %d", got, want, n)
	}
}

// What cannot be embedded again is refused before anything is, or left out by name.
func TestWhatCannotBeEmbeddedAgainIsRefusedOrLeftOut(t *testing.T) {
	s, _ := withPictures(t, 12)
	c, err := s.Collection(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	storePictures(t, s, []api.Image{{ID: "ready", Vector: unit(1, 2, 3, 4), Fingerprint: c.Fingerprint}})
	_, err = s.Reembed(t.Context(), "c", api.ReembedOptions{Model: apitest.Quadrants}, nil)
	if !errors.Is(err, api.ErrNotKept) || !strings.Contains(err.Error(), "of 1 instances") {
		t.Errorf("Reembed: got %v, want %v of 1", err, api.ErrNotKept)
	}
	if _, err := s.Reembedding(t.Context(), "c", ""); !errors.Is(err, store.ErrShadow) {
		t.Errorf("Reembedding after that: got %v, want %v", err, store.ErrShadow)
	}
	if plan, err := s.Reembedding(t.Context(), "c", apitest.Quadrants); err != nil || plan.State != api.Planned || plan.Missing != 1 || plan.Cost.Disk == 0 || plan.Cost.Memory == 0 {
		t.Errorf("plan: got %+v, %v", plan, err)
	}
	r := reembedded(t, s, api.ReembedOptions{LeaveOut: true})
	if r.Missing != 1 || r.Done != 12 || r.Report.Missing != 1 || r.State != api.Embedded {
		t.Errorf("Reembed: got %+v, want 1 missing", r)
	}
	if _, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Instance(t.Context(), "c", "ready"); !errors.Is(err, store.ErrInstance) {
		t.Errorf("what was left out after the switch: got %v, want %v", err, store.ErrInstance)
	}
	if _, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: true}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Instance(t.Context(), "c", "ready"); err != nil {
		t.Errorf("what was left out on the way back: got %v", err)
	}
}

// A model is changed only within the bounds that are set.
func TestAModelIsChangedWithinBounds(t *testing.T) {
	s, _ := withPictures(t, 40)
	r := reembedded(t, s, api.ReembedOptions{Switch: true, MinOverlap: 1})
	if r.State != api.Embedded || r.Model != "means" {
		t.Errorf("Reembed with a bound that is not met: got %+v", r)
	}
	loss := 1.0
	r = reembedded(t, s, api.ReembedOptions{Switch: true, MaxAUCLoss: &loss})
	if r.State != api.Switched || r.Model != apitest.Quadrants || r.Other != "means" || r.Report == nil {
		t.Errorf("Reembed within bounds: got %+v, want it switched", r)
	}
	if _, err := s.Reembed(t.Context(), "c", api.ReembedOptions{Model: "means"}, nil); !errors.Is(err, store.ErrExists) {
		t.Errorf("Reembed while the model before is kept: got %v, want %v", err, store.ErrExists)
	}
	if err := s.DropReembedding(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: true}, nil); !errors.Is(err, store.ErrShadow) {
		t.Errorf("the way back once it is dropped: got %v, want %v", err, store.ErrShadow)
	}
}

// Who has followed the changes of a collection goes on with the same cursor after its
// model is changed, is told of that, and of nothing twice.
func TestACursorOutlivesAChangeOfTheModel(t *testing.T) {
	s, _ := withPictures(t, 10)
	first, err := s.Changes(t.Context(), api.ChangesQuery{Collection: "c", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.Instance(t.Context(), "c", "1.2.840.99999.3")
	if err != nil {
		t.Fatal(err)
	}
	reembedded(t, s, api.ReembedOptions{Switch: true})
	storePictures(t, s, pictures(t, 10, 11))
	next, err := s.Changes(t.Context(), api.ChangesQuery{Collection: "c", Since: first.Next, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, c := range next.Changes {
		told = append(told, c.Type)
	}
	want := []string{api.CollectionChanged, api.InstanceStored, api.LabelChanged, api.CollectionReembedded}
	if !slices.Equal(told, want) {
		t.Errorf("Changes: got %v, want %v", told, want)
	}
	if now, err := s.Instance(t.Context(), "c", "1.2.840.99999.3"); err != nil || !reflect.DeepEqual(now, before) {
		t.Errorf("Instance after the change: got %+v, %v, want it as before, key too: %+v", now, err, before)
	}
}

// Images that are on their way in when the model is changed are embedded again and
// stored under the names that they had. A vector of the model before is refused.
func TestWhatIsBeingStoredWhenTheModelIsChangedIsEmbeddedAgain(t *testing.T) {
	s, catalog := withPictures(t, 10)
	before := reembedded(t, s, api.ReembedOptions{}).Fingerprint
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "d", Model: apitest.Quadrants, Tasks: []store.Task{shadesTask}}); err != nil {
		t.Fatal(err)
	}
	images := pictures(t, 10, 60)
	images[12].ID = "" // called by its content
	data, _ := images[21].Read()
	images[21].Read = func() ([]byte, error) {
		_, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{}, nil)
		return data, err
	}
	images[22].Vector, images[22].Fingerprint = make([]float32, small.Dimension), before
	images[22].Vector[0] = 1
	for item, err := range s.Ingest(t.Context(), "c", slices.Values(images), api.IngestOptions{Repeats: true}) {
		if item.Index == 22 {
			if err != nil || !errors.Is(item.Err, store.ErrFingerprint) {
				t.Errorf("a vector of the model before: got %v, %v, want ErrFingerprint", item.Err, err)
			}
			continue
		}
		if err := errors.Join(err, item.Err); err != nil || item.Status != store.Created || images[item.Index].ID != "" && item.ID != images[item.Index].ID {
			t.Fatalf("image %d: got %+v, %v, want it stored", item.Index, item, err)
		}
		for twin, err := range s.Ingest(t.Context(), "d", slices.Values(pictures(t, 10+item.Index, 11+item.Index)), api.IngestOptions{}) {
			got, failed := catalog.Vector(t.Context(), "c", item.ID)
			want, unknown := catalog.Vector(t.Context(), "d", twin.ID)
			if err := errors.Join(err, twin.Err, failed, unknown); err != nil || !slices.Equal(got, want) {
				t.Errorf("vector of image %d: got %v, %v, want %v", item.Index, got, err, want)
			}
		}
	}
	all, err := catalog.List(t.Context(), "c", 0, 1000)
	if err != nil || len(all) != 59 || len(all[58].Labels) != 1 {
		t.Errorf("List: got %d instances, %v, want all 59 with labels", len(all), err)
	}
}

// Law: an answer to a query is wholly of one model, however often the two are
// exchanged meanwhile, and none fails.
func TestEveryAnswerIsOfOneModel(t *testing.T) {
	s, catalog := withPictures(t, 30)
	reembedded(t, s, api.ReembedOptions{Switch: true})
	query := quartered(t, 7)
	answers := map[string]string{}
	for range 2 {
		if _, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: true}, nil); err != nil {
			t.Fatal(err)
		}
		a, err := s.Similar(t.Context(), "c", api.Query{Image: query})
		if err != nil {
			t.Fatal(err)
		}
		answers[a.Model] = fmt.Sprint(a.Cases)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked atomic.Int64
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for ctx.Err() == nil {
				a, err := s.Similar(catalog.Hold(t.Context()), "c", api.Query{Image: query})
				if err != nil || fmt.Sprint(a.Cases) != answers[a.Model] {
					t.Errorf("Similar by %s: got %v, %v, want %v", a.Model, a.Cases, err, answers[a.Model])
					return
				}
				if _, err := s.Classify(catalog.Hold(t.Context()), "c", api.Query{Image: query}); err != nil {
					t.Errorf("Classify: %v", err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for n := 0; n < 20 || asked.Load() < 60 && !t.Failed(); n++ {
		if _, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: true}, nil); err != nil {
			t.Error(err)
			break
		}
	}
	cancel()
	group.Wait()
}

// stoppedCatalog ends the program, as it were, when a model was changed.
type stoppedCatalog struct {
	*local.Catalog
	exchanged chan struct{}
}

func (c stoppedCatalog) Exchange(ctx context.Context, name string, rest func([]store.Entry) (map[store.Key][]float32, error)) error {
	if err := c.Catalog.Exchange(ctx, name, rest); err != nil {
		return err
	}
	close(c.exchanged)
	<-ctx.Done()
	return ctx.Err()
}

// A job that the program did not outlive finds the model changed, and does not change
// it once more.
func TestAJobChangesTheModelOnce(t *testing.T) {
	for _, c := range []struct {
		fact, kind string
		parameters any
		before     int // switches
	}{
		{"to the other model", api.KindSwitch, api.SwitchOptions{}, 0},
		{"back", api.KindSwitch, api.SwitchOptions{Back: true}, 1},
		{"back again", api.KindSwitch, api.SwitchOptions{Back: true}, 2},
		{"once it has embedded", api.KindReembed, api.ReembedOptions{Model: apitest.Quadrants, Switch: true}, 0},
	} {
		t.Run(c.fact, func(t *testing.T) {
			s, catalog := withPictures(t, 10)
			was := reembedded(t, s, api.ReembedOptions{})
			for n := range c.before {
				var err error
				if was, err = s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: n > 0}, nil); err != nil {
					t.Fatal(err)
				}
			}
			stopped := stoppedCatalog{catalog, make(chan struct{})}
			j := enqueue(t, reembedderOver(t, stopped), c.kind, c.parameters)
			<-stopped.exchanged
			again := reembedderOver(t, catalog)
			resume(t, again)
			got := ended(t, again, j.ID)
			now, err := again.Reembedding(t.Context(), "c", "")
			if err != nil || got.State != api.JobDone || now.Fingerprint != was.OtherFingerprint || now.State != api.Switched {
				t.Errorf("the job begun again: got %s, %v, and %s answers, %v; want it done and %s", got.State, got.Err, now.Model, err, was.Other)
			}
		})
	}
}

// lateCatalog changes the model when that is being given up.
type lateCatalog struct {
	*local.Catalog
	giveUp func()
}

func (c lateCatalog) Exchange(ctx context.Context, name string, rest func([]store.Entry) (map[store.Key][]float32, error)) error {
	go c.giveUp()
	<-ctx.Done() // the job is cancelled
	return c.Catalog.Exchange(context.WithoutCancel(ctx), name, rest)
}

// Who gives up what was embedded does not drop the model before when that has just
// taken its place.
func TestGivingUpDropsNoOtherModel(t *testing.T) {
	_, catalog := withPictures(t, 10)
	var s *api.Service
	dropped := make(chan error, 1)
	s = reembedderOver(t, lateCatalog{catalog, func() { dropped <- s.DropReembedding(t.Context(), "c") }})
	enqueue(t, s, api.KindReembed, api.ReembedOptions{Model: apitest.Quadrants, Switch: true})
	if err := <-dropped; !errors.Is(err, api.ErrReembedding) {
		t.Errorf("DropReembedding: got %v, want ErrReembedding", err)
	}
	if now, err := s.Reembedding(t.Context(), "c", ""); err != nil || now.State != api.Switched || now.Other != "means" {
		t.Errorf("Reembedding: got %+v, %v, want the model before behind", now, err)
	}
}

// After the switch the model before follows in the background, and what cannot be
// embedded for it stops it alone.
func TestTheModelBeforeFollowsInTheBackground(t *testing.T) {
	s, catalog := withPictures(t, 10)
	fingerprint := reembedded(t, s, api.ReembedOptions{Switch: true}).Fingerprint
	resume(t, s)
	storePictures(t, s, pictures(t, 10, 20))
	if err := s.Delete(t.Context(), "c", "1.2.840.99999.3"); err != nil {
		t.Fatal(err)
	}
	var here, behind store.Status
	for {
		wake := catalog.Changed()
		var err, failed error
		here, err = catalog.Status(t.Context(), "c")
		behind, failed = catalog.Status(t.Context(), store.ShadowName("c"))
		if err := errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		if here.Head == behind.Head {
			break
		}
		<-wake
	}
	if here.Instances != 19 || behind.Instances != 19 {
		t.Errorf("instances: got %d and %d behind, want 19 in both", here.Instances, behind.Instances)
	}
	vector := make([]float32, 12)
	vector[0] = 1
	storePictures(t, s, []api.Image{{ID: "v", Vector: vector, Fingerprint: fingerprint}})
	_, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: true}, nil)
	if !errors.Is(err, api.ErrNotKept) {
		t.Errorf("the way back with what cannot be embedded: got %v, want ErrNotKept", err)
	}
	if now, err := s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: true, LeaveOut: true}, nil); err != nil || now.Model != "means" || now.Instances != 19 {
		t.Errorf("the way back without it: got %+v, %v", now, err)
	}
}

// A patient is erased from both models, wherever a re-embedding is, and the receipt
// says that nothing is left.
func TestAPatientIsErasedFromBothModels(t *testing.T) {
	for _, c := range []struct {
		fact    string
		prepare func(s *api.Service)
	}{
		{"once it is embedded", func(s *api.Service) { reembedded(t, s, api.ReembedOptions{}) }},
		{"once it is switched", func(s *api.Service) { reembedded(t, s, api.ReembedOptions{Switch: true}) }},
		{"on the way", func(s *api.Service) {
			ctx, cancel := context.WithCancel(t.Context())
			o := api.ReembedOptions{Model: apitest.Quadrants}
			_, err := s.Reembed(ctx, "c", o, func(done, _ int) {
				if done > 0 {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Reembed that is cancelled: got %v", err)
			}
		}},
	} {
		t.Run(c.fact, func(t *testing.T) {
			s, catalog := withPictures(t, 40)
			c.prepare(s)
			receipt, err := s.Erase(t.Context(), "c", "pseudonym-3", nil)
			if err != nil || !receipt.IsVerified() || receipt.Instances != 2 || receipt.Labels != 2 || len(receipt.Elsewhere) != 0 {
				t.Fatalf("Erase: got %+v, %v", receipt, err)
			}
			sought, err := catalog.Seek(t.Context(), store.Traces{Texts: []string{"pseudonym-3", "1.2.840.99999.6", "1.2.840.99999.7"}})
			if err != nil || sought.Matches != 0 {
				t.Errorf("Seek: got %+v, %v, want no trace", sought, err)
			}
			now, err := s.Reembedding(t.Context(), "c", "")
			if err != nil || now.Report != nil {
				t.Errorf("Reembedding: got %+v, %v, want no report, which might name them", now, err)
			}
			if now.State == api.Switched {
				now, err = s.SwitchModel(t.Context(), "c", api.SwitchOptions{Back: true}, nil)
			} else {
				now = reembedded(t, s, api.ReembedOptions{})
			}
			if err != nil || now.Instances != 38 || now.Done != 38 {
				t.Errorf("after the erasure: got %+v, %v, want 38 of 38", now, err)
			}
		})
	}
}

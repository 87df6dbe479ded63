package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/client"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/store"
)

// operations are those that a service and a client of a server share.
type operations interface {
	Create(context.Context, api.NewCollection) (api.Collection, error)
	Collection(context.Context, string) (api.Collection, error)
	Collections(context.Context) ([]api.Collection, error)
	Declare(context.Context, string, []store.Task) (api.Collection, error)
	Drop(context.Context, string) error
	ListModels(context.Context) ([]api.ModelInfo, error)
	List(context.Context, string, api.ListOptions) (api.Page, error)
	Instance(context.Context, string, string) (api.Instance, error)
	Original(context.Context, string, string) (io.ReadCloser, error)
	Delete(context.Context, string, string) error
	Put(context.Context, string, api.Image, api.IngestOptions) (api.Instance, bool, error)
	Render(context.Context, string, string, api.RenderOptions) (api.Rendered, error)
	RenderImage(context.Context, []byte, api.RenderOptions) (api.Rendered, error)
	Map(context.Context, string, api.MapOptions) (api.Map, error)
	Thumbnail(context.Context, string, string) (api.Rendered, error)
	Vector(context.Context, string, string) (api.Vector, error)
	Import(context.Context, string, api.ImportRequest, func(done, total int)) (api.Imported, error)
	Ingest(context.Context, string, iter.Seq[api.Image], api.IngestOptions) iter.Seq2[api.Item, error]
	Label(context.Context, string, []api.LabelRequest) (api.Labelled, error)
	Similar(context.Context, string, api.Query) (api.Similar, error)
	Classify(context.Context, string, api.Query) (api.Classification, error)
	Probes(context.Context, string) ([]api.ProbeInfo, error)
	Evaluate(context.Context, string, api.EvaluateOptions, func(done, total int)) (api.Evaluation, error)
	Reindex(context.Context, string, store.Reindexing, func(done, total int)) (store.Reindexed, error)
	Close() error
}

var (
	_ operations = (*api.Service)(nil)
	_ operations = (*client.Client)(nil)
)

// same fails the test unless a client and the service behind its server give
// the same answer, down to what is nil and what is empty in JSON.
func same[T any](t *testing.T, what string, c, s operations, ask func(operations) (T, error)) T {
	t.Helper()
	got, err := ask(c)
	if err != nil {
		t.Fatalf("%s over HTTP: %v", what, err)
	}
	want, err := ask(s)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: over HTTP it differs:\n%s", what, diff)
	}
	return got
}

// unnamed is an answer without the request that it answers.
func unnamed(a api.Similar, err error) (api.Similar, error) {
	a.RequestID = ""
	return a, err
}

func unnamedClasses(a api.Classification, err error) (api.Classification, error) {
	a.RequestID = ""
	return a, err
}

// paged is a page of whose cursor no more is said than whether there is one: no two
// are alike.
func paged(p api.Page, err error) (api.Page, error) {
	if p.Next != "" {
		p.Next = "more"
	}
	return p, err
}

func TestAClientGivesTheAnswersOfTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	ctx := t.Context()
	made, err := c.Create(ctx, api.NewCollection{
		Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"light", "dark"}}},
	})
	if err != nil || made.Name != "cases" || made.Dimension != 12 {
		t.Fatalf("Create: got %+v, %v", made, err)
	}
	// More than two requests carry, so that their order is put to the test.
	if got := ingested(t, c.Ingest(ctx, "cases", pictures(t, 100), api.IngestOptions{Source: "a reader"})); len(got) != 100 || got[99] != `99 i99 "film 99" created <nil>` {
		t.Fatalf("Ingest: got %d items, the last %v", len(got), got[len(got)-1:])
	}
	stored := same(t, "Instance", c, s, func(o operations) (api.Instance, error) { return o.Instance(ctx, "cases", "i7") })
	if stored.Patient != "p7" || stored.Study != "s" || stored.Name != "film 7" || stored.Labels["finding"].Source != "a reader" {
		t.Errorf("Instance: got %+v, want what was sent", stored)
	}
	stranger := picture(t, 1000)
	same(t, "Collection", c, s, func(o operations) (api.Collection, error) { return o.Collection(ctx, "cases") })
	same(t, "Collections", c, s, func(o operations) ([]api.Collection, error) { return o.Collections(ctx) })
	same(t, "ListModels", c, s, func(o operations) ([]api.ModelInfo, error) { return o.ListModels(ctx) })
	same(t, "List", c, s, func(o operations) (api.Page, error) {
		return paged(o.List(ctx, "cases", api.ListOptions{Limit: 5, Sort: "name", Descending: true, Count: true, Filter: new(store.Among("patient", "p7", "p8"))}))
	})
	same(t, "List by default", c, s, func(o operations) (api.Page, error) {
		return paged(o.List(ctx, "cases", api.ListOptions{Limit: 10_000}))
	})
	same(t, "Probes", c, s, func(o operations) ([]api.ProbeInfo, error) { return o.Probes(ctx, "cases") })
	same(t, "Similar to an instance", c, s, func(o operations) (api.Similar, error) {
		return unnamed(o.Similar(ctx, "cases", api.Query{Instance: "i3", K: 4, MinScore: .1, Exact: true}))
	})
	same(t, "Similar, narrowed", c, s, func(o operations) (api.Similar, error) {
		return unnamed(o.Similar(ctx, "cases", api.Query{Instance: "i3", K: 4, GroupBy: api.GroupPatient, Filter: &store.Filter{Task: "finding", Saying: store.Saying{Has: []string{"dark"}}}}))
	})
	same(t, "Similar to an image", c, s, func(o operations) (api.Similar, error) {
		return unnamed(o.Similar(ctx, "cases", api.Query{Image: stranger, K: 4, Patient: "p5"}))
	})
	same(t, "Similar to a vector", c, s, func(o operations) (api.Similar, error) {
		return unnamed(o.Similar(ctx, "cases", api.Query{Vector: []float32{.1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1e-7}, Fingerprint: made.Fingerprint}))
	})
	same(t, "Classify", c, s, func(o operations) (api.Classification, error) {
		return unnamedClasses(o.Classify(ctx, "cases", api.Query{Image: stranger, Tasks: []string{"finding"}}))
	})
	same(t, "Evaluate", c, s, func(o operations) (api.Evaluation, error) {
		e, err := o.Evaluate(ctx, "cases", api.EvaluateOptions{Task: "finding", Folds: 3, Seed: 4, Rounds: 100}, nil)
		e.Data.Time, e.Data.Took = time.Time{}, 0
		return e, err
	})
	same(t, "Declare", c, s, func(o operations) (api.Collection, error) {
		return o.Declare(ctx, "cases", []store.Task{{Name: "view", Classes: []string{"pa"}}})
	})
	labelled, err := c.Label(ctx, "cases", []api.LabelRequest{{Instance: "i1", Task: "finding", Classes: []string{"dark"}}, {Instance: "i2", Task: "finding", Remove: true}})
	if status, _ := s.Collection(ctx, "cases"); err != nil || labelled.Labels != 2 || labelled.Watermark != status.Status.LabelHead {
		t.Errorf("Label: got %+v, %v, want two labels at %d", labelled, err, status.Status.LabelHead)
	}
	if r, err := c.Reindex(ctx, "cases", store.Reindexing{Index: store.Index{Engine: "coder"}}, nil); err != nil || r.Instances != 100 || r.Took <= 0 {
		t.Errorf("Reindex: got %+v, %v, want 100 instances", r, err)
	}
	original, err := c.Original(ctx, "cases", "i8")
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	if b, err := io.ReadAll(original); err != nil || string(b) != string(picture(t, 8)) {
		t.Errorf("Original: got %d bytes, %v, want those sent", len(b), err)
	}
	if err := c.Delete(ctx, "cases", "i8"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if err := c.Drop(ctx, "cases"); err != nil {
		t.Errorf("Drop: %v", err)
	}
	if all := same(t, "Collections", c, s, func(o operations) ([]api.Collection, error) { return o.Collections(ctx) }); len(all) != 0 {
		t.Errorf("Collections after Drop: got %+v, want none", all)
	}
}

func TestAnErrorOverHTTPIsTheServicesOwn(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	ctx := t.Context()
	tasks := []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}
	if _, err := c.Create(ctx, api.NewCollection{Name: "cases", Model: "quadrants", Tasks: tasks}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(ctx, "cases", pictures(t, 2), api.IngestOptions{}))
	similar := func(q api.Query) func(operations) error {
		return func(o operations) error { _, err := o.Similar(ctx, "cases", q); return err }
	}
	label := func(l api.LabelRequest) func(operations) error {
		return func(o operations) error { _, err := o.Label(ctx, "cases", []api.LabelRequest{l}); return err }
	}
	create := func(n api.NewCollection) func(operations) error {
		return func(o operations) error { _, err := o.Create(ctx, n); return err }
	}
	for name, c2 := range map[string]struct {
		want error
		ask  func(operations) error
	}{
		"an unknown collection": {store.ErrCollection, func(o operations) error { _, err := o.Collection(ctx, "none"); return err }},
		"an unknown instance":   {store.ErrInstance, func(o operations) error { _, err := o.Instance(ctx, "cases", "i 9/9"); return err }},
		"no instance to delete": {store.ErrInstance, func(o operations) error { return o.Delete(ctx, "cases", "i9") }},
		"an unknown original":   {store.ErrInstance, func(o operations) error { _, err := o.Original(ctx, "cases", "i9"); return err }},
		"a collection in use":   {store.ErrExists, create(api.NewCollection{Name: "cases", Model: "quadrants"})},
		"an unknown model":      {api.ErrModel, create(api.NewCollection{Name: "more", Model: "none"})},
		"another fingerprint":   {store.ErrFingerprint, create(api.NewCollection{Name: "more", Model: "quadrants", Fingerprint: "x"})},
		"a name that is none":   {store.ErrInvalid, create(api.NewCollection{Name: "A", Model: "quadrants"})},
		"a task both ways": {store.ErrInvalid, func(o operations) error {
			_, err := o.Declare(ctx, "cases", []store.Task{{Name: "finding", Multi: true}})
			return err
		}},
		"a label for nobody":    {store.ErrInstance, label(api.LabelRequest{Instance: "i9", Task: "finding", Classes: []string{"dark"}})},
		"a label for no task":   {store.ErrTask, label(api.LabelRequest{Instance: "i0", Task: "age", Classes: []string{"dark"}})},
		"a label of no class":   {store.ErrClass, label(api.LabelRequest{Instance: "i0", Task: "finding", Classes: []string{"grey"}})},
		"an empty query":        {api.ErrQuery, similar(api.Query{})},
		"a query twice":         {api.ErrQuery, similar(api.Query{Instance: "i0", Image: picture(t, 1)})},
		"a strange vector":      {store.ErrFingerprint, similar(api.Query{Vector: []float32{1}})},
		"an empty image":        {embed.ErrEmpty, similar(api.Query{Image: []byte{}})},
		"an image that is none": {embed.ErrNotImage, similar(api.Query{Image: []byte("no image at all, just text")})},
		"a damaged image":       {embed.ErrCorrupt, similar(api.Query{Image: picture(t, 1)[:80]})},
		"too few labels":        {api.ErrNotEnough, func(o operations) error { _, err := o.Evaluate(ctx, "cases", api.EvaluateOptions{}, nil); return err }},
		"an unknown engine": {store.ErrInvalid, func(o operations) error {
			_, err := o.Reindex(ctx, "cases", store.Reindexing{Index: store.Index{Engine: "x"}}, nil)
			return err
		}},
		"probes of no one":       {store.ErrCollection, func(o operations) error { _, err := o.Probes(ctx, "none"); return err }},
		"a drop of no one":       {store.ErrCollection, func(o operations) error { return o.Drop(ctx, "none") }},
		"a classification of it": {store.ErrInstance, func(o operations) error { _, err := o.Classify(ctx, "cases", api.Query{Instance: "x"}); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := c2.ask(c), c2.ask(s)
			if !errors.Is(got, c2.want) || !errors.Is(want, c2.want) {
				t.Fatalf("got %v over HTTP and %v of the service, want %v", got, want, c2.want)
			}
			var p *client.Problem
			if !errors.As(got, &p) || p.RequestID == "" || p.Status < 400 {
				t.Errorf("got %#v, want a problem with a status and the request's ID", got)
			}
			if got.Error() != want.Error() {
				t.Errorf("got %q over HTTP, want %q", got, want)
			}
		})
	}
}

func TestImagesThatFailAreYieldedInTheirPlace(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	unreadable := errors.New("cannot be read")
	images := func(yield func(api.Image) bool) {
		for i := range 80 {
			image := api.Image{ID: fmt.Sprint(i), Name: fmt.Sprint("n", i), Read: content(picture(t, uint64(i)))}
			switch i % 10 {
			case 3:
				image.Read = content([]byte("no image at all, just text"))
			case 5:
				image.Read = func() ([]byte, error) { return nil, unreadable }
			}
			if !yield(image) {
				return
			}
		}
	}
	for name, o := range map[string]operations{"over HTTP": c, "of the service": s} {
		collection := strings.ToLower(strings.ReplaceAll(name, " ", "-"))
		if _, err := s.Create(t.Context(), api.NewCollection{Name: collection, Model: "quadrants"}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for item, err := range o.Ingest(t.Context(), collection, images, api.IngestOptions{}) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := map[int]error{3: embed.ErrNotImage, 5: unreadable}[n%10]
			if item.Index != n || item.ID != fmt.Sprint(n) || item.Name != fmt.Sprint("n", n) || !errors.Is(item.Err, want) || (item.Status == store.Failed) != (want != nil) {
				t.Errorf("%s: item %d: got %+v, want error %v", name, n, item, want)
			}
			n++
		}
		if n != 80 {
			t.Errorf("%s: got %d items, want 80", name, n)
		}
	}
}

// Repeats gives the same instances however many requests the images take.
func TestRepeatsAreNumberedAcrossRequests(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	images := func(yield func(api.Image) bool) {
		for i := range 100 {
			if !yield(api.Image{Read: content(picture(t, uint64(i%7)))}) {
				return
			}
		}
	}
	var all [2][]string
	for i, o := range []operations{c, s} {
		name := []string{"http", "service"}[i]
		if _, err := s.Create(t.Context(), api.NewCollection{Name: name, Model: "quadrants"}); err != nil {
			t.Fatal(err)
		}
		all[i] = ingested(t, o.Ingest(t.Context(), name, images, api.IngestOptions{Repeats: true}))
	}
	if diff := cmp.Diff(all[1], all[0]); diff != "" {
		t.Errorf("Ingest with Repeats: over HTTP it differs:\n%s", diff)
	}
}

func TestIngestIntoNoCollectionIsOneError(t *testing.T) {
	c := serve(t, newService(t, apitest.OpenModel), rest.Options{})
	var items, errs int
	for _, err := range c.Ingest(t.Context(), "none", pictures(t, 100), api.IngestOptions{}) {
		if err == nil {
			items++
		} else if errs++; !errors.Is(err, store.ErrCollection) {
			t.Errorf("Ingest: got %v, want ErrCollection", err)
		}
	}
	if items != 0 || errs != 1 {
		t.Errorf("Ingest: got %d items and %d errors, want one error", items, errs)
	}
}

// The refusal of a body that is larger than what buffers hold is heard, though
// the server does not read the body.
func TestTheRefusalOfALargeBodyIsHeard(t *testing.T) {
	c := serve(t, newService(t, apitest.OpenModel), rest.Options{MaxBody: 6 << 20})
	large := func(yield func(api.Image) bool) {
		yield(api.Image{Read: content(make([]byte, 5<<20))})
	}
	tooLarge := func(yield func(api.Image) bool) {
		yield(api.Image{Read: content(make([]byte, 7<<20))})
	}
	for range 2 {
		for _, err := range c.Ingest(t.Context(), "none", large, api.IngestOptions{}) {
			if !errors.Is(err, store.ErrCollection) {
				t.Errorf("Ingest of 5 MiB into no collection: got %v, want ErrCollection", err)
			}
		}
		for _, err := range c.Ingest(t.Context(), "none", tooLarge, api.IngestOptions{}) {
			if p, ok := errors.AsType[*client.Problem](err); !ok || p.Code != problem.BodyTooLarge {
				t.Errorf("Ingest of 7 MiB where 6 are allowed: got %v, want body_too_large", err)
			}
		}
	}
}

func TestALimitOfTheServerEndsAnIngest(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{MaxFiles: 5})
	if _, err := c.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	items, last := 0, error(nil)
	for item, err := range c.Ingest(t.Context(), "cases", pictures(t, 100), api.IngestOptions{}) {
		if last = err; err == nil && item.Err == nil {
			items++
		}
	}
	var p *client.Problem
	if items != 5 || !errors.As(last, &p) || p.Code != problem.TooManyImages {
		t.Errorf("Ingest beyond the server's limit: got %d items, then %v, want 5, then too_many_images", items, last)
	}
}

func TestAnIngestMayBeLeft(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	if _, err := c.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	for item, err := range c.Ingest(t.Context(), "cases", pictures(t, 500), api.IngestOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if item.Index == 40 {
			break
		}
	}
	if _, err := c.Instance(t.Context(), "cases", "i40"); err != nil {
		t.Errorf("what was yielded is stored: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Ingest(ctx, "cases", pictures(t, 500), api.IngestOptions{}) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a cancelled Ingest: got %v at its end, want context.Canceled", last)
	}
}

func TestNobodyListeningIsSaidSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Collections(t.Context())
	if want := "no nearcase server at " + url + ": start it with `nearcase serve`"; !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), want) {
		t.Errorf("Collections: got %v, want %q", err, want)
	}
}

func TestAnotherServerIsToldFromNearcase(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"a page":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>welcome</html>") },
		"another error": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) },
		"another place": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		},
		"a problem that isn't": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", problem.MediaType)
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "oops")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(handler)
			defer s.Close()
			c, err := client.New(s.URL, client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Collections(t.Context()); !errors.Is(err, client.ErrAnswer) {
				t.Errorf("Collections: got %v, want ErrAnswer", err)
			}
		})
	}
}

func TestAddressesThatAreNoneAreRefused(t *testing.T) {
	for _, base := range []string{"", "localhost:8417", "127.0.0.1:8417", "ftp://localhost", "http://", "http://localhost?x=1", "http://localhost#x", "http://local host"} {
		if c, err := client.New(base, client.Options{}); !errors.Is(err, client.ErrAddress) {
			t.Errorf("New(%q): got %v, %v, want ErrAddress", base, c, err)
		}
	}
	if _, err := client.New("ftp://reader:secret@localhost", client.Options{}); strings.Contains(err.Error(), "secret") {
		t.Errorf("New: got %v, want no password in it", err)
	}
}

func TestAServerMayBeUnderAPath(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	server := httptest.NewServer(http.StripPrefix("/cases", rest.New(s, rest.Options{})))
	defer server.Close()
	c, err := client.New(server.URL+"/cases/", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if models, err := c.ListModels(t.Context()); err != nil || len(models) != 1 {
		t.Errorf("ListModels under a path: got %v, %v, want one", models, err)
	}
}

func TestAnEmptyNameIsNotAskedFor(t *testing.T) {
	c := serve(t, newService(t, apitest.OpenModel), rest.Options{})
	if _, err := c.Instance(t.Context(), "cases", ""); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Instance without an ID: got %v, want ErrInvalid", err)
	}
}

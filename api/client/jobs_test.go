package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/client"
	"nearcase/api/rest"
	"nearcase/store"
)

// background is what a service and a client share of jobs and exports.
type background interface {
	Jobs(context.Context) ([]api.Job, error)
	Job(ctx context.Context, id string) (api.Job, error)
	Cancel(ctx context.Context, id string) (api.Job, error)
}

var (
	_ background = (*api.Service)(nil)
	_ background = (*client.Client)(nil)
)

func TestAnExportOverHTTPIsThatOfTheService(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 30), api.IngestOptions{}))
	for _, o := range []api.ExportOptions{
		{}, {Format: api.JSONLines, WithoutVectors: true}, {Format: api.Parquet, Tasks: []string{"finding"}, Filter: new(store.Among("Modality", "", "CR"))},
	} {
		var got, want bytes.Buffer
		var told []int
		over, err := c.Export(t.Context(), "cases", o, &got, func(done, total int) { told = append(told, done, total) })
		if err != nil {
			t.Fatal(err)
		}
		direct, err := s.Export(t.Context(), "cases", o, &want, nil)
		if err != nil || over != direct || !bytes.Equal(got.Bytes(), want.Bytes()) || over.Instances != 30 || !slices.Equal(told, []int{0, 30, 30, 30}) {
			t.Errorf("Export %+v: got %+v, %d bytes and progress %v, want %+v and %d bytes, %v", o, over, got.Len(), told, direct, want.Len(), err)
		}
	}
	for want, o := range map[error]api.ExportOptions{api.ErrQuery: {Format: "pickle"}, store.ErrTask: {Tasks: []string{"finding", "a|b"}}} {
		var b bytes.Buffer
		if _, err := c.Export(t.Context(), "cases", o, &b, nil); !errors.Is(err, want) || b.Len() > 0 {
			t.Errorf("Export %+v: got %v and %d bytes, want %v and none", o, err, b.Len(), want)
		}
	}
}

func TestProgressIsToldOverHTTP(t *testing.T) {
	s := newService(t, apitest.OpenModel)
	c := serve(t, s, rest.Options{})
	if _, err := s.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	ingested(t, c.Ingest(t.Context(), "cases", pictures(t, 30), api.IngestOptions{}))
	var last string
	if _, err := c.Evaluate(t.Context(), "cases", api.EvaluateOptions{}, func(done, total int) { last = fmt.Sprint(done, " of ", total, done == total && total > 0) }); err != nil || last[len(last)-4:] != "true" {
		t.Errorf("Evaluate: got %v, last told %s, want all of it", err, last)
	}
	jobs, err := c.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].State != api.JobDone {
		t.Fatalf("Jobs: got %+v, %v, want the evaluation", jobs, err)
	}
	over, err := c.Job(t.Context(), jobs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := s.Job(t.Context(), jobs[0].ID)
	if diff := cmp.Diff(direct, over, cmpopts.EquateErrors()); err != nil || diff != "" {
		t.Errorf("Job: %v, over HTTP it differs:\n%s", err, diff)
	}
}

// gatedCatalog lets no vector out until it is opened or the caller has enough.
type gatedCatalog struct {
	store.Catalog
	asked chan struct{}
	once  atomic.Bool
}

func (g *gatedCatalog) Vector(ctx context.Context, _, _ string) ([]float32, error) {
	if g.once.CompareAndSwap(false, true) {
		close(g.asked)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Who asks for long work and leaves does not leave it running.
func TestWorkEndsWithTheContextOfItsClient(t *testing.T) {
	inner := newService(t, apitest.OpenModel)
	gate := &gatedCatalog{Catalog: inner.Catalog, asked: make(chan struct{})}
	s := api.New(api.Options{Catalog: gate, OpenModel: apitest.OpenModel, Models: apitest.Models})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := serve(t, s, rest.Options{})
	if _, err := inner.Create(t.Context(), api.NewCollection{Name: "cases", Model: "quadrants", Tasks: []store.Task{{Name: "finding", Classes: []string{"dark", "light"}}}}); err != nil {
		t.Fatal(err)
	}
	ingested(t, inner.Ingest(t.Context(), "cases", pictures(t, 30), api.IngestOptions{}))
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := c.Evaluate(ctx, "cases", api.EvaluateOptions{}, nil)
		left <- err
	}()
	<-gate.asked
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Evaluate that is interrupted: got %v, want context.Canceled", err)
	}
	jobs, err := s.Jobs(t.Context())
	if err != nil || len(jobs) != 1 {
		t.Fatalf("Jobs: got %+v, %v, want one", jobs, err)
	}
	if j, err := s.Await(t.Context(), jobs[0].ID); err != nil || j.State != api.JobCancelled {
		t.Errorf("the job of a client that left: got %+v, %v, want it cancelled", j, err)
	}
	if j, err := c.Job(t.Context(), jobs[0].ID); err != nil || !errors.Is(j.Err, api.ErrCancelled) {
		t.Errorf("Job: got %+v, %v, want ErrCancelled", j, err)
	}
	if _, err := c.Cancel(t.Context(), "none"); !errors.Is(err, api.ErrJob) {
		t.Errorf("Cancel of no job: got %v, want ErrJob", err)
	}
}

// A job that can no longer be followed is not left running.
func TestWorkThatIsNotFollowedIsCancelled(t *testing.T) {
	cancelled := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Method {
		case http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
		case http.MethodGet:
			w.WriteHeader(http.StatusBadGateway)
		case http.MethodDelete:
			cancelled <- r.URL.Path
		}
		_, _ = io.WriteString(w, `{"id":"J","state":"running"}`)
	}))
	defer server.Close()
	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Evaluate(t.Context(), "cases", api.EvaluateOptions{}, nil); err == nil {
		t.Error("Evaluate: got no error, want that of the server")
	}
	select {
	case path := <-cancelled:
		if path != "/v1/jobs/J" {
			t.Errorf("cancelled: got %s, want the job", path)
		}
	default:
		t.Error("the job was not cancelled")
	}
}

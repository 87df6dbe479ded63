package rest_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/problem"
	"nearcase/api/rest"
	"nearcase/store"
)

func TestACollectionIsDownloaded(t *testing.T) {
	w := cases(t, 6)
	for format, mediaType := range map[string]string{"npz": "application/zip", "jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"} {
		a := w.get("/v1/collections/cases/export?format=" + format)
		var want bytes.Buffer
		if _, err := w.service.Export(t.Context(), "cases", api.ExportOptions{Format: format}, &want, nil); err != nil {
			t.Fatal(err)
		}
		if a.status != 200 || !bytes.Equal(a.body, want.Bytes()) {
			t.Errorf("export as %s: got %d and %d bytes, want the %d of the service", format, a.status, len(a.body), want.Len())
		}
		if got := a.header.Get("Content-Type") + " " + a.header.Get("Content-Disposition") + " " + a.header.Get("Nearcase-Instances"); got != mediaType+" attachment; filename=cases."+format+" 6" {
			t.Errorf("export as %s: got headers %s", format, got)
		}
	}
	a := w.get("/v1/collections/cases/export?vectors=false&tasks=finding&filter=" + url.QueryEscape(`{"field":"Modality","eq":"CR"}`))
	z, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); strings.Contains(got, "vectors") || strings.Contains(got, "marks") || a.header.Get("Nearcase-Instances") != "0" {
		t.Errorf("narrowed export: got %s of %s instances, want one task of none", got, a.header.Get("Nearcase-Instances"))
	}
}

func TestBadRequestsForExports(t *testing.T) {
	w := cases(t, 2)
	const at = "/v1/collections/cases/export"
	for query, code := range map[string]problem.Code{
		"?format=pickle":                           "query_invalid",
		"?format=npz&format=npz":                   problem.QueryParameter,
		"?tasks=age":                               "task_not_found",
		"?tasks=finding%7C":                        "task_not_found",
		"?vectors=some":                            problem.QueryParameter,
		"?filter=Modality":                         problem.QueryParameter,
		"?filter=%7B%7D%20%7B%7D":                  problem.QueryParameter,
		`?filter={"field":"PatientName","eq":"x"}`: "invalid",
		`?filter={"field":"Modality","in":[]}`:     problem.QueryParameter,
		"?all=true":                                problem.QueryParameter,
	} {
		a := w.get(at + strings.NewReplacer(`"`, "%22", " ", "%20").Replace(query))
		if p := a.problem(a.status, code); a.status/100 != 4 || a.header.Get("Content-Disposition") != "" {
			t.Errorf("export%s: got %d %+v, want a refusal", query, a.status, p)
		}
	}
	w.get("/v1/collections/none/export").problem(404, "collection_not_found")
}

// failingCatalog gives no vector after some.
type failingCatalog struct {
	store.Catalog
	left atomic.Int64
}

func (f *failingCatalog) Vector(ctx context.Context, collection, id string) ([]float32, error) {
	if f.left.Add(-1) < 0 {
		return nil, store.ErrDamaged
	}
	return f.Catalog.Vector(ctx, collection, id)
}

// What is cut short cannot be taken for the whole.
func TestAnExportThatFailsIsCutOff(t *testing.T) {
	w := cases(t, 20)
	catalog := &failingCatalog{Catalog: w.catalog}
	s := api.New(api.Options{Catalog: catalog, OpenModel: apitest.OpenModel, Models: apitest.Models})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	log := &apitest.Journal{}
	served := make(chan error, 1)
	go func() {
		served <- rest.New(s, rest.Options{Logger: slog.New(slog.NewJSONHandler(log, nil))}).Serve(ctx, listener)
	}()
	for _, format := range []string{"npz", "jsonl", "parquet"} {
		catalog.left.Store(10)
		answer, err := w.http.Get("http://" + listener.Addr().String() + "/v1/collections/cases/export?format=" + format)
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			err = errors.Join(err, answer.Body.Close())
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("export as %s that fails: got %v, want it cut off", format, err)
		}
	}
	stop()
	if err := errors.Join(<-served, s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), store.ErrDamaged.Error()); n != 3 {
		t.Errorf("log: got the reason %d times, want 3:\n%s", n, log)
	}
	w.send(http.MethodGet, "/livez", "", "").want(200)
}

package client_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"iter"
	"math/rand/v2"
	"net"
	"testing"

	"go.uber.org/goleak"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/client"
	"nearcase/api/rest"
	"nearcase/embed"
	"nearcase/store/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newService(t testing.TB, openModel func(string) (*embed.Model, error)) *api.Service {
	t.Helper()
	catalog, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := api.New(api.Options{Catalog: catalog, OpenModel: openModel, Models: apitest.Models, Workers: 2,
		Refit: api.Refit{When: api.Never}}) // two calls that are compared have one version of the probe
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve returns a client of a server on a real listener.
func serve(t testing.TB, s *api.Service, o rest.Options) *client.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New("http://"+listener.Addr().String(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rest.New(s, o).Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pictures yields n images of patients of their own, labelled in turn.
func pictures(t testing.TB, n int) iter.Seq[api.Image] {
	return func(yield func(api.Image) bool) {
		for i := range n {
			image := api.Image{
				ID: fmt.Sprintf("i%d", i), Patient: fmt.Sprintf("p%d", i), Study: "s", Name: fmt.Sprintf("film %d", i),
				Labels: map[string][]string{"finding": {[]string{"dark", "light"}[i%2]}},
				Read:   content(picture(t, uint64(i))),
			}
			if i%3 == 0 {
				image.Study = ""
			}
			if !yield(image) {
				return
			}
		}
	}
}

func content(b []byte) func() ([]byte, error) {
	return func() ([]byte, error) { return b, nil }
}

// picture returns a PNG that depends on the seed: light for odd ones, dark for
// even.
func picture(t testing.TB, seed uint64) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	m := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for y := range 16 {
		for x := range 16 {
			base := uint8(120 * (seed % 2))
			m.SetRGBA(x, y, color.RGBA{base + uint8(random.IntN(120)), base + uint8(random.IntN(100)), base + uint8(random.IntN(80)), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// ingested returns what an ingest yields, each item with its error's text.
func ingested(t testing.TB, items iter.Seq2[api.Item, error]) []string {
	t.Helper()
	var all []string
	for i, err := range items {
		if err != nil {
			t.Fatalf("Ingest after %d items: %v", len(all), err)
		}
		all = append(all, fmt.Sprintf("%d %s %q %s %v", i.Index, i.ID, i.Name, i.Status, i.Err))
	}
	return all
}

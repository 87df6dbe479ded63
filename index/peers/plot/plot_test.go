package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func example() Chart {
	return Chart{
		Title: "clustered: recall & throughput", X: "recall@10", Y: "queries/s",
		XScale: Recall(0.86), YScale: Log(90, 30_000),
		Series: []Series{
			{Name: "first <engine>", Strong: true, Points: []Point{{0.9, 28_000}, {0.99, 9000}, {1, 700}}},
			{Name: "second engine", Colour: 1, Points: []Point{{0.87, 20_000}, {0.95, 8000}, {0.9991, 650}}},
			{Name: "exact", Colour: 10, Points: []Point{{1, 100}}},
			{Name: "nothing"},
		},
	}
}

func TestChartIsTheGolden(t *testing.T) {
	got, path := example().SVG(), filepath.Join("testdata", "example.svg")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the chart differs from %s; look at it and run with -update", path)
	}
}

func TestChartIsWellFormed(t *testing.T) {
	d := xml.NewDecoder(bytes.NewReader(example().SVG()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLabelsDoNotCoverEachOther(t *testing.T) {
	c := Chart{XScale: Recall(0.5), YScale: Log(10, 1000)}
	for range 8 {
		c.Series = append(c.Series, Series{Name: "an engine", Points: []Point{{1, 11}}})
	}
	all := c.labels()
	for i, a := range all {
		for _, b := range all[i+1:] {
			if d := b.y - a.y; d < lineHeight-1 && d > 1-lineHeight {
				t.Errorf("labels at %.1f and %.1f overlap", a.y, b.y)
			}
		}
		if a.y < top || a.y > height-bottom {
			t.Errorf("label at %.1f is outside the plot", a.y)
		}
	}
}

func TestScalesHoldTheirEnds(t *testing.T) {
	for _, c := range []struct {
		name              string
		scale             Scale
		low, high         float64
		wantLow, wantHigh float64
	}{
		{"a log scale ends on ticks", Log(90, 30_000), 90, 30_000, 50, 50_000},
		{"a narrow log scale too", Log(300, 1900), 300, 1900, 200, 2000},
		{"recall ends at 1", Recall(0.86), 0.86, 1, 0.8, 1},
		{"recall of nothing begins at 0", Recall(0.01), 0.01, 1, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ticks := c.scale.Ticks
			if got := ticks[0].Value; got != c.wantLow {
				t.Errorf("begins at %g, want %g", got, c.wantLow)
			}
			if got := ticks[len(ticks)-1].Value; got != c.wantHigh {
				t.Errorf("ends at %g, want %g", got, c.wantHigh)
			}
			if low, high := c.scale.part(c.low), c.scale.part(c.high); low < 0 || low >= high || high > 1 {
				t.Errorf("%g and %g lie at %g and %g", c.low, c.high, low, high)
			}
		})
	}
}

func TestNumbersHaveCommas(t *testing.T) {
	for x, want := range map[float64]string{0.5: "0.5", 2: "2", 999.6: "1,000", 12_345: "12,345", 1e6: "1,000,000"} {
		if got := Number(x); got != want {
			t.Errorf("Number(%g) = %q, want %q", x, got, want)
		}
	}
}

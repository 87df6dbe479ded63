package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"nearcase/index/peers/plot"
)

// grown is an engine's rate at the aim on one core at each size, by size.
type grown struct {
	engine string
	ours   bool
	runs   []run
}

// byEngine groups the runs that reach the aim by engine.
func byEngine(r result) []grown {
	var all []grown
	for _, x := range r.Runs {
		if _, _, ok := reaching(x.on(1), aim); !ok {
			continue
		}
		i := slices.IndexFunc(all, func(g grown) bool { return g.engine == x.Engine })
		if i < 0 {
			i = len(all)
			all = append(all, grown{engine: x.Engine, ours: x.Ours && !x.Scan})
		}
		all[i].runs = append(all[i].runs, x)
	}
	for _, g := range all {
		slices.SortStableFunc(g.runs, func(a, b run) int { return cmp.Compare(a.Vectors, b.Vectors) })
	}
	return all
}

// growth plots queries a second against the number of vectors.
func growth(r result) plot.Chart {
	c := plot.Chart{Title: fmt.Sprintf("Queries a second at recall %g as the index grows, 1 core", aim), X: "vectors", Y: "queries/s"}
	least, most, slowest, fastest := 1e9, 1.0, 1e9, 1.0
	for _, g := range byEngine(r) {
		line := plot.Series{Name: g.engine, Colour: colour(g.engine), Strong: g.ours}
		for _, x := range g.runs {
			rate, n := x.atAim(), float64(x.Vectors)
			line.Points = append(line.Points, plot.Point{X: n, Y: rate})
			least, most, slowest, fastest = min(least, n), max(most, n), min(slowest, rate), max(fastest, rate)
		}
		c.Series = append(c.Series, line)
	}
	c.XScale = plot.Log(min(least, most), max(10, most))
	c.YScale = plot.Log(max(1, min(slowest, fastest)), max(10, fastest))
	return c
}

// atAim is the rate on one core at which the aim is reached, 0 if it is not.
func (r run) atAim() float64 {
	points := r.on(1)
	rate, first, ok := reaching(points, aim)
	if ok && r.Scan {
		return first.Single
	}
	return rate
}

func writeGrowth(b *bytes.Buffer, r result) {
	fmt.Fprintf(b, "## As the index grows\n\n![queries a second against the number of vectors](index-scaling.svg)\n\n")
	fmt.Fprintf(b, "At recall %g, on 1 core, measured %s:\n\n", aim, r.Machine.Date)
	header(b, "engine", "vectors", "queries/s", "ef", "p50", "p99", "build, "+cores(r.Settings.Threads), "save", "open", "resident bytes a vector")
	for _, g := range byEngine(r) {
		for _, x := range g.runs {
			_, first, _ := reaching(x.on(1), aim)
			row(b, g.engine, plot.Number(float64(x.Vectors)), plot.Number(x.atAim()), width(first.Ef),
				duration(first.P50), duration(first.P99), duration(x.seconds(r.Settings.Threads)), duration(x.Saved), duration(x.Opened),
				plot.Number(float64(x.Anonymous)/float64(x.Vectors)))
		}
	}
	b.WriteString("\n")
}

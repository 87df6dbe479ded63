package main

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"nearcase/index/peers/dataset"
	"nearcase/index/simd"
)

// rounding is by how much a score may fall short of the k-th best and still
// count: engines that sum in another order rank what is this close otherwise.
const rounding = 1e-6

// truth returns the k-th best score of every query, or the worst of all where
// the base has fewer than k. It runs on all cores.
func truth(s dataset.Set, k int) []float32 {
	kth := make([]float32, s.Queries.Len())
	base := s.Base.Rows()
	// Several queries share a pass over the base.
	const together = 16
	var next atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				from := int(next.Add(together)) - together
				if from >= len(kth) {
					return
				}
				fillTruth(kth, s.Queries, from, min(from+together, len(kth)), base, k)
			}
		})
	}
	group.Wait()
	return kth
}

func fillTruth(kth []float32, queries dataset.Matrix, from, to int, base [][]float32, k int) {
	best := make([][]float32, to-from)
	for _, row := range base {
		for i := range best {
			best[i] = keep(best[i], simd.Dot(queries.Row(from+i), row), k)
		}
	}
	for i, b := range best {
		kth[from+i] = b[len(b)-1]
	}
}

// keep inserts score into best, which is descending and at most k long.
func keep(best []float32, score float32, k int) []float32 {
	if len(best) == k && score <= best[k-1] {
		return best
	}
	at, _ := slices.BinarySearchFunc(best, score, func(a, b float32) int {
		if a > b {
			return -1
		}
		return 1
	})
	if len(best) == k {
		best = best[:k-1]
	}
	return slices.Insert(best, at, score)
}

// recall is the share of the k nearest that ids holds, k for each query. A
// neighbour counts by its score and not by its id, so that one of several
// equally near is as good as another, but not if it is named twice.
func recall(s dataset.Set, kth []float32, ids []uint32, k int) float64 {
	k = min(k, s.Base.Len())
	width := len(ids) / s.Queries.Len()
	hits := 0
	for q := range s.Queries.Len() {
		found := ids[q*width : (q+1)*width]
		for i, id := range found[:min(k, width)] {
			if int(id) < s.Base.Len() && !slices.Contains(found[:i], id) &&
				simd.Dot(s.Queries.Row(q), s.Base.Row(int(id))) >= kth[q]-rounding {
				hits++
			}
		}
	}
	return float64(hits) / float64(k*s.Queries.Len())
}

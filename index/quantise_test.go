package index

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nearcase/index/simd"
)

// Law: codes lose of a vector no more than encode says, and codes beyond the
// dimension stand for zero.
func TestEncodeBoundsWhatItLoses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, pair := range append(pairsOf(t), [][]float32{make([]float32, 70)}) {
			v := pair[0]
			codes := make([]uint8, stride(len(v)))
			scale, lost := encode(codes, v)
			if loss := distance(v, codes, scale); loss > float64(lost) || float64(lost) > loss*(1+1e-5)+1e-11 {
				t.Fatalf("encode(%d numbers) lost at most %g, want %g", len(v), lost, loss)
			}
			for i, c := range codes[len(v):] {
				if c != 128 {
					t.Fatalf("code %d beyond %d numbers = %d, want 128", len(v)+i, len(v), c)
				}
			}
		}
	})
}

// distance is the length of v less what codes stand for.
func distance(v []float32, codes []uint8, scale float32) float64 {
	var square float64
	for i, x := range v {
		d := float64(x) - float64(scale)*float64(int(codes[i])-128)
		square += d * d
	}
	return math.Sqrt(square)
}

// Law: a score, and the true inner product, are within doubt of what the codes
// say, and not above what the heads say, whatever frame they are in.
func TestCodesBoundEveryScore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := pairsOf(t)
		for _, f := range framesFor(pairs) {
			for _, pair := range pairs {
				mustBeBounded(t, f, pair[0], pair[1])
			}
		}
	})
}

// framesFor returns the frame of a new index, and one trained on the pairs.
func framesFor(pairs [][][]float32) []*frame {
	all := slices.Concat(pairs...)
	return []*frame{new(frame), train(all[:len(all)/2], len(all[0]))}
}

func TestHeadsBoundEveryScore(t *testing.T) {
	vectors := clustered(1200, 256)
	f := train(vectors, 256)
	if f.size == 0 {
		t.Fatalf("train(%d clustered vectors) found no directions, want some", len(vectors))
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		some := drawAwkward(r, rapid.IntRange(0, len(awkward)-1).Draw(t, "kind"), 10, 256)
		for range 20 {
			some = append(some, vectors[r.IntN(len(vectors))])
			mustBeBounded(t, f, some[r.IntN(len(some))], some[r.IntN(len(some))])
		}
	})
}

// mustBeBounded checks what scans rely on for one query and one row in a frame.
func mustBeBounded(t fataler, f *frame, vector, v []float32) {
	t.Helper()
	q, c := new(query), coded{frame: f}
	q.set(vector, f)
	c = c.grown(64, stride(len(v)))
	c.set(new(encoder), 0, v)
	var dot, headDot [1]int32
	q.codes.Scan(c.codes, dot[:])
	estimate, doubt := float64(c.approximate(q, 0, dot[0])), float64(c.doubt(q, 0))
	exact, score := exactDot(vector, v), float64(simd.Dot(vector, v))
	if math.Abs(exact-estimate) > doubt || math.Abs(score-estimate) > doubt {
		t.Fatalf("q·v = %g, score %g, by codes %g, want them within %g", exact, score, estimate, doubt)
	}
	if f.size == 0 {
		return
	}
	q.headCodes.Scan(c.headCodes, headDot[:])
	if most := float64(c.headMost(q, 0, headDot[0])); most < exact || most < score {
		t.Fatalf("q·v = %g, score %g, by heads at most %g", exact, score, most)
	}
}

// pairsOf draws pairs of vectors of one dimension, of which every third belong
// together.
func pairsOf(t *rapid.T) (pairs [][][]float32) {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	kind, d := rapid.IntRange(0, len(awkward)-1).Draw(t, "kind"), rapid.IntRange(1, 700).Draw(t, "d")
	for i := range 30 {
		pair := drawAwkward(r, kind, 2, d)
		switch i % 3 {
		case 1:
			pair[1] = nudged(r, pair[0])
		case 2:
			for i, x := range pair[0] {
				pair[1][i] = -x
			}
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

func TestSignedTakesTheOffsetOff(t *testing.T) {
	codes, signs := make([]uint8, 256), make([]int8, 256)
	for i := range codes {
		codes[i] = uint8(i)
	}
	signed(signs, codes)
	for i, s := range signs {
		if int(s) != i-128 {
			t.Fatalf("signed(%d) = %d, want %d", i, s, i-128)
		}
	}
}

// Law: candidates order as their scores do, then by row, and give both back.
func TestCandidatesOrderAsScoresDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		score := rapid.OneOf(rapid.Float32Range(-2, 2), rapid.SampledFrom([]float32{0, -1, 1, math.SmallestNonzeroFloat32}))
		row := rapid.Uint32Range(0, maxRows-1)
		s1, r1, s2, r2 := score.Draw(t, "s1"), row.Draw(t, "r1"), score.Draw(t, "s2"), row.Draw(t, "r2")
		a, b := candidateOf(s1, r1), candidateOf(s2, r2)
		if a.score() != s1 || a.row() != r1 || a.followed() || !(a | 1).followed() {
			t.Fatalf("candidateOf(%g, %d) = %x, score %g, row %d", s1, r1, uint64(a), a.score(), a.row())
		}
		if want := s1 > s2 || s1 == s2 && r1 > r2; s1 != 0 && (a > b) != want {
			t.Fatalf("candidate (%g, %d) > (%g, %d) = %t, want %t", s1, r1, s2, r2, a > b, want)
		}
	})
}

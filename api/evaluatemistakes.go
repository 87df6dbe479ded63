package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"slices"

	"nearcase/embed"
	"nearcase/probe/eval"
	"nearcase/probe/eval/report"
)

const (
	evidence  = 5  // neighbours of a mistake
	thumbnail = 96 // pixels of the longer side
)

// mistakes shows the surest errors of the best method that gives probabilities,
// or else of the best: one of each patient.
func (v *evaluation) mistakes(ctx context.Context, truth eval.Truth, methods []method, predicted []eval.Predictions, results []eval.Result) (all []report.Mistake) {
	best := bestResult(methods, results)
	if best < 0 || v.o.Mistakes == 0 {
		return nil
	}
	v.doing("mistakes")
	m := methods[best]
	w := v.networks[slices.IndexFunc(v.networks, func(w *network) bool { return w.Name == m.Model })]
	seen := map[string]bool{}
	for _, e := range eval.Mistakes(truth, predicted[best]) {
		if family := v.families[v.tested[e.Image]]; !seen[family] && len(all) < v.o.Mistakes {
			seen[family] = true
			all = append(all, v.mistake(ctx, w, m, e))
		}
	}
	return all
}

// bestResult is the position of the result with the highest AUC, of those with
// probabilities if there are any; negative without an AUC.
func bestResult(methods []method, results []eval.Result) int {
	best, most := -1, math.Inf(-1)
	for i, r := range results {
		auc, ok := r.Measure(eval.AUCMacro)
		value := auc.Value
		if methods[i].Probabilities != nil {
			value += 2 // before all others
		}
		if ok && value > most {
			best, most = i, value
		}
	}
	return best
}

func (v *evaluation) mistake(ctx context.Context, w *network, m method, e eval.Mistake) report.Mistake {
	at := v.tested[e.Image]
	c := v.cases[at]
	shown := report.Mistake{Model: m.Model, Method: m.Predictions.Method, ID: c.Instance.ID, Truth: c.Labels[v.task.Name].Classes,
		Predicted: e.Predicted, Image: v.picture(ctx, at)}
	if m.Probabilities != nil {
		shown.Probability = &e.Sure
	}
	near, err := v.among(ctx, w, v.division, at, evidence, false)
	if err != nil { // it is an illustration
		return shown
	}
	for _, n := range near {
		o := v.cases[n.At]
		shown.Neighbours = append(shown.Neighbours, report.Evidence{ID: o.Instance.ID, Score: float64(n.Score),
			Label: o.Labels[v.task.Name].Classes, Image: v.picture(ctx, int(n.At))})
	}
	return shown
}

// picture returns a small picture of an image as a data URI, empty where there is
// none to show: it is an illustration.
func (v *evaluation) picture(ctx context.Context, i int) string {
	if v.o.WithoutImages {
		return ""
	}
	data, err := v.s.thumbnailOf(ctx, v.networks[0].Name, v.cases[i].Instance.ID, v.cases[i].Instance.Frame)
	if err != nil {
		return ""
	}
	return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(data)
}

// thumbnailOf returns a small JPEG of what is kept of an instance.
func (s *Service) thumbnailOf(ctx context.Context, collection, id string, frame int) ([]byte, error) {
	r, err := s.Catalog.Original(ctx, collection, id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("original of %s: %w", id, err)
	}
	opened, err := embed.Open(data, s.Limits)
	if err != nil {
		return nil, err
	}
	p, err := opened.Picture(max(frame-1, 0), embed.View{})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, shrunk(p), &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

// shrunk is a picture of at most thumbnail pixels on a side: each is the mean of
// what it covers.
func shrunk(p *embed.Picture) image.Image {
	long := max(p.Width, p.Height)
	width, height := p.Width, p.Height
	if long > thumbnail {
		width, height = max(p.Width*thumbnail/long, 1), max(p.Height*thumbnail/long, 1)
	}
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			small.SetRGBA(x, y, meanOver(p, x*p.Width/width, y*p.Height/height, (x+1)*p.Width/width, (y+1)*p.Height/height))
		}
	}
	return small
}

func meanOver(p *embed.Picture, left, top, right, bottom int) color.RGBA {
	var sum [3]int
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			for c := range sum {
				sum[c] += int(p.Pix[3*(y*p.Width+x)+c])
			}
		}
	}
	n := (right - left) * (bottom - top)
	return color.RGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), 255}
}

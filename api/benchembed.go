package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nearcase/embed"
)

// EmbedBench is how fast images become vectors, stage by stage. Rates are images
// per second.
type EmbedBench struct {
	Model     string `json:"model"`
	Dimension int    `json:"dimension"`
	// Images that could be embedded, with their Bytes; Failed are others, which no
	// rate knows of.
	Images  int   `json:"images"`
	Bytes   int64 `json:"bytes"`
	Failed  int   `json:"failed,omitempty"`
	Workers int   `json:"workers"`
	Batch   int   `json:"batch"`
	// Stages are the parts of the work, each by itself in one goroutine.
	Stages []Stage `json:"stages"`
	// Network is the rate of the network alone, fed ready full batches by Workers
	// callers, and Whole that of reading, decoding, preprocessing and embedding by
	// as many. Both are medians of rounds by turns, and so is Ratio, of Whole to
	// Network.
	Network float64 `json:"network"`
	Whole   float64 `json:"whole"`
	Ratio   float64 `json:"ratio"`
}

// Stage is a part of the way from bytes to vector.
type Stage struct {
	Name      string        `json:"name"`
	PerSecond float64       `json:"per_second"`
	PerImage  time.Duration `json:"per_image_ns"`
}

// ErrNoImages means that none of the images could be embedded.
var ErrNoImages = errors.New("no image could be embedded")

// BenchEmbed measures the model on images, all of which it reads and none of
// which it stores. progress is told how far it is.
func (s *Service) BenchEmbed(ctx context.Context, model string, images []Image, progress func(done, total int)) (EmbedBench, error) {
	m, err := s.opened(model)
	if err != nil {
		return EmbedBench{}, err
	}
	b := embedBench{s: s, m: m.m, images: images, size: s.batchOf(m.m), length: m.m.Manifest().InputLen(), progress: progress}
	b.answer = EmbedBench{Model: model, Dimension: m.m.Dimension(), Workers: s.Workers, Batch: b.size}
	if err := b.alone(ctx); err != nil {
		return EmbedBench{}, err
	}
	if err := b.together(ctx); err != nil {
		return EmbedBench{}, err
	}
	return b.answer, nil
}

// benchRounds is how often the network and the whole way are measured by turns.
const benchRounds = 3

// middle returns the median of an odd number of values.
func middle(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

type embedBench struct {
	s        *Service
	m        *embed.Model
	images   []Image
	good     []Image // those that can be embedded, which alone finds out
	size     int     // of a batch
	length   int     // of an image's tensor
	progress func(done, total int)
	done     atomic.Int64
	tensor   []float32 // the first batch, full
	answer   EmbedBench
	// How long each stage took for the good images.
	read, decoded, prepared, ran time.Duration
}

// tell counts an image of n rounds.
func (b *embedBench) tell(n int64) {
	if done := b.done.Add(n); b.progress != nil {
		b.progress(int(done), (1+2*benchRounds)*len(b.images))
	}
}

// alone measures each stage by itself.
func (b *embedBench) alone(ctx context.Context) error {
	tensor := make([]float32, 0, b.size*b.length)
	for _, im := range b.images {
		if err := ctx.Err(); err != nil {
			return err
		}
		if tensor = b.add(im, tensor); len(tensor) == cap(tensor) {
			if err := b.run(ctx, tensor); err != nil {
				return err
			}
			tensor = tensor[:0]
		}
	}
	if err := b.run(ctx, tensor); err != nil {
		return err
	}
	if len(b.good) == 0 {
		return fmt.Errorf("%w: %d tried", ErrNoImages, len(b.images))
	}
	b.stages()
	return nil
}

// add reads, decodes and preprocesses an image to the end of tensor, which it
// returns. One that cannot be embedded is counted and takes no part in any rate.
func (b *embedBench) add(im Image, tensor []float32) []float32 {
	t0, at := time.Now(), len(tensor)
	data, err := im.Read()
	t1 := time.Now()
	picture, err := b.decode(data, err)
	t2 := time.Now()
	if err == nil {
		tensor = tensor[:at+b.length]
		err = b.m.Manifest().Preprocess(picture, tensor[at:])
	}
	if err != nil {
		b.answer.Failed++
		b.tell(1 + 2*benchRounds)
		return tensor[:at]
	}
	b.read, b.decoded, b.prepared = b.read+t1.Sub(t0), b.decoded+t2.Sub(t1), b.prepared+time.Since(t2)
	b.good, b.answer.Bytes = append(b.good, im), b.answer.Bytes+int64(len(data))
	b.tell(1)
	return tensor
}

// run embeds the images of a tensor. The first is kept, its images repeated until
// it is full.
func (b *embedBench) run(ctx context.Context, tensor []float32) error {
	if len(tensor) == 0 {
		return nil
	}
	for room := b.size * b.length; len(b.tensor) < room; {
		b.tensor = append(b.tensor, tensor[:min(len(tensor), room-len(b.tensor))]...)
	}
	started := time.Now()
	_, err := b.m.Embed(ctx, tensor, len(tensor)/b.length)
	b.ran += time.Since(started)
	return err
}

// stages makes rates of what each stage took.
func (b *embedBench) stages() {
	n := len(b.good)
	b.answer.Images = n
	for _, stage := range []struct {
		name string
		took time.Duration
	}{{"read", b.read}, {"decode", b.decoded}, {"preprocess", b.prepared}, {"network", b.ran}} {
		b.answer.Stages = append(b.answer.Stages, Stage{stage.name, float64(n) / stage.took.Seconds(), stage.took / time.Duration(n)})
	}
}

// together measures the network and the whole way by turns.
func (b *embedBench) together(ctx context.Context) error {
	var networks, wholes, ratios []float64
	for range benchRounds {
		network, err := b.each(ctx, b.network)
		if err != nil {
			return err
		}
		whole, err := b.each(ctx, b.whole)
		if err != nil {
			return err
		}
		networks, wholes, ratios = append(networks, network), append(wholes, whole), append(ratios, whole/network)
	}
	b.answer.Network, b.answer.Whole, b.answer.Ratio = middle(networks), middle(wholes), middle(ratios)
	return nil
}

func (b *embedBench) decode(data []byte, err error) (*embed.Picture, error) {
	if err != nil {
		return nil, err
	}
	img, err := embed.Open(data, b.s.Limits)
	if err != nil {
		return nil, err
	}
	return img.Picture(0, b.m.Manifest().View())
}

// each runs work for every batch of good images from Workers goroutines, and
// returns the images a second that work says it embedded.
func (b *embedBench) each(ctx context.Context, work func(context.Context, []Image) (int, error)) (float64, error) {
	var next, count atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, b.s.Workers)
	started := time.Now()
	for w := range b.s.Workers {
		group.Go(func() {
			for errs[w] == nil && ctx.Err() == nil {
				from := int(next.Add(int64(b.size))) - b.size
				if from >= len(b.good) {
					return
				}
				var n int
				n, errs[w] = work(ctx, b.good[from:min(from+b.size, len(b.good))])
				count.Add(int64(n))
			}
		})
	}
	group.Wait()
	return float64(count.Load()) / time.Since(started).Seconds(), errors.Join(append(errs, ctx.Err())...)
}

// network embeds the full batch that is ready, in place of the images.
func (b *embedBench) network(ctx context.Context, images []Image) (int, error) {
	_, err := b.m.Embed(ctx, b.tensor, b.size)
	b.tell(int64(len(images)))
	return b.size, err
}

// whole goes the whole way with images. One that has become bad since is an error.
func (b *embedBench) whole(ctx context.Context, images []Image) (int, error) {
	tensor := make([]float32, len(images)*b.length)
	for i, im := range images {
		data, err := im.Read()
		picture, err := b.decode(data, err)
		if err == nil {
			err = b.m.Manifest().Preprocess(picture, tensor[i*b.length:(i+1)*b.length])
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", im.Name, err)
		}
		b.tell(1)
	}
	_, err := b.m.Embed(ctx, tensor, len(images))
	return len(images), err
}

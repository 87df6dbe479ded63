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
	Images    int    `json:"images"`
	Bytes     int64  `json:"bytes"`
	Failed    int    `json:"failed,omitempty"`
	Workers   int    `json:"workers"`
	Batch     int    `json:"batch"`
	// Stages are the parts of the work, each by itself in one goroutine.
	Stages []Stage `json:"stages"`
	// Network is the rate of the network alone, fed ready tensors by Workers
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
	b := embedBench{s: s, m: m.m, images: images, size: s.batchOf(m.m), progress: progress}
	b.answer = EmbedBench{Model: model, Dimension: m.m.Dimension(), Workers: s.Workers, Batch: b.size}
	if err := b.alone(ctx); err != nil {
		return EmbedBench{}, err
	}
	var networks, wholes, ratios []float64
	for range benchRounds {
		network, err := b.network(ctx)
		if err != nil {
			return EmbedBench{}, err
		}
		whole, err := b.whole(ctx)
		if err != nil {
			return EmbedBench{}, err
		}
		networks, wholes, ratios = append(networks, network), append(wholes, whole), append(ratios, whole/network)
	}
	b.answer.Network, b.answer.Whole, b.answer.Ratio = middle(networks), middle(wholes), middle(ratios)
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
	size     int // of a batch
	progress func(done, total int)
	done     atomic.Int64
	tensor   []float32 // a batch of images
	answer   EmbedBench
}

// tell counts an image of one of the rounds.
func (b *embedBench) tell() {
	if n := b.done.Add(1); b.progress != nil {
		b.progress(int(n), (1+2*benchRounds)*len(b.images))
	}
}

// alone measures each stage by itself.
func (b *embedBench) alone(ctx context.Context) error {
	var read, decode, prepare, run time.Duration
	length := b.m.Manifest().InputLen()
	tensor := make([]float32, 0, b.size*length)
	for i, im := range b.images {
		if err := ctx.Err(); err != nil {
			return err
		}
		t0 := time.Now()
		data, err := im.Read()
		t1 := time.Now()
		picture, err := b.decode(data, err)
		t2 := time.Now()
		if err == nil {
			at := len(tensor)
			tensor = tensor[:at+length]
			err = b.m.Manifest().Preprocess(picture, tensor[at:])
		}
		if b.tell(); err != nil {
			b.answer.Failed++
			continue
		}
		read, decode, prepare = read+t1.Sub(t0), decode+t2.Sub(t1), prepare+time.Since(t2)
		b.answer.Images, b.answer.Bytes = b.answer.Images+1, b.answer.Bytes+int64(len(data))
		if len(tensor) == cap(tensor) || i == len(b.images)-1 {
			t3 := time.Now()
			if _, err := b.m.Embed(ctx, tensor, len(tensor)/length); err != nil {
				return err
			}
			run += time.Since(t3)
			b.tensor, tensor = tensor, make([]float32, 0, b.size*length)
		}
	}
	n := b.answer.Images
	if n == 0 || b.tensor == nil {
		return fmt.Errorf("%w: %d tried", ErrNoImages, len(b.images))
	}
	for _, stage := range []struct {
		name string
		took time.Duration
	}{{"read", read}, {"decode", decode}, {"preprocess", prepare}, {"network", run}} {
		b.answer.Stages = append(b.answer.Stages, Stage{stage.name, float64(n) / stage.took.Seconds(), stage.took / time.Duration(n)})
	}
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

// each runs work for every batch of images from Workers goroutines and returns
// images per second.
func (b *embedBench) each(ctx context.Context, work func(images []Image) error) (float64, error) {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, b.s.Workers)
	started := time.Now()
	for w := range b.s.Workers {
		group.Go(func() {
			for errs[w] == nil && ctx.Err() == nil {
				from := int(next.Add(int64(b.size))) - b.size
				if from >= len(b.images) {
					return
				}
				errs[w] = work(b.images[from:min(from+b.size, len(b.images))])
			}
		})
	}
	group.Wait()
	return float64(b.answer.Images) / time.Since(started).Seconds(), errors.Join(append(errs, ctx.Err())...)
}

func (b *embedBench) network(ctx context.Context) (float64, error) {
	length := b.m.Manifest().InputLen()
	n := len(b.tensor) / length
	return b.each(ctx, func(images []Image) error {
		for range images {
			b.tell()
		}
		n := min(n, len(images))
		_, err := b.m.Embed(ctx, b.tensor[:n*length], n)
		return err
	})
}

func (b *embedBench) whole(ctx context.Context) (float64, error) {
	length := b.m.Manifest().InputLen()
	return b.each(ctx, func(images []Image) error {
		tensor, n := make([]float32, len(images)*length), 0
		for _, im := range images {
			b.tell()
			data, err := im.Read()
			if picture, err := b.decode(data, err); err == nil {
				if err := b.m.Manifest().Preprocess(picture, tensor[n*length:(n+1)*length]); err == nil {
					n++
				}
			}
		}
		_, err := b.m.Embed(ctx, tensor[:n*length], n)
		return err
	})
}

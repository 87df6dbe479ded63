package api

import (
	"context"
	"sync"

	"nearcase/embed"
)

// batcher lets concurrent callers share runs of a network. Whoever finds a
// free turn runs at once what waits, up to a batch, so that a lone caller waits
// for nobody, and a crowd waits for the runs before it and no timer.
type batcher struct {
	s *Service
	m *embed.Model

	mu      sync.Mutex
	waiting []*asked
	running int // turns that are taken or waited for
}

// asked is one caller's pictures, of which there are few.
type asked struct {
	tensor  []float32
	n       int
	vectors [][]float32
	err     error
	done    chan struct{}
}

// embed returns the vectors of n preprocessed pictures. A context that ends
// while others embed them gives up the wait for them.
func (b *batcher) embed(ctx context.Context, tensor []float32, n int) ([][]float32, error) {
	a := &asked{tensor: tensor, n: n, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, a)
	lead := b.running < b.s.Workers
	if lead {
		b.running++
	}
	b.mu.Unlock()
	if lead {
		b.lead(ctx)
	}
	select {
	case <-a.done:
		return a.vectors, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lead takes one turn to use the processor and hands the lead on if more waits
// by then.
func (b *batcher) lead(ctx context.Context) {
	if err := b.s.embedding(ctx); err == nil {
		b.run(b.take())
		b.s.embedded()
	}
	b.mu.Lock()
	more := len(b.waiting) > 0
	if !more {
		b.running--
	}
	b.mu.Unlock()
	if more {
		// Those who wait have nobody else; their contexts end their own waits only.
		b.s.background.Go(func() { b.lead(context.WithoutCancel(ctx)) })
	}
}

// take takes what waits, up to a batch and at least one caller's.
func (b *batcher) take() []*asked {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, pictures, most := 0, 0, b.s.batchOf(b.m)
	for n < len(b.waiting) && (n == 0 || pictures+b.waiting[n].n <= most) {
		pictures += b.waiting[n].n
		n++
	}
	taken := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return taken
}

// run embeds what several callers ask for. A picture that the network gives no
// vector for fails its own caller alone.
func (b *batcher) run(together []*asked) {
	if len(together) == 0 { // another turn took it
		return
	}
	ctx := context.Background() // one caller's end must not fail the others
	tensor, n := together[0].tensor, together[0].n
	if len(together) > 1 {
		tensor, n = nil, 0
		for _, a := range together {
			tensor, n = append(tensor, a.tensor...), n+a.n
		}
	}
	vectors, err := b.m.Embed(ctx, tensor, n)
	for _, a := range together {
		switch {
		case err == nil:
			a.vectors, vectors = vectors[:a.n:a.n], vectors[a.n:]
		case len(together) == 1:
			a.err = err
		default:
			a.vectors, a.err = b.m.Embed(ctx, a.tensor, a.n)
		}
		close(a.done)
	}
}

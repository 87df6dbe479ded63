package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nearcase/embed"
	"nearcase/store"
)

// pageEntries is how many entries of a log are followed at most before what was made
// is kept.
const pageEntries = 1024

// reembedder lets a shadow follow its collection's log.
type reembedder struct {
	s         *Service
	c, hidden store.Collection
	m         *embed.Model
	size      int // of a batch
	workers   int
	turn      func(context.Context) error // to use the processor
	leaveOut  bool
	perSecond float64 // 0: no bound
	advanced  func()
	pace      *pace
	progress  func(done, total int)
}

// follow follows the log until its end has been met.
func (r *reembedder) follow(ctx context.Context) error {
	for {
		more, err := r.step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// step follows a part of the log, and reports whether there is more.
func (r *reembedder) step(ctx context.Context) (more bool, err error) {
	began := time.Now()
	behind, err := r.s.Catalog.Status(ctx, r.hidden.Name)
	if err != nil {
		return false, err
	}
	page, err := r.page(ctx, behind.Head)
	if err != nil || len(page) == 0 {
		return false, err
	}
	vectors, err := r.vectors(ctx, page)
	if err != nil {
		return false, err
	}
	if _, err = r.s.Catalog.Mirror(ctx, r.c.Name, page[len(page)-1].Key, vectors); err != nil {
		return false, err
	}
	if r.advanced != nil && len(vectors) > 0 {
		r.advanced()
	}
	r.tell(ctx)
	return true, r.rest(ctx, began, len(vectors))
}

// page reads entries of the log after a key, with no more images than the workers
// embed at once.
func (r *reembedder) page(ctx context.Context, after store.Key) (page []store.Entry, err error) {
	images := 0
	for e, err := range r.s.Catalog.Log(ctx, r.c.Name, after) {
		if err != nil {
			return nil, err
		}
		if page = append(page, e); e.Kind == store.KindPut {
			images++
		}
		if images == r.workers*r.size || len(page) == pageEntries {
			break
		}
	}
	return page, nil
}

// tell tells how far it is.
func (r *reembedder) tell(ctx context.Context) {
	if r.progress == nil {
		return
	}
	of, err := r.s.Catalog.Status(ctx, r.c.Name)
	behind, failed := r.s.Catalog.Status(ctx, r.hidden.Name)
	if err == nil && failed == nil {
		r.progress(min(behind.Instances, of.Instances), of.Instances)
	}
}

// rest waits until no more images than may be have been embedded in the time.
func (r *reembedder) rest(ctx context.Context, began time.Time, images int) error {
	if r.perSecond <= 0 || images == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Duration(float64(images)/r.perSecond*float64(time.Second)) - time.Since(began))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// vectors embeds the instances that entries put, by key: nil for those left out.
func (r *reembedder) vectors(ctx context.Context, entries []store.Entry) (map[store.Key][]float32, error) {
	puts := slices.DeleteFunc(slices.Clone(entries), func(e store.Entry) bool { return e.Kind != store.KindPut })
	all, mu := make(map[store.Key][]float32, len(puts)), sync.Mutex{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.workers)
	for some := range slices.Chunk(puts, r.size) {
		group.Go(func() error {
			made, err := r.embed(ctx, some)
			mu.Lock()
			defer mu.Unlock()
			for i, v := range made {
				all[some[i].Key] = v
			}
			return err
		})
	}
	return all, group.Wait()
}

// embed embeds a batch in a turn. What cannot be has no vector, or is ErrNotKept.
func (r *reembedder) embed(ctx context.Context, batch []store.Entry) ([][]float32, error) {
	if err := r.turn(ctx); err != nil {
		return nil, err
	}
	defer r.s.embedded()
	began := time.Now()
	length := r.m.Manifest().InputLen()
	tensor, of := make([]float32, 0, len(batch)*length), []int{}
	vectors := make([][]float32, len(batch))
	files := fileReader{r: r}
	for i, e := range batch {
		part := tensor[len(tensor) : len(tensor)+length]
		switch err := files.tensor(ctx, e, part); {
		case err == nil:
			tensor, of = tensor[:len(tensor)+length], append(of, i)
		case !r.leavesOut(ctx, e, err):
			return nil, err
		}
	}
	made, err := r.run(ctx, batch, tensor, of)
	for j, i := range of {
		vectors[i] = made[j]
	}
	r.pace.add(len(of), time.Since(began))
	return vectors, err
}

// run runs the network on the tensor of some of a batch, one by one where one of them
// fails.
func (r *reembedder) run(ctx context.Context, batch []store.Entry, tensor []float32, of []int) ([][]float32, error) {
	n := len(of)
	if n == 0 {
		return nil, nil
	}
	made, err := r.m.Embed(ctx, tensor, n)
	if err == nil {
		return made, nil
	}
	made, length := make([][]float32, n), len(tensor)/n
	for j, i := range of {
		v, err := r.m.Embed(ctx, tensor[j*length:(j+1)*length], 1)
		if err == nil {
			made[j] = v[0]
		} else if !r.leavesOut(ctx, batch[i], err) {
			return made, fmt.Errorf("%w: instance %s: %w", ErrNotKept, batch[i].Instance.ID, err)
		}
	}
	return made, nil
}

// leavesOut reports whether an instance that cannot be embedded is passed over: it may
// be left out, or is gone. Otherwise it is why nothing goes on.
func (r *reembedder) leavesOut(ctx context.Context, e store.Entry, why error) bool {
	if ctx.Err() != nil {
		return false
	}
	if r.leaveOut && errors.Is(why, ErrNotKept) || r.leaveOut && errors.Is(why, embed.ErrNotVector) {
		return true
	}
	now, err := r.s.Catalog.Instance(ctx, r.c.Name, e.Instance.ID)
	return errors.Is(err, store.ErrInstance) || err == nil && now.Key != e.Key
}

// fileReader reads the originals of a batch, of a file with several images once.
type fileReader struct {
	r     *reembedder
	of    string // digest of the file
	image *embed.Image
}

// tensor makes what the network takes of an instance.
func (f *fileReader) tensor(ctx context.Context, e store.Entry, tensor []float32) error {
	i, m := e.Instance, f.r.m.Manifest()
	err := f.open(ctx, i)
	if err == nil {
		var picture *embed.Picture
		if picture, err = f.image.Picture(max(i.Frame, 1)-1, m.View()); err == nil {
			err = m.Preprocess(picture, tensor)
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnread) || errors.Is(err, embed.ErrInterrupted): // it may be read another time
		return fmt.Errorf("instance %s: %w", i.ID, err)
	}
	return fmt.Errorf("%w: instance %s: %w", ErrNotKept, i.ID, err)
}

// errUnread is an original that is there and cannot be read.
var errUnread = errors.New("the original cannot be read")

// open opens the original of an instance, unless it is open.
func (f *fileReader) open(ctx context.Context, i *store.Instance) error {
	if f.image != nil && f.of == i.Original() {
		return nil
	}
	data, err := f.r.s.original(ctx, f.r.c.Name, i.ID)
	if errors.Is(err, store.ErrOriginal) || errors.Is(err, store.ErrInstance) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	f.image, err = embed.Open(data, f.r.s.Limits)
	f.of = i.Original()
	return err
}

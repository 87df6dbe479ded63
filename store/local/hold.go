package local

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"nearcase/store"
)

// holdKey is that of a hold in a context.
type holdKey struct{}

// hold is what names stand for in a context.
type hold struct {
	catalog *Catalog
	mu      sync.Mutex
	of      map[string]*collection
}

// Hold implements store.Catalog.
func (l *Catalog) Hold(ctx context.Context) context.Context {
	if h, ok := ctx.Value(holdKey{}).(*hold); ok && h.catalog == l {
		return ctx
	}
	return context.WithValue(ctx, holdKey{}, &hold{catalog: l, of: map[string]*collection{}})
}

// collection returns an open collection by name, for who reads: as the context holds
// it, if it does.
func (l *Catalog) collection(ctx context.Context, name string) (*collection, error) {
	h, ok := ctx.Value(holdKey{}).(*hold)
	if !ok || h.catalog != l {
		return l.named(ctx, name)
	}
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.of[name]; c != nil && c.isGone() == nil {
		return c, nil
	}
	c, err := l.named(ctx, name)
	if err == nil {
		h.of[name] = c
	}
	return c, err
}

// errExchanged is a change to a collection behind which another has gone, or that
// was asked for by its hidden name.
var errExchanged = fmt.Errorf("%w: another model's vectors stand under this name by now", store.ErrFingerprint)

// writable is why a change cannot be planned, if it cannot. The caller holds the
// lock, or is the writer.
func (c *collection) writable() error {
	if err := c.gone(); err != nil {
		return err
	}
	if c.meta.Shadow != nil {
		return fmt.Errorf("collection %s: %w", c.meta.Name, errExchanged)
	}
	return nil
}

// changing runs f for the collection of a name, and again for what has taken its
// place while f was waiting for the writer.
func (l *Catalog) changing(ctx context.Context, name string, f func(c *collection) error) error {
	for {
		c, err := l.named(ctx, name)
		if err != nil {
			return err
		}
		if err = f(c); !errors.Is(err, errExchanged) || store.IsShadowName(name) {
			return err
		}
	}
}

package local

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"nearcase/store"
)

// Amend implements store.Catalog.
func (l *Catalog) Amend(ctx context.Context, name string, a store.Amendment) error {
	return l.describing(ctx, name, func(c *collection) error {
		meta := c.meta // no other goroutine changes it
		if a.Description != nil {
			meta.Description = *a.Description
		}
		if a.DiscardOriginals != nil {
			meta.DiscardOriginals = *a.DiscardOriginals
		}
		if a.MaxInstances != nil {
			meta.Quota.Instances = *a.MaxInstances
		}
		if a.MaxBytes != nil {
			meta.Quota.Bytes = *a.MaxBytes
		}
		if err := meta.Validate(); err != nil {
			return err
		}
		if err := c.describe(meta); err != nil {
			return err
		}
		if err := c.discard(meta.DiscardOriginals); err != nil {
			return fmt.Errorf("collection %s: %w", name, err)
		}
		return nil
	})
}

// discard gives up the originals with their thumbnails, or needs them again. It runs
// in the writer. Files that a crash leaves are swept at the next start.
func (c *collection) discard(discards bool) (err error) {
	if c.discards.Load() == discards {
		return nil
	}
	c.mu.Lock()
	digests := make([]string, 0, len(c.rows))
	for _, i := range c.rows {
		digests = append(digests, i.Original())
	}
	c.discards.Store(discards) // no thumbnail is placed from here on
	c.sizes.known = false
	c.taken()
	c.mu.Unlock()
	if discards {
		err = c.catalog.files.RemoveAll(filepath.Join(c.derivedDir(), thumbnails))
	}
	for _, digest := range digests {
		if discards {
			err = errors.Join(err, c.catalog.originals.release(digest))
		} else {
			c.catalog.originals.keep(digest)
		}
	}
	return err
}

package local

import (
	"errors"
	"fmt"

	"nearcase/store"
)

// growth is by how much instances make a collection larger.
type growth struct {
	instances int
	bytes     int64
}

// sizes are what a collection takes of its quota. The zero value is not known yet.
type sizes struct {
	known  bool
	bytes  int64  // of originals as received, each once, and vectors
	staged growth // by the commit in the making; the writer's own
}

// vectorBytes is what a vector of the collection takes.
func (c *collection) vectorBytes() int64 { return 4 * int64(c.meta.Dimension) }

// taken is how many bytes count for the quota. The caller holds the lock, for
// writing if they are not known.
func (c *collection) taken() int64 {
	if !c.sizes.known {
		c.sizes.known, c.sizes.bytes = true, c.vectorBytes()*int64(len(c.rows))
		for _, keys := range c.digests {
			c.sizes.bytes += c.originalBytes(c.rows[keys[0]])
		}
	}
	return c.sizes.bytes
}

// measure counts what the collection takes of its quota, and what was erased of it
// unless the rows that were saved tell.
func (c *collection) measure() error {
	erased, err := c.erasedSince()
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken(); c.rowsAt == 0 {
		c.deleted += erased
	}
	return nil
}

// originalBytes is what the original of an instance takes, as received.
func (c *collection) originalBytes(i *store.Instance) int64 {
	if i == nil || c.original(i) == "" {
		return 0
	}
	return i.Size
}

// resize counts an instance that comes or goes, of which digests has no other then.
// The caller holds the lock.
func (c *collection) resize(i *store.Instance, sign int64) {
	if !c.sizes.known {
		return
	}
	c.sizes.bytes += sign * c.vectorBytes()
	others := len(c.digests[i.Digest])
	if sign > 0 {
		others--
	}
	if others == 0 {
		c.sizes.bytes += sign * c.originalBytes(i)
	}
}

// fits returns ErrQuota where entries would make the collection larger than it may
// be. Replacing and deleting is possible in any case. The caller holds the lock.
func (c *collection) fits(entries []store.Entry) error {
	most := c.meta.Quota
	if most == (store.Quota{}) {
		return nil
	}
	by := c.growthOf(entries)
	if n := len(c.rows) + c.sizes.staged.instances + by.instances; most.Instances > 0 && by.instances > 0 && n > most.Instances {
		return fmt.Errorf("collection %s: %w: %d instances of %d (max_instances)", c.meta.Name, store.ErrQuota, len(c.rows)+c.sizes.staged.instances, most.Instances)
	}
	if n := c.sizes.bytes + c.sizes.staged.bytes + by.bytes; most.Bytes > 0 && by.bytes > 0 && n > most.Bytes {
		return fmt.Errorf("collection %s: %w: %d bytes of %d, and this takes %d (max_bytes)", c.meta.Name, store.ErrQuota, c.sizes.bytes+c.sizes.staged.bytes, most.Bytes, by.bytes)
	}
	return nil
}

// growthOf is what entries add to the collection. The caller holds the lock.
func (c *collection) growthOf(entries []store.Entry) (by growth) {
	seen := map[string]bool{}
	for _, e := range entries {
		if e.Retires != 0 {
			by.count(c, c.rows[e.Retires], -1, len(c.digests[digestOf(c.rows[e.Retires])]) == 1)
		}
		if e.Kind == store.KindPut {
			digest := e.Instance.Digest
			by.count(c, e.Instance, 1, len(c.digests[digest]) == 0 && !seen[digest])
			seen[digest] = true
		}
	}
	return by
}

func digestOf(i *store.Instance) string {
	if i == nil {
		return ""
	}
	return i.Digest
}

// count adds an instance, and its original if no other has it.
func (g *growth) count(c *collection, i *store.Instance, sign int, alone bool) {
	if i == nil {
		return
	}
	g.instances += sign
	g.bytes += int64(sign) * c.vectorBytes()
	if alone {
		g.bytes += int64(sign) * c.originalBytes(i)
	}
}

// stage counts what is committed next. It runs in the writer.
func (c *collection) stage(entries []store.Entry) {
	if c.meta.Quota == (store.Quota{}) {
		return
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	by := c.growthOf(entries)
	c.sizes.staged.instances += by.instances
	c.sizes.staged.bytes += by.bytes
}

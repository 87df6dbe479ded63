package crash

import (
	"context"
	"fmt"
	"slices"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/store"
)

// follower reads the changes feed, across all restarts, and keeps what it says that
// there is.
type follower struct {
	cursor string
	last   store.Key
	fresh  bool // from the beginning, so that what is erased was never read
	stale  int  // reads since something was erased that had been read; 0 is none
	keys   map[string]store.Key
	said   map[string][]api.Change
}

func newFollower() *follower {
	return &follower{fresh: true, keys: map[string]store.Key{}, said: map[string][]api.Change{}}
}

// patience is how many reads a follower puts off to begin anew, which takes longer
// the longer the log is.
const patience = 5

// read reads on, and holds what the feed says to the model. Once something is erased
// nothing tells what to take back, so that it begins anew.
func (f *follower) read(ctx context.Context, c *client.Client, m *model) error {
	if f.stale > patience {
		*f = *newFollower()
	}
	for more := true; more; {
		changes, err := c.Changes(ctx, api.ChangesQuery{Since: f.cursor, Collection: collection, Limit: api.MaxChanges})
		if err != nil {
			return fmt.Errorf("%w: changes after %q: %w", ErrViolated, f.cursor, err)
		}
		for _, change := range changes.Changes {
			if err := f.take(change, m); err != nil {
				return err
			}
		}
		f.cursor, more = changes.Next, changes.More
	}
	f.fresh = false
	if f.stale > 0 {
		f.stale++
		return nil
	}
	return f.check(m)
}

// take takes in a change.
func (f *follower) take(c api.Change, m *model) error {
	if c.Key == 0 {
		return nil // of the collection, a study or a job
	}
	if c.Key <= f.last {
		return fmt.Errorf("%w: the changes go from key %d to %d", ErrViolated, f.last, c.Key)
	}
	f.last = c.Key
	if m.gone[c.Instance] && f.fresh {
		return fmt.Errorf("%w: the changes name %s, which was erased", ErrViolated, c.Instance)
	}
	switch c.Type {
	case api.InstanceStored, api.InstanceReplaced:
		f.keys[c.Instance] = c.Key
	case api.InstanceDeleted:
		delete(f.keys, c.Instance)
		delete(f.said, c.Instance)
	case api.LabelChanged:
		f.said[c.Instance] = append(f.said[c.Instance], c)
	case api.InstanceErased:
		if !f.fresh {
			f.stale = max(f.stale, 1)
		}
	}
	return nil
}

// check holds what the feed has said to the model.
func (f *follower) check(m *model) error {
	for id, i := range m.instances {
		if f.keys[id] != i.key {
			return fmt.Errorf("%w: the changes say that %s has key %d, want %d", ErrViolated, id, f.keys[id], i.key)
		}
		same := slices.EqualFunc(f.said[id], i.history, func(c api.Change, l store.Label) bool {
			return c.Task == l.Task && c.Withdrawn == l.Removed && slices.Equal(c.Classes, l.Classes) && c.Time.Equal(l.Time)
		})
		if !same {
			return fmt.Errorf("%w: the changes tell of %d labels of %s, %+v, want %d, %+v", ErrViolated, len(f.said[id]), id, f.said[id], len(i.history), i.history)
		}
	}
	if len(f.keys) != len(m.instances) {
		return fmt.Errorf("%w: the changes tell of %d instances, want %d", ErrViolated, len(f.keys), len(m.instances))
	}
	return nil
}

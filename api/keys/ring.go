package keys

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nearcase/store"
)

// kind of the documents that keys are.
const kind = "key"

// Documents keep keys durably. A store.Catalog does.
type Documents interface {
	SaveDocument(ctx context.Context, kind, name string, data []byte) error
	Documents(ctx context.Context, kind string) ([]store.Document, error)
}

// Ring holds all keys, in memory for who asks and in documents. Its methods
// are safe for concurrent use.
type Ring struct {
	documents Documents
	changing  sync.Mutex // held while documents are saved
	mu        sync.RWMutex
	keys      map[string]*held
	damaged   error
}

// held is a key with what its tokens are checked by. Save for used it is
// replaced and not changed.
type held struct {
	kept
	used atomic.Int64 // hour of the last use since 1970
}

// kept is the document of a key.
type kept struct {
	Key  Key    `json:"key"`
	Hash []byte `json:"hash"`
	// Old is the hash from before the last rotation.
	Old []byte `json:"old,omitempty"`
}

// Open reads the keys there are. One that is damaged is none: see Damaged.
func Open(ctx context.Context, d Documents) (*Ring, error) {
	all, err := d.Documents(ctx, kind)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return nil, fmt.Errorf("read API keys: %w", err)
	}
	r := &Ring{documents: d, keys: map[string]*held{}, damaged: err}
	for _, document := range all {
		k := &held{}
		if err := json.Unmarshal(document.Data, &k.kept); err != nil || k.Key.ID != document.Name || len(k.Hash) != sha256.Size {
			r.damaged = errors.Join(r.damaged, fmt.Errorf("API key %q: %w: its document is not that of a key", document.Name, store.ErrDamaged))
			continue
		}
		if !k.Key.LastUsed.IsZero() {
			k.used.Store(hour(k.Key.LastUsed))
		}
		r.keys[document.Name] = k
	}
	return r, nil
}

// Damaged returns which keys could not be read, ErrDamaged, or nil.
func (r *Ring) Damaged() error { return r.damaged }

// IsEmpty reports whether there has never been a key: one that was revoked, has
// expired or is damaged counts.
func (r *Ring) IsEmpty() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.keys) == 0 && r.damaged == nil
}

// Verify returns the key of a token, or ErrToken. It takes constant time for
// what is secret, reads and writes no file, and notes that the key was used.
func (r *Ring) Verify(token string) (Key, error) {
	id, ok := parse(token)
	if !ok {
		return Key{}, ErrToken
	}
	r.mu.RLock()
	k, found := r.keys[id]
	r.mu.RUnlock()
	if !found {
		k = &held{kept: kept{Hash: make([]byte, sha256.Size)}}
	}
	now := time.Now()
	if right := k.matches(token, now); !found || !right {
		return Key{}, ErrToken
	}
	switch {
	case !k.Key.Revoked.IsZero():
		return k.Key, ErrRevoked
	case !k.Key.Expires.IsZero() && !now.Before(k.Key.Expires):
		return k.Key, ErrExpired
	}
	k.used.Store(hour(now))
	return k.Key, nil
}

// matches compares a token with what is kept, in time that does not depend on
// either.
func (h *held) matches(token string, now time.Time) bool {
	sum := hash(token)
	old := subtle.ConstantTimeCompare(sum[:], h.Old) == 1 && now.Before(h.Key.OldUntil)
	return subtle.ConstantTimeCompare(sum[:], h.Hash) == 1 || old
}

func hour(t time.Time) int64 { return t.Unix() / 3600 }

// seen is the key with its last use.
func (h *held) seen() Key {
	k := h.Key
	if used := h.used.Load(); used != 0 {
		k.LastUsed = time.Unix(used*3600, 0).UTC()
	}
	return k
}

// Keys returns all keys, those that open nothing any more too, oldest first.
func (r *Ring) Keys(context.Context) ([]Key, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := []Key{}
	for _, k := range r.keys {
		all = append(all, k.seen())
	}
	slices.SortFunc(all, func(a, b Key) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// CreateKey makes a key.
func (r *Ring) CreateKey(ctx context.Context, n New) (Issued, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	now := time.Now().UTC().Truncate(time.Second)
	if err := n.check(now); err != nil {
		return Issued{}, err
	}
	if len(r.keys) >= maxKeys {
		return Issued{}, fmt.Errorf("another API key: %w: there are %d", store.ErrInvalid, maxKeys)
	}
	id := newID()
	for r.keys[id] != nil {
		id = newID()
	}
	token := newToken(id)
	sum := hash(token)
	k := kept{Key: Key{ID: id, Name: n.Name, Grant: n.Grant, Created: now, Expires: n.Expires.UTC()}, Hash: sum[:]}
	return r.issue(ctx, k, token)
}

// issue keeps a key and only then lets go of its token.
func (r *Ring) issue(ctx context.Context, k kept, token string) (Issued, error) {
	if err := r.keep(ctx, k); err != nil {
		return Issued{}, err
	}
	return Issued{k.Key, token}, nil
}

// RotateKey gives a key another token. The one it had is valid for a grace
// period more, and one from before that no longer. A key that was revoked
// stays so.
func (r *Ring) RotateKey(ctx context.Context, id string, grace time.Duration) (Issued, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	k, err := r.find(id)
	if err != nil {
		return Issued{}, err
	}
	if !k.Key.Revoked.IsZero() || grace < 0 || grace > maxGrace {
		return Issued{}, fmt.Errorf("rotate API key %s: %w: not one that was revoked, and with a grace of 0 to %s", id, store.ErrInvalid, maxGrace)
	}
	now, token := time.Now().UTC().Truncate(time.Second), newToken(id)
	sum := hash(token)
	k.Key.Rotated, k.Key.OldUntil, k.Old, k.Hash = now, now.Add(grace), k.Hash, sum[:]
	return r.issue(ctx, k, token)
}

const maxGrace = 90 * 24 * time.Hour

// RevokeKey ends a key at once and for ever. It stays known by its ID.
func (r *Ring) RevokeKey(ctx context.Context, id string) (Key, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	k, err := r.find(id)
	if err != nil || !k.Key.Revoked.IsZero() {
		return k.Key, err
	}
	k.Key.Revoked = time.Now().UTC().Truncate(time.Second)
	return k.Key, r.keep(ctx, k)
}

// find returns a key to be changed.
func (r *Ring) find(id string) (kept, error) {
	k, ok := r.keys[id]
	if !ok {
		return kept{}, fmt.Errorf("API key %.40q: %w", id, ErrKey)
	}
	changed := k.kept
	changed.Key = k.seen()
	return changed, nil
}

// keep saves a key and then lets it count.
func (r *Ring) keep(ctx context.Context, k kept) error {
	data, err := json.Marshal(k)
	if err == nil {
		err = r.documents.SaveDocument(ctx, kind, k.Key.ID, data)
	}
	if err != nil {
		return fmt.Errorf("save API key: %w", err)
	}
	h := &held{kept: k}
	if !k.Key.LastUsed.IsZero() {
		h.used.Store(hour(k.Key.LastUsed))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[k.Key.ID] = h
	return nil
}

// SaveUsed makes durable when keys were used last, for those used in another
// hour than is saved.
func (r *Ring) SaveUsed(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	for _, id := range slices.Sorted(maps.Keys(r.keys)) {
		k, err := r.find(id)
		if err != nil {
			return err
		}
		if k.Key.LastUsed.Equal(r.keys[id].Key.LastUsed) {
			continue
		}
		if err := r.keep(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

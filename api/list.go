package api

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"nearcase/store"
)

// ListOptions say which instances to list, and how. The zero value lists all in the
// order in which they were stored.
type ListOptions struct {
	// Filter asks for instances that it lets pass.
	Filter *store.Filter `json:"filter,omitempty"`
	// Sort is one of store.Sorts; empty is store.ByAdded.
	Sort       string `json:"sort,omitempty"`
	Descending bool   `json:"descending,omitempty"`
	// Limit is how many a page has; 0 means 100, and more than 1,000 are as 1,000.
	Limit int `json:"limit,omitempty"`
	// Cursor is Page.Next of the page before, listed by the same options; empty
	// begins. Limit and Count may be others.
	Cursor string `json:"cursor,omitempty"`
	// Count asks for Page.Count.
	Count bool `json:"count,omitempty"`
}

// Page is a part of a list. What is there while all of its pages are read, and keeps
// its place in their order, is in one of them, once.
type Page struct {
	Instances []Instance `json:"instances"`
	// Next is the cursor of the next page; empty where this is the last.
	Next string `json:"next,omitempty"`
	// Count is how many instances all pages have together, if it was asked for.
	Count *int `json:"count,omitempty"`
}

// maxPage is how many instances one page may have.
const maxPage = 1000

// List returns a page of instances. A cursor that is none, or of another list, is
// ErrCursor.
func (s *Service) List(ctx context.Context, collection string, o ListOptions) (Page, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return Page{}, err
	}
	l, err := s.listing(c, o)
	if err != nil {
		return Page{}, err
	}
	found, err := s.Catalog.Find(ctx, collection, l)
	if err != nil {
		return Page{}, err
	}
	p := Page{Instances: make([]Instance, len(found.Cases))}
	for i, c := range found.Cases {
		p.Instances[i] = Instance{c.Instance, c.Key, c.Labels, details(c.Labels)}
	}
	if o.Count {
		p.Count = &found.Count
	}
	if found.Next != nil {
		p.Next, err = s.sealPlace(c, o, *found.Next)
	}
	return p, err
}

// listing is what the store is asked for.
func (s *Service) listing(c store.Collection, o ListOptions) (l store.Listing, err error) {
	if o.Limit < 0 {
		return l, fmt.Errorf("%w: limit is %d, use 1 to %d", ErrQuery, o.Limit, maxPage)
	}
	l = store.Listing{Sort: o.Sort, Descending: o.Descending, Limit: min(cmp.Or(o.Limit, 100), maxPage), Count: o.Count}
	if err := l.Check(); err != nil {
		return l, err
	}
	if l.Filter, err = s.condition(c, o.Filter); err != nil || o.Cursor == "" {
		return l, err
	}
	place, err := s.openPlace(c, o)
	l.After = &place
	return l, err
}

// A cursor of a list is a place in it, sealed by AES-GCM with what the list is of:
// it tells nothing of a patient, and a place is not taken for one of another list.
// Its key is made of that of the patients, so that it outlives the program; without
// that it is drawn anew each time.

// newSealer returns what seals cursors.
func (p Privacy) newSealer() (cipher.AEAD, error) {
	secret := p.Key
	if secret == nil {
		secret = []byte(rand.Text())
	}
	key := sha256.Sum256(append([]byte("nearcase: cursors of lists "), secret...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *Service) sealPlace(c store.Collection, o ListOptions, p store.Place) (string, error) {
	sealer, of, err := s.sealerOf(c, o)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealer.Seal(nil, nil, text, of)), nil
}

func (s *Service) openPlace(c store.Collection, o ListOptions) (p store.Place, err error) {
	sealer, of, err := s.sealerOf(c, o)
	if err != nil {
		return p, err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(o.Cursor)
	if err == nil {
		sealed, err = sealer.Open(nil, nil, sealed, of)
	}
	if err == nil {
		err = json.Unmarshal(sealed, &p)
	}
	if err != nil {
		return p, fmt.Errorf("%w: use next of a page with the same collection, filter and order, or list from the beginning", ErrCursor)
	}
	return p, nil
}

// sealerOf returns what seals the cursors of a list, and what that list is of.
func (s *Service) sealerOf(c store.Collection, o ListOptions) (cipher.AEAD, []byte, error) {
	sealer, err := s.sealer()
	if err != nil {
		return nil, nil, fmt.Errorf("cursor: %w", err)
	}
	of, err := json.Marshal(struct {
		Name       string
		Created    int64
		Filter     *store.Filter
		Sort       string
		Descending bool
	}{c.Name, c.Created.UnixNano(), o.Filter, cmp.Or(o.Sort, store.ByAdded), o.Descending})
	return sealer, of, err
}

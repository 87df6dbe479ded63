package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// receiptKind is the kind of document that a receipt is.
const receiptKind = "erasure"

var (
	// ErrReceipt is a receipt that is not there.
	ErrReceipt = errors.New("no such receipt")
	// ErrForged is a receipt that is not as it was written, or not in its place.
	ErrForged = errors.New("the receipt has been changed")
)

// Receipt says that a patient was erased, without saying who. It is kept.
type Receipt struct {
	ID string `json:"id"`
	// Number counts the receipts from 1.
	Number int       `json:"number"`
	Begun  time.Time `json:"begun"`
	// Ended is zero while it is under way, or was interrupted.
	Ended      time.Time `json:"ended,omitzero"`
	Collection string    `json:"collection"`
	// Patient is the HMAC-SHA256 by the patient key, 128 bits of it, of what the
	// collection called the patient; empty where there is no key.
	Patient string `json:"patient_hash,omitempty"`
	store.Erased
	// Answers counts those to requests with an Idempotency-Key that are forgotten.
	Answers      int             `json:"answers"`
	Compacted    store.Compacted `json:"compacted"`
	Verification Verification    `json:"verification"`
	// Backups were made before and may still hold all of it.
	Backups []string `json:"backups"`
	// Problem says what is left to do; empty for nothing.
	Problem string `json:"problem,omitempty"`
	// Previous is the hash of the receipt before, empty for the first, and Hash the
	// SHA-256, in hex, of this one as JSON without Hash. See Check.
	Previous string `json:"previous,omitempty"`
	Hash     string `json:"hash,omitempty"`
}

// Verification says what was looked for in which bytes, and what was found.
type Verification struct {
	store.Sought
	// Texts are names; Digests were looked for in hex and as bytes, and of Vectors
	// any 16 bytes in a row.
	Texts   int `json:"texts"`
	Digests int `json:"digests"`
	Vectors int `json:"vectors"`
	// Again counts what was not looked for any more since others have stored the same
	// meanwhile.
	Again int `json:"stored_again,omitempty"`
}

// IsVerified reports whether nothing was found of what was looked for.
func (r Receipt) IsVerified() bool {
	return r.Problem == "" && !r.Ended.IsZero() && r.Verification.Files > 0 && r.Verification.Matches == 0
}

// receiptName is what a receipt calls a patient.
func (p Privacy) receiptName(patient string) string {
	if p.Key == nil {
		return ""
	}
	return p.digest("erased", patient)[:32]
}

// sum returns the hash of a receipt.
func (r Receipt) sum() (string, error) {
	r.Hash = ""
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// intact returns ErrForged if a receipt is not as it was written.
func (r Receipt) intact() error {
	sum, err := r.sum()
	if err == nil && sum != r.Hash {
		err = fmt.Errorf("receipt %s: %w: its hash is %.12s, not %.12s", r.ID, ErrForged, sum, r.Hash)
	}
	return err
}

// Check returns ErrForged if a receipt is not as it was written, or not the one
// that follows the previous, which is nil for the first.
func (r Receipt) Check(previous *Receipt) error {
	number, hash := 1, ""
	if previous != nil {
		number, hash = previous.Number+1, previous.Hash
	}
	if err := r.intact(); err != nil {
		return err
	}
	if r.Number != number || r.Previous != hash {
		return fmt.Errorf("receipt %s: %w: it is number %d after %.12s, not %d after %.12s", r.ID, ErrForged, r.Number, r.Previous, number, hash)
	}
	return nil
}

// documentName sorts as the receipts were made.
func (r Receipt) documentName() string { return fmt.Sprintf("%010d", r.Number) }

// Receipts returns all receipts, the oldest first. One that has been changed, or
// is missing between others, is ErrForged, and one that cannot be read ErrDamaged;
// the others are returned nonetheless.
func (s *Service) Receipts(ctx context.Context) ([]Receipt, error) {
	documents, err := s.Catalog.Documents(ctx, receiptKind)
	if err != nil {
		err = fmt.Errorf("read receipts: %w", err)
	}
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return nil, err
	}
	all := make([]Receipt, 0, len(documents))
	for _, d := range documents {
		var r Receipt
		if bad := json.Unmarshal(d.Data, &r); bad != nil {
			err = errors.Join(err, fmt.Errorf("receipt %s: %w: %w", d.Name, ErrForged, bad))
			continue
		}
		var previous *Receipt
		if n := len(all); n > 0 {
			previous = &all[n-1]
		}
		err = errors.Join(err, r.Check(previous))
		all = append(all, r)
	}
	return all, err
}

// Receipt returns a receipt by its ID, or ErrReceipt. One that is not as it was
// written is ErrForged; the others are not looked at.
func (s *Service) Receipt(ctx context.Context, id string) (Receipt, error) {
	all, err := s.Receipts(ctx)
	if err != nil && !errors.Is(err, ErrForged) && !errors.Is(err, store.ErrDamaged) {
		return Receipt{}, err
	}
	for _, r := range all {
		if r.ID == id {
			return r, r.intact()
		}
	}
	return Receipt{}, fmt.Errorf("receipt %.80q: %w", id, ErrReceipt)
}

// begunReceipt keeps a receipt of what is about to be erased, so that one which is
// interrupted can be told. s.erasing is held.
func (s *Service) begunReceipt(ctx context.Context, r Receipt) (Receipt, error) {
	all, err := s.Receipts(ctx)
	if err != nil && !errors.Is(err, ErrForged) && !errors.Is(err, store.ErrDamaged) { // such a one stays as it is
		return r, err
	}
	r.ID, r.Number, r.Begun = newID(), 1, time.Now().UTC()
	if n := len(all); n > 0 {
		r.Number, r.Previous = all[n-1].Number+1, all[n-1].Hash
	}
	for s.hasReceipt(ctx, r) { // which is damaged
		r.Number++
	}
	if r.Backups, err = s.backups(ctx); err != nil && !errors.Is(err, store.ErrDamaged) {
		return r, err
	}
	r.Problem = "it is under way, or was interrupted: compact the store then (nearcase compact)"
	return s.saveReceipt(ctx, r)
}

// hasReceipt reports whether there is anything under the name of a receipt.
func (s *Service) hasReceipt(ctx context.Context, r Receipt) bool {
	_, err := s.Catalog.Document(ctx, receiptKind, r.documentName())
	return err == nil || errors.Is(err, store.ErrDamaged)
}

// endReceipt keeps a receipt of what has been erased.
func (s *Service) endReceipt(ctx context.Context, r Receipt) (Receipt, error) {
	r.Ended = time.Now().UTC()
	return s.saveReceipt(ctx, r)
}

func (s *Service) saveReceipt(ctx context.Context, r Receipt) (Receipt, error) {
	var data []byte
	sum, err := r.sum()
	if r.Hash = sum; err == nil {
		data, err = json.Marshal(r)
	}
	if err == nil {
		err = s.Catalog.SaveDocument(ctx, receiptKind, r.documentName(), data)
	}
	if err != nil {
		return r, fmt.Errorf("save receipt: %w", err)
	}
	return r, nil
}

func (s *Service) dropReceipt(ctx context.Context, r Receipt) error {
	return s.Catalog.DropDocument(context.WithoutCancel(ctx), receiptKind, r.documentName())
}

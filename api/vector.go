package api

import (
	"context"
	"encoding/binary"
	"math"

	"nearcase/store"
)

// Vector is the embedding of a stored instance.
type Vector struct {
	ID  string    `json:"id"`
	Key store.Key `json:"key"`
	// Model and Fingerprint name what made it.
	Model       string    `json:"model"`
	Fingerprint string    `json:"fingerprint"`
	Vector      []float32 `json:"vector"`
}

// Bytes returns the vector as little-endian float32.
func (v Vector) Bytes() []byte { return littleEndian(v.Vector) }

func littleEndian(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// Vector returns the embedding of an instance, at unit length.
func (s *Service) Vector(ctx context.Context, collection, id string) (Vector, error) {
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return Vector{}, err
	}
	found, err := s.Catalog.Instance(ctx, collection, id)
	if err != nil {
		return Vector{}, err
	}
	v, err := s.Catalog.Vector(ctx, collection, found.Instance.ID)
	return Vector{found.Instance.ID, found.Key, c.Model, c.Fingerprint, v}, err
}

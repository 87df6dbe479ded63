package local

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"

	"nearcase/store"
)

// The layout in Badger, numbers big-endian so that byte order is log order:
//
//	m <name>                        format, next collection number
//	c <collection:4>                store.Collection as JSON
//	l <collection:4> <key:8> e      store.Entry as JSON
//	l <collection:4> <key:8> v      the put's vector, little-endian float32
//
// Every value is sealed: a version byte, the CRC-32C of what follows, payload.
const (
	metaPrefix       = 'm'
	collectionPrefix = 'c'
	logPrefix        = 'l'
	entrySuffix      = 'e'
	vectorSuffix     = 'v'

	sealVersion = 1
	sealLength  = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func metaKey(name string) []byte { return append([]byte{metaPrefix}, name...) }

func collectionKey(number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{collectionPrefix}, number)
}

// logKeys is the prefix of a collection's log.
func logKeys(number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{logPrefix}, number)
}

func logKey(number uint32, key store.Key, suffix byte) []byte {
	return append(binary.BigEndian.AppendUint64(logKeys(number), uint64(key)), suffix)
}

// parseLogKey undoes logKey.
func parseLogKey(b []byte) (number uint32, key store.Key, suffix byte, err error) {
	if len(b) != 14 || b[0] != logPrefix {
		return 0, 0, 0, fmt.Errorf("log key %x: %w", b, store.ErrDamaged)
	}
	return binary.BigEndian.Uint32(b[1:]), store.Key(binary.BigEndian.Uint64(b[5:])), b[13], nil
}

func seal(payload []byte) []byte {
	b := make([]byte, sealLength, sealLength+len(payload))
	b[0] = sealVersion
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

func unseal(b []byte) ([]byte, error) {
	if len(b) < sealLength {
		return nil, fmt.Errorf("value of %d bytes: %w", len(b), store.ErrDamaged)
	}
	if b[0] != sealVersion {
		return nil, fmt.Errorf("value version %d, this program reads %d: %w", b[0], sealVersion, store.ErrFormat)
	}
	payload := b[sealLength:]
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(b[1:]) {
		return nil, fmt.Errorf("checksum differs: %w", store.ErrDamaged)
	}
	return payload, nil
}

func sealJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return seal(b), err
}

func unsealJSON(b []byte, v any) error {
	payload, err := unseal(b)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return nil
}

func sealVector(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return seal(b)
}

func unsealVector(b []byte, dimension int) ([]float32, error) {
	payload, err := unseal(b)
	if err != nil {
		return nil, err
	}
	if len(payload) != 4*dimension {
		return nil, fmt.Errorf("vector of %d bytes, not %d: %w", len(payload), 4*dimension, store.ErrDamaged)
	}
	v := make([]float32, dimension)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(payload[4*i:]))
	}
	return v, nil
}

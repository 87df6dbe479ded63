package local

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
)

// writeAhead is one of Badger's write-ahead logs: a header, and records of a meta byte, a
// byte for its user, the lengths of key and value and the expiry as varints, key,
// value, and the CRC-32C of all that. Zeros follow.
type writeAhead struct{ data []byte }

// What the meta byte of a record tells.
const (
	metaDelete = 1 << 0
	metaTxn    = 1 << 6 // it is of a transaction,
	metaFin    = 1 << 7 // which ends here
)

// record is one of a write-ahead log.
type record struct {
	meta       byte
	key, value []byte // encrypted, where the log is
	at, end    int
}

func (w writeAhead) key() uint64 { return binary.BigEndian.Uint64(w.data) }

// record returns the record at a place, if it is one that is sound.
func (w writeAhead) record(at int) (r record, ok bool) {
	b := w.data[at:]
	if len(b) < 2 || b[1] != 0 {
		return r, false
	}
	n, lengths := 2, [3]uint64{}
	for i := range lengths {
		value, size := binary.Uvarint(b[n:])
		if size <= 0 {
			return r, false
		}
		lengths[i], n = value, n+size
	}
	left := uint64(len(b) - n)
	if lengths[0] == 0 || lengths[0] > math.MaxUint16 || lengths[1] > left || lengths[0]+lengths[1]+crc32.Size > left || lengths[2] != 0 {
		return r, false
	}
	key, size := n+int(lengths[0]), n+int(lengths[0]+lengths[1])
	if crc32.Checksum(b[:size], castagnoli) != binary.BigEndian.Uint32(b[size:]) {
		return r, false
	}
	return record{meta: b[0], key: b[n:key], value: b[key:size], at: at, end: at + size + crc32.Size}, true
}

// sound returns where the transactions end that Badger reads.
func (w writeAhead) sound() (end int) {
	end = walHeader
	for at := end; ; {
		r, ok := w.record(at)
		if !ok {
			return end
		}
		if at = r.end; r.meta&metaTxn == 0 {
			end = at
		}
	}
}

// next returns where the first sound record at a place or behind it begins; that is
// the end of the log if there is none. A crash leaves such records too, of what was
// being committed.
func (w writeAhead) next(from int) int {
	for at := w.skip(from); at < len(w.data); at = w.skip(at + 1) {
		if _, ok := w.record(at); ok {
			return at
		}
	}
	return len(w.data)
}

// skip passes over zeros.
func (w writeAhead) skip(at int) int {
	for at+len(noughts) <= len(w.data) && bytes.Equal(w.data[at:at+len(noughts)], noughts[:]) {
		at += len(noughts)
	}
	for at < len(w.data) && w.data[at] == 0 {
		at++
	}
	return at
}

// pairs calls f for every pair that can be read of a file that was set aside,
// whatever kind of file it is of. A deleted one has no value.
func (i *inspection) pairs(data []byte, f func(key, value []byte)) {
	for id := uint64(0); i.hasKey(id); id++ {
		if t, err := i.openTable(data, id); err == nil {
			tablePairs(t, f)
			return
		}
	}
	for at, w := walHeader, (writeAhead{data: data}); at < len(data); {
		r, ok := w.record(at)
		if !ok {
			at = w.skip(at + 1)
			continue
		}
		if key, value, ok := i.decrypt(w, r); ok && len(key) > 8 && r.meta&metaDelete == 0 {
			f(key[:len(key)-8], value) // without its version
		}
		at = r.end
	}
	blockPairs(data, f)
}

// tablePairs reads a table block by block, so that one that is damaged costs no
// other.
func tablePairs(t *table.Table, f func(key, value []byte)) {
	begins := t.KeySplits(math.MaxInt32, nil)
	for n, begin := range begins {
		_ = guarded(func() error { // a damaged block
			it := t.NewIterator(table.NOCACHE)
			defer it.Close()
			for it.Seek([]byte(begin)); it.Valid(); it.Next() {
				if n+1 < len(begins) && bytes.Equal(it.Key(), []byte(begins[n+1])) {
					break
				}
				if v := it.Value(); v.Meta&metaDelete == 0 {
					f(slices.Clone(it.Key()[:len(it.Key())-8]), slices.Clone(v.Value))
				}
			}
			return nil
		})
	}
}

// decrypt returns the key and value of a record.
func (i *inspection) decrypt(w writeAhead, r record) (key, value []byte, ok bool) {
	dataKey, err := i.keys.DataKey(w.key())
	if err != nil || dataKey == nil { // or the header is damaged
		return r.key, r.value, true
	}
	iv := binary.BigEndian.AppendUint32(slices.Clone(w.data[8:walHeader]), uint32(r.at))[:aes.BlockSize]
	plain, err := y.XORBlockAllocate(slices.Concat(r.key, r.value), dataKey.Data, iv)
	if err != nil {
		return nil, nil, false
	}
	return plain[:len(r.key)], plain[len(r.key):], true
}

// maxBlock bounds a block: it ends with the first value behind 4 KiB, and a vector
// takes at most 256 KiB.
const maxBlock = 1 << 20

// blockPairs reads the blocks at the beginning of a table whose index is damaged. A
// block is entries, their places, how many they are, its CRC-32C as a message of
// protocol buffers, and the length of that.
func blockPairs(data []byte, f func(key, value []byte)) {
	for begin, end := 0, 12; end <= min(len(data), begin+maxBlock); end++ {
		length := int(data[end-1])
		if !bytes.Equal(data[end-4:end-1], noughts[:3]) || length < 2 || length > 6 || end-4-length < begin+8 {
			continue
		}
		body, sum := data[begin:end-4-length], data[end-4-length:end-4]
		want, n := binary.Uvarint(sum[1:])
		if sum[0] != 2<<3 || n != length-1 || uint64(crc32.Checksum(body, castagnoli)) != want {
			continue
		}
		_ = guarded(func() error { entriesOf(body, f); return nil }) // what is no block
		begin = end
		end += 11
	}
}

// entriesOf calls f for the entries of a block. Each has how many bytes of its key
// are those of the first one's, how many more there are, these, and the value after
// its meta byte, one for its user, and the expiry.
func entriesOf(body []byte, f func(key, value []byte)) {
	count := int(binary.BigEndian.Uint32(body[len(body)-4:]))
	places := body[len(body)-4-4*count : len(body)-4]
	body = body[:len(body)-4-4*count]
	var first []byte
	for n := range count {
		from, to := int(binary.LittleEndian.Uint32(places[4*n:])), len(body)
		if n+1 < count {
			to = int(binary.LittleEndian.Uint32(places[4*n+4:]))
		}
		e := body[from:to]
		same, more := int(binary.LittleEndian.Uint16(e)), int(binary.LittleEndian.Uint16(e[2:]))
		key := slices.Concat(first[:same], e[4:4+more])
		if n == 0 {
			first = key
		}
		if value := e[4+more:]; value[0]&metaDelete == 0 {
			_, expiry := binary.Uvarint(value[2:])
			f(key[:len(key)-8], value[2+expiry:])
		}
	}
}

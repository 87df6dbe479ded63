package local_test

import (
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// Whatever bytes a file of the log has that was set aside: reading it ends, and gives
// what is no pair to nobody who asks for one.
func FuzzFilesThatWereSetAside(f *testing.F) {
	record := []byte{0x40, 0, 9, 1, 0}
	record = append(record, "k-version!"...)
	record = binary.BigEndian.AppendUint32(record, crc32.Checksum(record, crc32.MakeTable(crc32.Castagnoli)))
	f.Add(append(make([]byte, 20), record...))
	f.Add([]byte{0, 0, 0, 1, 0x10, 0x80, 0x01, 0, 0, 0, 3})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		pairs := 0
		local.SalvagePairs(data, func(key, value []byte) { pairs++ })
		if pairs > len(data) {
			t.Errorf("%d pairs of %d bytes", pairs, len(data))
		}
	})
}

// Whatever bytes a witness has, it says no more than fits it, each entry once.
func FuzzWitness(f *testing.F) {
	place := f.TempDir()
	l, err := local.Open(place, local.Options{})
	must(f, err)
	must(f, l.Create(f.Context(), storetest.Collection("xray")))
	_, err = l.Put(f.Context(), "xray", storetest.Records(0, 2))
	must(f, err)
	must(f, l.Close())
	data, err := local.ReadWitnessFile(place)
	must(f, err)
	f.Add(data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		keys := local.WitnessKeys(t.TempDir(), data)
		if len(keys) > len(data)/44 {
			t.Errorf("%d statements in %d bytes", len(keys), len(data))
		}
	})
}

func TestWhatADamagedLogThatIsEncryptedStillHasIsPutBack(t *testing.T) {
	key := master(t, 1)
	for name, test := range map[string]struct {
		killed  bool
		pattern string
		at      func(n int) int
		whole   bool
	}{
		"a byte in the middle of the write-ahead log": {true, "log/*.mem", func(int) int { return 3000 }, false},
		"a byte in the middle of a table":             {false, "log/*.sst", func(n int) int { return n / 3 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			place := t.TempDir()
			l, err := local.Open(place, local.Options{Key: key})
			must(t, err)
			must(t, l.Create(t.Context(), storetest.Collection("xray")))
			putAll(t, l, "xray", storetest.Records(0, 60))
			copied := filepath.Join(t.TempDir(), "killed")
			must(t, local.CopyDir(copied, place))
			must(t, l.Close())
			if test.killed {
				place = copied
			}
			spoil(t, place, test.pattern, func(b []byte) []byte { b[test.at(len(b))] ^= 1; return b })
			l, err = local.Open(place, local.Options{Key: key})
			must(t, err)
			defer l.Close()
			lost, err := l.Damages(t.Context())
			must(t, err)
			found, err := l.List(t.Context(), "xray", 0, 100)
			must(t, err)
			if len(lost) == 0 || len(lost) > 30 || len(found) < 30 || len(found) == 60 && lost[0].What == store.LostInstance {
				t.Errorf("%d lost, %d instances left; want a few lost, and the others there", len(lost), len(found))
			}
		})
	}
}

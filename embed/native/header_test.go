package native

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"
)

// forged is a header that must be refused before a library sees it.
type forged struct {
	name string
	data []byte
	want error
	says string
}

// refuse decodes without a library, which must not be missed, and with next to
// no memory.
func refuse(t *testing.T, all []forged, decode func(*library, []byte, Limits) (*Image, error)) {
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			img, err := decode(missing(&charls), c.data, Limits{limit})
			runtime.ReadMemStats(&after)
			if img != nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v saying %q", err, c.want, c.says)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<18+4*uint64(len(c.data)) {
				t.Errorf("%d bytes allocated for %d", got, len(c.data))
			}
		})
	}
}

// edited returns data with new bytes at some offset after the first marker m.
func edited(t *testing.T, data []byte, m byte, offset int, new ...byte) []byte {
	t.Helper()
	at := bytes.Index(data, []byte{0xff, m})
	if at < 0 {
		t.Fatalf("no marker %#02x", m)
	}
	data = bytes.Clone(data)
	copy(data[at+offset:], new)
	return data
}

// inserted returns data with more bytes before the first marker m.
func inserted(t *testing.T, data []byte, m byte, more string) []byte {
	t.Helper()
	before, after, ok := bytes.Cut(data, []byte{0xff, m})
	if !ok {
		t.Fatalf("no marker %#02x", m)
	}
	return bytes.Join([][]byte{before, []byte(more), {0xff, m}, after}, nil)
}

func TestForgedJPEGLSIsRefused(t *testing.T) {
	grey, planar := named(t, "1 of 8 bits "), named(t, "3 of 8 bits +in")
	second := bytes.LastIndex(planar, []byte{0xff, markSOS})
	refuse(t, []forged{
		{"nothing", nil, ErrCorrupt, "SOI"},
		{"a baseline JPEG", edited(t, grey, markSOF55, 1, 0xc0), ErrUnsupported, "0xc0"},
		{"a bomb", edited(t, grey, markSOF55, 5, 0xff, 0xff, 0xff, 0xff), ErrTooLarge, "65535 x 65535 pixels of 1 components, the limit is 1048576 samples"},
		{"no height yet", edited(t, grey, markSOF55, 5, 0, 0), ErrUnsupported, "41 x 0"},
		{"17 bits", edited(t, grey, markSOF55, 4, 17), ErrCorrupt, "17 bits"},
		{"1 bit", edited(t, grey, markSOF55, 4, 1), ErrCorrupt, "1 bits"},
		{"subsampling", edited(t, grey, markSOF55, 11, 0x21), ErrUnsupported, "0x21"},
		{"2 components", inserted(t, grey, markSOF55, "\xff\xf7\x00\x0e\x08\x00\x01\x00\x01\x02\x01\x11\x00\x02\x11\x00"), ErrUnsupported, "2 components"},
		{"two frames", inserted(t, grey, markSOS, "\xff\xf7\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"), ErrCorrupt, "second frame"},
		{"a segment beyond the end", edited(t, grey, markSOF55, 2, 0xff, 0xff), ErrCorrupt, "are left"},
		{"near beyond the values", edited(t, grey, markSOS, 7, 200), ErrCorrupt, "near 200"},
		{"interleave mode 3", edited(t, grey, markSOS, 8, 3), ErrCorrupt, "mode 3"},
		{"a mapping table", edited(t, grey, markSOS, 6, 1), ErrUnsupported, "mapping"},
		{"a point transform", edited(t, grey, markSOS, 9, 1), ErrUnsupported, "point transform"},
		{"a scan before the frame", inserted(t, grey, markSOF55, "\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00"), ErrCorrupt, "before the frame"},
		{"a scan missing", append(bytes.Clone(planar[:second]), 0xff, markEOI), ErrCorrupt, "after 2 scans of 3"},
		{"a scan more", append(bytes.Clone(planar[:len(planar)-2]), planar[second:]...), ErrCorrupt, "more scans"},
		{"an oversize image", inserted(t, grey, markSOF55, "\xff\xf8\x00\x0c\x04\x04\x00\x00\xff\xff\x00\x00\xff\xff"), ErrUnsupported, "type 4"},
		{"a mapping table's segment", inserted(t, grey, markSOS, "\xff\xf8\x00\x05\x02\x01\x01"), ErrUnsupported, "type 2"},
		{"short parameters", inserted(t, grey, markSOS, "\xff\xf8\x00\x05\x01\x01\x01"), ErrCorrupt, "parameters of 3 bytes"},
		{"a value beyond the bits", inserted(t, grey, markSOS, "\xff\xf8\x00\x0d\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), ErrCorrupt, "value of 256"},
	}, decodeJPEGLS)
}

// uint32s returns numbers as a SIZ segment has them.
func uint32s(all ...uint32) []byte {
	var out []byte
	for _, v := range all {
		out = binary.BigEndian.AppendUint32(out, v)
	}
	return out
}

func TestForgedCodestreamsAreRefused(t *testing.T) {
	grey, colour, tiles := named(t, "1 of 12 bits  j2k"), named(t, "3 of 8 bits  j2k"), named(t, "3 of 8 bits -t")
	precincts := named(t, "1 of 12 bits -c")
	// 1,024 × 1,024 pixels in one tile.
	large := edited(t, grey, markSIZ, 6, uint32s(1024, 1024, 0, 0, 1024, 1024)...)
	refuse(t, []forged{
		{"nothing", nil, ErrCorrupt, "SOC"},
		{"a bomb", edited(t, grey, markSIZ, 6, uint32s(1<<30, 1<<30)...), ErrTooLarge, "1073741824 x 1073741824"},
		{"no pixels", edited(t, grey, markSIZ, 6, uint32s(0)...), ErrCorrupt, "image at"},
		{"a size beyond 31 bits", edited(t, grey, markSIZ, 6, uint32s(1<<32-1, 35, 1<<32-42)...), ErrCorrupt, "image at"},
		{"tiles that start within the image", edited(t, grey, markSIZ, 30, uint32s(1)...), ErrCorrupt, "tiles from"},
		{"tiles of no pixels", edited(t, grey, markSIZ, 22, uint32s(0)...), ErrCorrupt, "tiles from"},
		{"a tile for each pixel", edited(t, grey, markSIZ, 22, uint32s(1, 1)...), ErrCorrupt, "41 x 35 tiles"},
		{"tiles of few pixels", edited(t, colour, markSIZ, 22, uint32s(6, 6)...), ErrUnsupported, "42 tiles"},
		{"components of two kinds", edited(t, colour, markSIZ, 43, 11), ErrUnsupported, "component 2"},
		{"subsampling", edited(t, colour, markSIZ, 44, 2), ErrUnsupported, "subsampled by 2 x 1"},
		{"38 bits", edited(t, grey, markSIZ, 40, 37), ErrUnsupported, "38 bits"},
		{"no components", edited(t, grey, markSIZ, 38, 0, 0), ErrCorrupt, "SIZ"},
		{"a second SIZ", inserted(t, grey, markCOD, string(grey[2:45])), ErrCorrupt, "out of place"},
		{"no coding style", edited(t, grey, markCOD, 1, markCOM), ErrCorrupt, "no COD"},
		{"no layers", edited(t, grey, markCOD, 6, 0, 0), ErrCorrupt, "0 layers"},
		{"33 levels", edited(t, grey, markCOD, 9, 33), ErrCorrupt, "33 levels"},
		{"large code-blocks", edited(t, grey, markCOD, 10, 8, 8), ErrCorrupt, "2^10 x 2^10"},
		{"precincts of one sample", edited(t, precincts, markCOD, 15, 0), ErrCorrupt, "precincts of exponents 0x00"},
		{"many layers", edited(t, grey, markCOD, 6, 0xff, 0xff), ErrCorrupt, "packets"},
		{"a table of many packets", unevenPrecincts(t, grey), ErrUnsupported, "a table of"},
		{"progression order changes", inserted(t, grey, markQCD, "\xff\x5f\x00\x09\x00\x00\x00\x01\x06\x01\x00"), ErrUnsupported, "0x5f"},
		{"packed packet headers", inserted(t, grey, markQCD, "\xff\x60\x00\x03\x00"), ErrUnsupported, "0x60"},
		{"a transform of T.801", inserted(t, grey, markQCD, "\xff\x74\x00\x04\x00\x00"), ErrUnsupported, "0x74"},
		{"a style of a component that is none", inserted(t, grey, markQCD, "\xff\x53\x00\x09\x01\x00\x05\x04\x04\x00\x01"), ErrCorrupt, "COC"},
		{"a tile beyond the tiles", edited(t, grey, markSOT, 4, 0, 1), ErrCorrupt, "tile 2 of 1"},
		{"a tile of too many bytes", edited(t, grey, markSOT, 6, 0x7f), ErrCorrupt, "are left"},
		{"a tile missing", tiles[:bytes.LastIndex(tiles, []byte{0xff, markSOT})], ErrCorrupt, "before tile 9 of 9"},
		{"small precincts in a tile", smallPrecincts(t, large), ErrUnsupported, "precincts"},
		{"a JP2 file without a codestream", []byte(signature), ErrCorrupt, "without a codestream"},
		{"a box beyond the end", []byte(signature + "\x00\x00\x01\x00jp2c"), ErrCorrupt, `box "jp2c"`},
		{"a box within its header", []byte(signature + "\x00\x00\x00\x07jp2c"), ErrCorrupt, `box "jp2c"`},
		{"a palette", []byte(signature + "\x00\x00\x00\x10jp2h\x00\x00\x00\x08pclr"), ErrUnsupported, "palette"},
	}, decodeJPEG2000)
}

// smallPrecincts gives the tile of data precincts of 2 × 2.
func smallPrecincts(t *testing.T, data []byte) []byte {
	return styled(t, data, "\xff\x52\x00\x12\x01\x00\x00\x01\x00\x05\x04\x04\x00\x01\x11\x11\x11\x11\x11\x11")
}

// unevenPrecincts gives the tile of data 150 layers and 33 resolutions, and the
// last of these alone small precincts.
func unevenPrecincts(t *testing.T, data []byte) []byte {
	return styled(t, data, "\xff\x52\x00\x2d\x01\x00\x00\x96\x00\x20\x04\x04\x00\x01"+strings.Repeat("\xff", 32)+"\x11")
}

// styled gives the tile of data a style, and as many bytes as its packets take.
func styled(t *testing.T, data []byte, style string) []byte {
	at := bytes.Index(data, []byte{0xff, markSOT})
	out := inserted(t, data, markSOD, style)
	out = append(out[:len(out)-2], make([]byte, 100_000)...)
	binary.BigEndian.PutUint32(out[at+6:], uint32(len(out)-at))
	return out
}

// Law: a codestream that a box of a JP2 file holds is the same image.
func TestBoxesAreLookedThrough(t *testing.T) {
	data := named(t, "3 of 8 bits  jp2")
	stream, err := codestreamOf(data)
	if err != nil || !bytes.HasPrefix(stream, []byte{0xff, markSOC}) {
		t.Fatalf("codestreamOf = %.4x, %v", stream, err)
	}
	long := append([]byte(signature+"\x00\x00\x00\x01jp2c"), binary.BigEndian.AppendUint64(nil, uint64(16+len(stream)))...)
	for name, start := range map[string][]byte{
		"a box of 64-bit length": long, "a box to the end": []byte(signature + "\x00\x00\x00\x00jp2c"),
	} {
		got, err := codestreamOf(append(start, stream...))
		if err != nil || !bytes.Equal(got, stream) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(stream))
		}
	}
}

package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// original is an image and how to code it without loss.
type original struct {
	width, height, components int
	precision, shift          int // bits of a sample, and the point transform
	predictor                 int
	restart                   int // rows between restarts, 0 for none
	apart                     bool
	steep                     bool // codes of 1 to 16 bits, otherwise of 5
	values                    []uint16
}

// drawOriginal draws an image and its coding, noise or plateaus.
func drawOriginal(t *rapid.T) original {
	o := original{
		width: rapid.IntRange(1, 20).Draw(t, "width"), height: rapid.IntRange(1, 12).Draw(t, "height"),
		components: rapid.SampledFrom([]int{1, 1, 3, 4}).Draw(t, "components"),
		precision:  rapid.IntRange(2, 16).Draw(t, "precision"), predictor: rapid.IntRange(1, 7).Draw(t, "predictor"),
		restart: rapid.IntRange(0, 3).Draw(t, "restart"),
		apart:   rapid.Bool().Draw(t, "apart"), steep: rapid.Bool().Draw(t, "steep"),
	}
	o.shift = rapid.IntRange(0, o.precision-1).Draw(t, "shift")
	o.fill(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 20).Draw(t, "stay"))
	return o
}

// fill makes values that differ from the last once in stay+1 times.
func (o *original) fill(seed uint64, stay int) {
	r := rand.New(rand.NewPCG(seed, 1))
	o.values = make([]uint16, o.width*o.height*o.components)
	for i := range o.values {
		if i > 0 && r.IntN(stay+1) > 0 {
			o.values[i] = o.values[i-1]
			continue
		}
		o.values[i] = uint16(r.IntN(1 << o.precision))
	}
}

// lengths returns the number of codes of each length for the sizes 0 to 16, in
// that order.
func (o *original) lengths() []byte {
	if o.steep {
		return []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 3}
	}
	return []byte{0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
}

// encode codes o plainly by T.81, annex H.
func (o *original) encode() []byte {
	out := []byte{0xff, 0xd8, 0xff, 0xc4, 0, 36, 0}
	out = append(out, o.lengths()...)
	for size := range byte(17) {
		out = append(out, size)
	}
	out = append(out, 0xff, 0xc3, 0, byte(8+3*o.components), byte(o.precision))
	out = binary.BigEndian.AppendUint16(out, uint16(o.height))
	out = binary.BigEndian.AppendUint16(out, uint16(o.width))
	out = append(out, byte(o.components))
	var all []int
	for c := range o.components {
		out = append(out, byte(c+1), 0x11, 0)
		all = append(all, c)
	}
	if o.restart > 0 {
		out = append(out, 0xff, 0xdd, 0, 4)
		out = binary.BigEndian.AppendUint16(out, uint16(o.restart*o.width))
	}
	if !o.apart {
		return append(o.scan(out, all), 0xff, 0xd9)
	}
	for _, c := range all {
		out = o.scan(out, []int{c})
	}
	return append(out, 0xff, 0xd9)
}

func (o *original) scan(out []byte, components []int) []byte {
	out = append(out, 0xff, 0xda, 0, byte(6+2*len(components)), byte(len(components)))
	for _, c := range components {
		out = append(out, byte(c+1), 0)
	}
	out = append(out, byte(o.predictor), 0, byte(o.shift))
	var w bitWriter
	for y := range o.height {
		if o.restart > 0 && y > 0 && y%o.restart == 0 {
			out = append(out, w.bytes()...)
			out = append(out, 0xff, 0xd0+byte(y/o.restart-1)&7)
			w = bitWriter{}
		}
		for x := range o.width {
			for _, c := range components {
				o.code(&w, o.at(x, y, c)-o.predict(x, y, c))
			}
		}
	}
	return append(out, w.bytes()...)
}

func (o *original) at(x, y, c int) int {
	return int(o.values[(y*o.width+x)*o.components+c] >> o.shift)
}

func (o *original) predict(x, y, c int) int {
	first := y == 0 || o.restart > 0 && y%o.restart == 0
	switch {
	case first && x == 0:
		return 1 << (o.precision - o.shift - 1)
	case first:
		return o.at(x-1, y, c)
	case x == 0:
		return o.at(x, y-1, c)
	}
	a, b, d := o.at(x-1, y, c), o.at(x, y-1, c), o.at(x-1, y-1, c)
	return []int{a, b, d, a + b - d, a + (b-d)>>1, b + (a-d)>>1, (a + b) >> 1}[o.predictor-1]
}

func (o *original) code(w *bitWriter, diff int) {
	diff = int(int16(diff))
	size := bits.Len(uint(max(diff, -diff)))
	code, at := 0, 0
	for length, count := range o.lengths() {
		if code <<= 1; size < at+int(count) {
			w.put(code+size-at, length+1)
			break
		}
		code, at = code+int(count), at+int(count)
	}
	if diff < 0 {
		diff += 1<<size - 1
	}
	if size < 16 {
		w.put(diff, size)
	}
}

// bitWriter writes bits, most significant first.
type bitWriter struct {
	out  []byte
	free int // bits of the last byte
}

func (w *bitWriter) put(v, size int) {
	for i := size - 1; i >= 0; i-- {
		if w.free == 0 {
			w.out, w.free = append(w.out, 0), 8
		}
		w.free--
		w.out[len(w.out)-1] |= byte(v >> i & 1 << w.free)
	}
}

// bytes returns the bits, padded with ones, stuffed.
func (w *bitWriter) bytes() []byte {
	w.put(1<<w.free-1, w.free)
	return bytes.ReplaceAll(w.out, []byte{0xff}, []byte{0xff, 0})
}

// check decodes o and compares it, less the bits that the transform drops.
func (o *original) check(t interface{ Fatalf(string, ...any) }) {
	want := slices.Clone(o.values)
	for i := range want {
		want[i] = want[i] >> o.shift << o.shift
	}
	got, err := DecodeSamples(o.encode(), 1<<20, true)
	if err != nil {
		t.Fatalf("DecodeSamples(%+v): %v", *o, err)
	}
	if got.Width != o.width || got.Height != o.height || got.Components != o.components ||
		got.Precision != o.precision || got.YCbCr || !slices.Equal(got.Values, want) {
		t.Fatalf("DecodeSamples(%+v) = %+v, want %v", *o, *got, want)
	}
}

// Law: decoding undoes coding, but for the bits that the point transform drops.
func TestLosslessIsWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOriginal(t)
		o.check(t)
	})
}

func TestEveryPredictorPrecisionAndTransformIsWithoutLoss(t *testing.T) {
	for predictor := 1; predictor <= 7; predictor++ {
		for precision := 2; precision <= 16; precision++ {
			for shift := range precision {
				o := original{width: 9, height: 5, components: 1 + 2*(shift&1), precision: precision, shift: shift,
					predictor: predictor, restart: precision % 3, steep: predictor&1 == 0}
				o.fill(uint64(shift), 1)
				o.check(t)
			}
		}
	}
}

// The difference of 2^15 has a code and no bits.
func TestLosslessDifferencesWrapAround(t *testing.T) {
	o := original{width: 3, height: 1, components: 1, precision: 16, predictor: 1, values: []uint16{0, 32768, 0}}
	o.check(t)
}

// sampled16 is an image of 16 bits without restarts, coded.
func sampled16() original {
	o := original{width: 9, height: 6, components: 3, precision: 16, predictor: 4}
	o.fill(1, 0)
	return o
}

func TestTruncatedLosslessImagesAreRefused(t *testing.T) {
	for _, o := range []original{sampled16(), {width: 9, height: 6, components: 3, precision: 8, predictor: 7, restart: 2, apart: true}} {
		o.fill(1, 0)
		data := o.encode()
		for n := range data {
			_, err := DecodeSamples(data[:n], 1<<20, true)
			if n >= len(data)-2 {
				if err != nil {
					t.Errorf("DecodeSamples without its EOI: %v", err)
				}
				continue
			}
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("DecodeSamples(the first %d bytes of %d): %v, want %v", n, len(data), err, ErrFormat)
			}
		}
	}
}

func TestLosslessDamageHasItsError(t *testing.T) {
	o := sampled16()
	data := o.encode()
	o.restart = 2
	restarts := o.encode()
	o.precision, o.restart = 15, 0 // values of 16 bits
	wide := o.encode()
	sof, sos := bytes.Index(data, []byte{0xff, 0xc3}), bytes.Index(data, []byte{0xff, 0xda})
	with := func(at int, v byte) []byte {
		out := bytes.Clone(data)
		out[at] = v
		return out
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
		says string
	}{
		{"a precision of 1", with(sof+4, 1), ErrUnsupported, "1 bits"},
		{"a precision of 17", with(sof+4, 17), ErrUnsupported, "17 bits"},
		{"a height by DNL", with(sof+6, 0), ErrUnsupported, "DNL"},
		{"subsampling", with(sof+11, 0x21), ErrUnsupported, "2 x 1"},
		{"predictor 0", with(sos+11, 0), ErrFormat, "predictor 0"},
		{"predictor 8", with(sos+11, 8), ErrFormat, "predictor 8"},
		{"a band", with(sos+12, 63), ErrFormat, "predictor 4 to 63"},
		{"a transform of all bits", with(sos+13, 16), ErrFormat, "predictor"},
		{"a transform of 15 bits of 15", replaced(t, with(sof+4, 15), "\x04\x00\x00", "\x04\x00\x0f"), ErrFormat, "by 15 of 15"},
		{"no table", with(sos+6, 0x10), ErrFormat, "missing"},
		{"a size of 17", replaced(t, data, "\x0f\x10\xff\xc3", "\x0f\x11\xff\xc3"), ErrFormat, "17 bits"},
		{"restarts within a row", replaced(t, restarts, "\xff\xdd\x00\x04\x00\x12", "\xff\xdd\x00\x04\x00\x11"), ErrFormat, "17 samples in rows of 9"},
		{"samples of more bits", wide, ErrFormat, "out of range"},
		{"arithmetic coding", with(sof+1, 0xcb), ErrUnsupported, "0xcb"},
		{"the hierarchical process", with(sof+1, 0xc7), ErrUnsupported, "0xc7"},
		{"more than the limit", with(sof+5, 0xff), ErrTooLarge, "limit"},
		{"more than its bytes", with(sof+6, 0xff), ErrFormat, "cannot hold"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := DecodeSamples(c.data, 1<<12, true)
			if s != nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("DecodeSamples = samples: %t, %v; want %v saying %q", s != nil, err, c.want, c.says)
			}
		})
	}
}

// A large image of slight noise, as a detector's.
func BenchmarkLossless(b *testing.B) {
	for _, c := range []struct{ components, precision, predictor int }{{1, 16, 1}, {1, 12, 4}, {3, 8, 1}} {
		o := original{width: 1024, height: 1024, components: c.components, precision: c.precision, predictor: c.predictor}
		o.fill(1, 0)
		for i := range o.values {
			o.values[i] = o.values[i]>>5 + uint16(i>>12&(1<<(c.precision-1)-1))
		}
		data := o.encode()
		b.Run(fmt.Sprintf("%d of %d bits by %d", c.components, c.precision, c.predictor), func(b *testing.B) {
			b.SetBytes(int64(2 * len(o.values)))
			for b.Loop() {
				if _, err := DecodeSamples(data, math.MaxInt64, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

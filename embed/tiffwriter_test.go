package embed

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"slices"
)

// tiffFile writes TIFF files for tests, well-formed or not.
type tiffFile struct {
	order       binary.AppendByteOrder
	width       int
	height      int
	bits        int
	samples     int
	photometric int
	deflate     bool
	planar      bool
	tile        int                   // side; 0 for strips
	strip       int                   // rows; 0 for one strip
	value       func(x, y, c int) int // of a sample
	set         map[uint16][]uint32   // tags to add or replace
	raw         []byte                // in place of the blocks
}

// of returns a TIFF file whose samples are the bytes of p.
func tiffOf(p *Picture) tiffFile {
	return tiffFile{
		order: binary.LittleEndian, width: p.Width, height: p.Height, bits: 8, samples: 3, photometric: trueColour,
		value: func(x, y, c int) int { return int(p.Pix[3*(y*p.Width+x)+c]) },
	}
}

func (f tiffFile) bytes() []byte {
	blocks, bw, bh := f.blocks()
	if f.raw != nil {
		blocks = [][]byte{f.raw}
	}
	out := []byte("II*\x00")
	if f.order.String() == binary.BigEndian.String() {
		out = []byte("MM\x00*")
	}
	out = append(out, 0, 0, 0, 0)
	var offsets, counts []uint32
	for _, b := range blocks {
		offsets, counts = append(offsets, uint32(len(out))), append(counts, uint32(len(b)))
		out = append(out, b...)
	}
	tags := map[uint16][]uint32{
		tagWidth: {uint32(f.width)}, tagHeight: {uint32(f.height)}, tagSamples: {uint32(f.samples)},
		tagBits:        slices.Repeat([]uint32{uint32(f.bits)}, f.samples),
		tagCompression: {uncompressed}, tagPhotometric: {uint32(f.photometric)}, tagPlanar: {1},
	}
	if f.deflate {
		tags[tagCompression] = []uint32{deflated}
	}
	if f.planar {
		tags[tagPlanar] = []uint32{2}
	}
	if f.tile > 0 {
		tags[tagTileWidth], tags[tagTileHeight] = []uint32{uint32(bw)}, []uint32{uint32(bh)}
		tags[tagTileOffsets], tags[tagTileCounts] = offsets, counts
	} else {
		tags[tagRowsPerStrip], tags[tagStripOffsets], tags[tagStripCounts] = []uint32{uint32(bh)}, offsets, counts
	}
	for tag, values := range f.set {
		tags[tag] = values
	}
	return f.directory(out, tags)
}

// directory appends the tags, as longs, and points the header at them.
func (f tiffFile) directory(out []byte, tags map[uint16][]uint32) []byte {
	var order []uint16
	for tag := range tags {
		order = append(order, tag)
	}
	slices.Sort(order)
	var entries []byte
	for _, tag := range order {
		var values []byte
		for _, v := range tags[tag] {
			values = f.order.AppendUint32(values, v)
		}
		entries = f.order.AppendUint16(entries, tag)
		entries = f.order.AppendUint16(entries, typeLong)
		entries = f.order.AppendUint32(entries, uint32(len(tags[tag])))
		if len(values) > 4 {
			values, out = f.order.AppendUint32(nil, uint32(len(out))), append(out, values...)
		}
		entries = append(entries, values...)
	}
	start := len(out)
	copy(out[4:8], f.order.AppendUint32(nil, uint32(start)))
	out = f.order.AppendUint16(out, uint16(len(order)))
	return append(append(out, entries...), 0, 0, 0, 0)
}

func (f tiffFile) blocks() (blocks [][]byte, bw, bh int) {
	bw, bh = f.width, f.height
	if f.strip > 0 {
		bh = f.strip
	}
	if f.tile > 0 {
		bw, bh = f.tile, f.tile
	}
	planes := [][]int{[]int{0, 1, 2, 3}[:f.samples]}
	if f.planar {
		planes = [][]int{{0}, {1}, {2}, {3}}[:f.samples]
	}
	for _, plane := range planes {
		for y := 0; y < f.height; y += bh {
			rows := bh
			if f.tile == 0 {
				rows = min(bh, f.height-y)
			}
			for x := 0; x < f.width; x += bw {
				blocks = append(blocks, f.block(x, y, bw, rows, plane))
			}
		}
	}
	return blocks, bw, bh
}

// block returns one block, which is white where it overhangs the picture.
func (f tiffFile) block(x0, y0, width, height int, plane []int) []byte {
	var out []byte
	for y := y0; y < y0+height; y++ {
		bits, held := 0, 0
		for x := x0; x < x0+width; x++ {
			for _, c := range plane {
				v := 1<<f.bits - 1
				if x < f.width && y < f.height {
					v = f.value(x, y, c)
				}
				if f.bits == 16 {
					out = f.order.AppendUint16(out, uint16(v))
					continue
				}
				if bits, held = bits<<f.bits|v, held+f.bits; held == 8 {
					out, bits, held = append(out, byte(bits)), 0, 0
				}
			}
		}
		if held > 0 {
			out = append(out, byte(bits<<(8-held)))
		}
	}
	if !f.deflate {
		return out
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	z.Write(out)
	z.Close()
	return packed.Bytes()
}

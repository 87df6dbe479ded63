package embed

import (
	"fmt"
	"math"
)

// Tags and values of TIFF 6.0 that decide how pixels are stored.
const (
	tagSubfile       = 254
	tagWidth         = 256
	tagHeight        = 257
	tagBits          = 258
	tagCompression   = 259
	tagPhotometric   = 262
	tagFillOrder     = 266
	tagStripOffsets  = 273
	tagSamples       = 277
	tagRowsPerStrip  = 278
	tagStripCounts   = 279
	tagPlanar        = 284
	tagFax3Options   = 292
	tagPredictor     = 317
	tagColorMap      = 320
	tagTileWidth     = 322
	tagTileHeight    = 323
	tagTileOffsets   = 324
	tagTileCounts    = 325
	tagExtraSamples  = 338
	tagSampleFormat  = 339
	tagJPEGTables    = 347
	whiteIsZero      = 0
	blackIsZero      = 1
	trueColour       = 2
	paletteColour    = 3
	inks             = 5
	lumaChroma       = 6
	uncompressed     = 1
	fax3             = 3
	fax4             = 4
	lzwCompressed    = 5
	jpegCompressed   = 7
	deflated         = 8
	packBits         = 32773
	deflatedEarly    = 32946 // the number Deflate had before it was registered
	associatedAlpha  = 1
	mostBlockSamples = 4
	subfileReduced   = 1
	subfileMask      = 4
)

// tiff is a page of a TIFF file: what its directory says, checked.
// This package decodes TIFF itself because golang.org/x/image/tiff believes
// forged headers (lengths and repeats that a small file cannot back) and shears
// the tiles that overhang the right edge.
type tiff struct {
	dir                                ifd
	width, height                      int
	bits, samples                      int
	photometric, compression           int
	predictor, extra, fill             int
	planar                             bool // each sample has blocks of its own
	blockWidth, blockHeight            int  // of a tile, or of a strip
	across, down                       int  // blocks of one plane
	tiled                              bool
	offsets, counts, colourMap, tables field
}

// check refuses what would make decoding allocate more than the size explains.
func (t *tiff) check(l Limits) error {
	if err := l.size(t.width, t.height); err != nil {
		return err
	}
	// Tiles may overhang the picture, but not by more than the picture again.
	overhung := Limits{Pixels: 2 * l.Pixels}
	if err := overhung.size(t.across*t.blockWidth, t.down*t.blockHeight); err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	return t.checkBlocks()
}

// openPage reads the directory. Nothing is allocated for what it says.
func openPage(dir ifd) (*tiff, error) {
	t := &tiff{dir: dir}
	if err := t.readFormat(); err != nil {
		return nil, err
	}
	if err := t.readLayout(); err != nil {
		return nil, err
	}
	return t, t.supported()
}

// number is a tag whose first value goes to a variable.
type number struct {
	tag       uint16
	otherwise int
	to        *int
}

func (t *tiff) read(numbers []number) (err error) {
	for _, n := range numbers {
		if *n.to, err = t.dir.first(n.tag, n.otherwise); err != nil {
			return err
		}
	}
	return nil
}

func (t *tiff) readFormat() error {
	var format, planar, fax int
	err := t.read([]number{
		{tagWidth, 0, &t.width}, {tagHeight, 0, &t.height},
		{tagBits, 1, &t.bits}, {tagSamples, 1, &t.samples},
		{tagPhotometric, -1, &t.photometric}, {tagCompression, uncompressed, &t.compression},
		{tagPredictor, 1, &t.predictor}, {tagExtraSamples, 0, &t.extra}, {tagFax3Options, 0, &fax},
		{tagFillOrder, 1, &t.fill}, {tagSampleFormat, 1, &format}, {tagPlanar, 1, &planar},
	})
	if err != nil {
		return err
	}
	twoDimensional := t.compression == fax3 && fax&1 != 0
	if t.fill > 2 || format != 1 || planar > 2 || twoDimensional {
		return fmt.Errorf("%w: TIFF with fill order %d, sample format %d (1 is unsigned), planes %d, fax options %d",
			ErrUnsupported, t.fill, format, planar, fax)
	}
	t.planar = planar == 2 && t.samples > 1
	bits, err := t.dir.field(tagBits)
	if err != nil {
		return err
	}
	for i := range min(bits.len(), mostBlockSamples) {
		if int(bits.at(i)) != t.bits {
			return fmt.Errorf("%w: TIFF with %d and %d bits per sample", ErrUnsupported, t.bits, bits.at(i))
		}
	}
	if t.tables, err = t.dir.field(tagJPEGTables); err != nil {
		return err
	}
	t.colourMap, err = t.dir.field(tagColorMap)
	return err
}

// readLayout reads where the blocks are. A strip is a block as wide as the
// picture.
func (t *tiff) readLayout() error {
	err := t.read([]number{{tagTileWidth, 0, &t.blockWidth}, {tagTileHeight, 0, &t.blockHeight}})
	if err != nil {
		return err
	}
	offsets, counts := uint16(tagTileOffsets), uint16(tagTileCounts)
	t.tiled = t.blockWidth != 0
	if !t.tiled {
		offsets, counts = tagStripOffsets, tagStripCounts
		if t.blockHeight, err = t.dir.first(tagRowsPerStrip, math.MaxUint32); err != nil {
			return err
		}
		t.blockWidth, t.blockHeight = t.width, min(t.blockHeight, t.height)
	}
	if t.offsets, err = t.dir.field(offsets); err != nil {
		return err
	}
	if t.counts, err = t.dir.field(counts); err != nil {
		return err
	}
	if t.width == 0 || t.height == 0 || t.blockWidth == 0 || t.blockHeight == 0 {
		return fmt.Errorf("%w: TIFF of %d x %d pixels in blocks of %d x %d",
			ErrCorrupt, t.width, t.height, t.blockWidth, t.blockHeight)
	}
	t.across = (t.width + t.blockWidth - 1) / t.blockWidth
	t.down = (t.height + t.blockHeight - 1) / t.blockHeight
	return nil
}

// supported returns ErrUnsupported unless the combination can be decoded.
func (t *tiff) supported() error {
	if t.knowsColours() && t.knowsDepth() && t.knowsCompression() && t.samples <= mostBlockSamples {
		return nil
	}
	return fmt.Errorf("%w: TIFF with photometric interpretation %d, %d samples of %d bits, compression %d, predictor %d",
		ErrUnsupported, t.photometric, t.samples, t.bits, t.compression, t.predictor)
}

func (t *tiff) knowsColours() bool {
	switch t.photometric {
	case whiteIsZero, blackIsZero:
		return t.samples >= 1
	case trueColour:
		return t.samples >= 3 && t.bits >= 8
	case paletteColour:
		return t.samples == 1 && t.bits <= 8 && t.colourMap.len() >= 3
	case inks:
		return t.samples == 4 && t.bits >= 8
	case lumaChroma:
		return t.samples == 3 && !t.planar && t.compression == jpegCompressed
	}
	return false
}

func (t *tiff) knowsDepth() bool {
	switch t.bits {
	case 1, 2, 4:
		return t.samples == 1 && t.predictor == 1
	case 8, 16:
		return t.predictor == 1 || t.predictor == 2
	}
	return false
}

func (t *tiff) knowsCompression() bool {
	switch t.compression {
	case uncompressed, packBits, deflated, deflatedEarly, lzwCompressed:
		return true
	case jpegCompressed:
		return t.bits == 8 && t.predictor == 1 && t.photometric != paletteColour && t.tables.len() <= mostTables
	case fax3, fax4:
		return t.bits == 1 && t.photometric != paletteColour
	}
	return false
}

// ratio returns the most bytes that one compressed byte yields.
func (t *tiff) ratio() int64 {
	switch t.compression {
	case packBits:
		return 64 // a run of 128 takes two bytes
	case deflated, deflatedEarly:
		return deflateRatio
	case lzwCompressed:
		return 2560 // a code of 12 bits yields at most 3838 bytes
	case fax3, fax4:
		return 8 * int64(t.rowBytes()) // a row takes one bit
	case jpegCompressed:
		return math.MaxUint32 // which its decoder judges
	}
	return 1
}

// checkBlocks checks that every block lies within the file and is long enough
// to hold what the header says, and that blocks do not share the same bytes
// more often than a picture without content explains.
func (t *tiff) checkBlocks() error {
	n := t.blocks()
	if t.offsets.len() < n || t.counts.len() < n {
		return fmt.Errorf("%w: TIFF of %d blocks lists %d offsets and %d lengths",
			ErrCorrupt, n, t.offsets.len(), t.counts.len())
	}
	size := uint64(len(t.dir.data))
	var read, made int64
	for i := range n {
		at, count := t.offsets.at(i), t.counts.at(i)
		if at > size || count > size-at {
			return fmt.Errorf("%w: TIFF block %d of %d with %d bytes at %d ends at byte %d of %d",
				ErrCorrupt, i+1, n, count, at, at+count, size)
		}
		need := int64(t.rows(i)) * int64(t.rowBytes())
		if need > int64(count)*t.ratio() {
			return fmt.Errorf("%w: TIFF block %d of %d has %d bytes for %d of pixels",
				ErrCorrupt, i+1, n, count, need)
		}
		read, made = read+int64(count), made+need
	}
	if most := 2 * (int64(size) + made); read > most {
		return fmt.Errorf("%w: TIFF blocks of %d bytes in a file of %d", ErrCorrupt, read, size)
	}
	return nil
}

// planes returns how many planes are decoded: alpha's is needed only to divide
// colours by it.
func (t *tiff) planes() int {
	switch {
	case !t.planar:
		return 1
	case t.photometric == inks, t.photometric == trueColour && t.samples == 4 && t.extra == associatedAlpha:
		return 4
	case t.photometric == trueColour:
		return 3
	}
	return 1
}

// blocks returns how many blocks are decoded.
func (t *tiff) blocks() int { return t.planes() * t.across * t.down }

// blockSamples returns the samples per pixel of a block.
func (t *tiff) blockSamples() int {
	if t.planar {
		return 1
	}
	return t.samples
}

// rowBytes returns the bytes of one decompressed row of a block.
func (t *tiff) rowBytes() int { return (t.blockWidth*t.blockSamples()*t.bits + 7) / 8 }

// rows returns the rows of block i: a tile is always whole, the last strip
// ends with the picture.
func (t *tiff) rows(i int) int {
	if t.tiled {
		return t.blockHeight
	}
	return min(t.blockHeight, t.height-i%t.down*t.blockHeight)
}

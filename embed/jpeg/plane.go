package jpeg

// plane holds a component's samples: all rows, or as many of the last as the
// rows of the image that can be made need. Row y is at y modulo rows.
type plane struct {
	pix          []byte
	stride, rows int
}

// newPlane returns a plane of so many blocks. Unless it is to be whole, it holds
// two rows of MCUs of v rows of blocks: while the second is decoded, the first
// still gives the last rows their neighbours.
func newPlane(cols, rows, v int, whole bool) plane {
	if !whole {
		rows = min(rows, 2*v)
	}
	return plane{pix: make([]byte, 64*cols*rows), stride: 8 * cols, rows: 8 * rows}
}

// block returns the samples from block (row, col) on.
func (p *plane) block(row, col int) []byte {
	return p.pix[8*row%p.rows*p.stride+8*col:]
}

// row returns a row of c's samples, where those beyond an edge are the last.
func (c *component) row(y int) []byte {
	y = min(max(y, 0), c.height-1)
	from := y % c.plane.rows * c.plane.stride
	return c.plane.pix[from : from+c.width : from+c.width]
}

// ready returns how many rows of the image can be made once a row of MCUs is
// complete: the last sample of each component waits for its neighbour below.
func (f *frame) ready(row int) int {
	if row == f.rows-1 {
		return f.height
	}
	return (row+1)*8*f.down - f.down
}

// output makes the rows of the image.
type output struct {
	pix     []byte
	values  []uint16 // in place of pix where precision or process need it
	made    int      // rows
	convert func(dst []byte, rows [4][]byte)
	isYCC   bool // the image is RGB and stored as YCbCr
	raw     bool // the image is as it is stored
}

// emit makes the rows up to end, if they are not made yet.
func (d *decoder) emit(end int) {
	f := &d.frame
	size := len(f.components) * f.width
	for ; d.made < end; d.made++ {
		d.row(d.pix[d.made*size:(d.made+1)*size], d.made)
	}
}

// row makes row y. Radiographs are often stored as colour without any.
func (d *decoder) row(dst []byte, y int) {
	f := &d.frame
	if d.isYCC && f.components[1].isGrey(y) && f.components[2].isGrey(y) {
		triple(dst, f.components[0].upsampled(y)[:f.width])
		return
	}
	var rows [4][]byte
	for i := range f.components {
		rows[i] = f.components[i].upsampled(y)[:f.width]
	}
	d.convert(dst, rows)
}

package jpeg

import "fmt"

// scan decodes one scan (T.81, B.2.3).
type scan struct {
	stream
	now        block
	units      []unit
	cols, rows int // MCUs
	// The band of coefficients in zigzag order, and the bits of precision that
	// were missing before this scan and are after it. Sequential scans have all.
	from, to, high, low int

	interval int // MCUs between restarts, 0 for none
	left     int // MCUs before the next restart
	restarts int
	run      int // blocks that have no more new coefficients (G.1.2.2)
}

// unit is what a scan has of a component in every MCU.
type unit struct {
	*component
	dc, ac *huffman
	h, v   int // blocks in an MCU
	last   int32
}

// maxBlocks is the most blocks of an MCU (T.81, B.2.3).
const maxBlocks = 10

// scan reads the scan whose header is body. at is then the marker after it.
func (d *decoder) scan(body []byte) error {
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("%w: more than %d scans", ErrTooLarge, maxScans)
	}
	s := scan{stream: stream{data: d.data, at: d.at}, interval: d.interval}
	err := s.parse(d, body)
	if err == nil {
		err = d.begin(&s)
	}
	if err == nil {
		err = s.decode(d)
	}
	if err != nil {
		return fmt.Errorf("scan %d: %w", d.scans, err)
	}
	return nil
}

func (s *scan) parse(d *decoder, body []byte) error {
	n := (len(body) - 4) / 2
	if n < 1 || n > len(d.frame.components) || len(body) != 4+2*n || int(body[0]) != n {
		return fmt.Errorf("%w: a scan header of %d bytes", ErrFormat, len(body))
	}
	s.units = make([]unit, n)
	for i := range s.units {
		if err := s.parseUnit(d, i, body[1+2*i], body[2+2*i]); err != nil {
			return err
		}
	}
	s.from, s.to = int(body[2*n+1]), int(body[2*n+2])
	s.high, s.low = int(body[2*n+3]>>4), int(body[2*n+3]&15)
	if d.frame.lossless {
		return s.parseLossless(&d.frame)
	}
	if err := s.measure(&d.frame); err != nil {
		return err
	}
	if d.frame.progressive {
		return s.parseProgressive()
	}
	return s.parseSequential()
}

// parseUnit finds the component and its tables. Some encoders give all their
// components one ID, when their order decides.
func (s *scan) parseUnit(d *decoder, i int, id, tables byte) error {
	u := &s.units[i]
	for j := range d.frame.components {
		c := &d.frame.components[j]
		if c.id == id && !s.has(c) {
			u.component = c
			break
		}
	}
	if u.component == nil {
		return fmt.Errorf("%w: component ID %d", ErrFormat, id)
	}
	if tables&0xcc != 0 {
		return fmt.Errorf("%w: Huffman tables %#02x", ErrFormat, tables)
	}
	u.dc, u.ac = d.dc[tables>>4], d.ac[tables&15]
	if d.frame.lossless {
		return nil
	}
	return u.dequantise(d.quant[u.tq])
}

func (s *scan) has(c *component) bool {
	for i := range s.units {
		if s.units[i].component == c {
			return true
		}
	}
	return false
}

// dequantise keeps the table that a component's first scan finds: a later one
// of the same number is for other components.
func (c *component) dequantise(table *[64]uint16) error {
	if c.quant != nil {
		return nil
	}
	if table == nil {
		return fmt.Errorf("%w: no quantisation table %d", ErrFormat, c.tq)
	}
	c.quant = new([64]int32)
	for k, q := range table {
		c.quant[k] = int32(q)
	}
	return nil
}

// measure works out the MCUs: one block each for one component, otherwise
// sampling factors' worth of each (A.2.2, A.2.3).
func (s *scan) measure(f *frame) error {
	if len(s.units) == 1 {
		u := &s.units[0]
		u.h, u.v = 1, 1
		s.cols, s.rows = u.component.cols, u.component.rows
		return nil
	}
	blocks := 0
	for i := range s.units {
		u := &s.units[i]
		u.h, u.v = u.component.h, u.component.v
		blocks += u.h * u.v
	}
	if blocks > maxBlocks {
		return fmt.Errorf("%w: %d blocks in an MCU", ErrFormat, blocks)
	}
	s.cols, s.rows = f.cols, f.rows
	return nil
}

// begin readies the components for the scan; the first one makes their memory.
func (d *decoder) begin(s *scan) error {
	switch {
	case d.frame.lossless || d.frame.precision > 8:
		if d.values == nil {
			d.allocateWide()
		}
	case d.pix == nil:
		d.allocate(len(s.units) < len(d.frame.components))
	}
	s.left = s.interval
	if d.frame.progressive {
		return s.account()
	}
	return nil
}

// allocate makes memory for the image and for what becomes of it, where several
// scans of a sequential frame need whole planes.
func (d *decoder) allocate(several bool) {
	f := &d.frame
	d.pix = make([]byte, len(f.components)*f.width*f.height)
	if d.convert, d.isYCC = d.colours(f); d.raw {
		d.convert, d.isYCC = stored(len(f.components)), false
	}
	for i := range f.components {
		c := &f.components[i]
		cols, rows := f.cols*c.h, f.rows*c.v
		if f.progressive {
			c.store = newStore(cols, rows)
		}
		c.plane = newPlane(cols, rows, c.v, several && !f.progressive)
		if c.stretch > 1 || c.drop > 1 {
			c.scratch = make([]byte, c.width*c.stretch)
		}
	}
}

// decode decodes the scan and leaves d at the marker after it.
func (s *scan) decode(d *decoder) error {
	var err error
	switch {
	case d.frame.lossless:
		err = s.lossless(d)
	case !d.frame.progressive && d.frame.precision > 8:
		err = s.sequentialWide()
	case !d.frame.progressive:
		err = s.sequential(d)
	case s.from > 0:
		err = s.progressiveAC()
	default:
		err = s.progressiveDC()
	}
	if err != nil {
		return err
	}
	at, ok := s.end()
	if !ok {
		return fmt.Errorf("%w: data are left over", ErrFormat)
	}
	d.at = at
	return nil
}

// advance is called before each MCU, and restarts the decoding where one is due
// (F.2.1.3.1, E.2.4).
func (s *scan) advance() error {
	if s.interval == 0 {
		return nil
	}
	if s.left == 0 {
		if err := s.restart(); err != nil {
			return err
		}
	}
	s.left--
	return nil
}

func (s *scan) restart() error {
	at, ok := s.end()
	if !ok {
		return fmt.Errorf("%w: data are left over before restart %d", ErrFormat, s.restarts)
	}
	next := segments{data: s.data, at: at}
	m, err := next.marker()
	if err != nil {
		return err
	}
	if want := markRST0 + byte(s.restarts&7); m != want {
		return fmt.Errorf("%w: marker %#02x where restart %d should be", ErrFormat, m, s.restarts)
	}
	s.stream = stream{data: s.data, at: next.at}
	s.restarts++
	s.left = s.interval
	for i := range s.units {
		s.units[i].last = 0
	}
	return nil
}

// Damage within the entropy-coded data.
var (
	errCode   = fmt.Errorf("%w: no such Huffman code", ErrFormat)
	errRun    = fmt.Errorf("%w: a run beyond its end", ErrFormat)
	errShort  = fmt.Errorf("%w: the data end within it", ErrFormat)
	errSample = fmt.Errorf("%w: a sample out of range", ErrFormat)
	errValue  = fmt.Errorf("%w: a coefficient out of range", ErrFormat)
)

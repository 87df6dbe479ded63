package native

import "fmt"

// rect is an area of the reference grid or of a resolution: x0 <= x < x1.
type rect struct{ x0, y0, x1, y1 int64 }

func (r rect) width() int64  { return r.x1 - r.x0 }
func (r rect) height() int64 { return r.y1 - r.y0 }
func (r rect) empty() bool   { return r.x1 <= r.x0 || r.y1 <= r.y0 }

// reduced returns r at the resolution that is 2^level coarser (T.800, B-14).
func (r rect) reduced(level int) rect {
	return rect{ceil(r.x0, 1<<level), ceil(r.y0, 1<<level), ceil(r.x1, 1<<level), ceil(r.y1, 1<<level)}
}

// cells returns how many cells of a grid of 2^x by 2^y r touches.
func (r rect) cells(x, y int) int64 {
	if r.empty() {
		return 0
	}
	return (ceil(r.x1, 1<<x) - r.x0>>x) * (ceil(r.y1, 1<<y) - r.y0>>y)
}

// ceil returns a/b rounded up, of a >= 0.
func ceil(a, b int64) int64 { return (a + b - 1) / b }

// checkTiles bounds what the library makes of each tile, and refuses more
// packets than there are bytes: each takes one at least (T.800, B.10.3).
func (c *codestream) checkTiles() error {
	across, _ := c.grid()
	packets := int64(0)
	for i := range c.seen {
		s := &c.styles
		if own := c.own[i]; own != nil {
			s = own
		}
		x, y := c.tile.x0+int64(i)%across*c.tile.width(), c.tile.y0+int64(i)/across*c.tile.height()
		tile := rect{max(x, c.area.x0), max(y, c.area.y0), min(x+c.tile.width(), c.area.x1), min(y+c.tile.height(), c.area.y1)}
		n, err := c.checkTile(tile, s)
		if err != nil {
			return fmt.Errorf("tile %d of %d: %w", i+1, len(c.seen), err)
		}
		if packets += n; packets > int64(c.size) {
			return fmt.Errorf("%w: more than %d packets in as many bytes", ErrCorrupt, c.size)
		}
	}
	return nil
}

// checkTile returns the number of a tile's packets. Precincts and code-blocks
// that are many for its samples are of no use but to take memory, and so is the
// library's table of packets, of layers × components × most resolutions × most
// precincts.
func (c *codestream) checkTile(tile rect, s *styles) (packets int64, err error) {
	var precincts, blocks, most, resolutions int64
	for _, one := range s.of[:c.components] {
		resolutions = max(resolutions, int64(one.levels)+1)
		for r := range one.levels + 1 {
			p, b := one.resolution(tile, r)
			precincts, blocks, most = precincts+p, blocks+b, max(most, p)
		}
	}
	samples := tile.width() * tile.height() * int64(c.components)
	if precincts > 1024+samples/64 || blocks > 4096+samples/8 {
		return 0, fmt.Errorf("%w: %d precincts and %d code-blocks for %d samples", ErrUnsupported, precincts, blocks, samples)
	}
	if table := int64(s.layers+1) * int64(c.components) * resolutions * most; table > 1<<20+2*int64(c.size)+4*samples {
		return 0, fmt.Errorf("%w: a table of %d packets for %d samples", ErrUnsupported, table, samples)
	}
	return precincts * int64(s.layers), nil
}

// resolution returns how many precincts and code-blocks resolution r of a tile
// has (T.800, B.6 and B.7): three bands of half its size, or one.
func (s *style) resolution(tile rect, r int) (precincts, blocks int64) {
	area := tile.reduced(s.levels - r)
	x, y := int(s.precincts[r]&15), int(s.precincts[r]>>4)
	precincts = area.cells(x, y)
	if r == 0 {
		return precincts, area.cells(min(x, s.xcb), min(y, s.ycb))
	}
	return precincts, 3 * area.reduced(1).cells(min(x-1, s.xcb), min(y-1, s.ycb))
}

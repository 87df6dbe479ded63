package scatter

const (
	// temper is how much of the mean level, which is mostly the exposure and
	// the contrast of a picture, is taken from its levels.
	temper = 0.3
	// What the cells' own luminance and colour count, per unit of RGB.
	brightness = 3
	tint       = 10
)

// network composes the graph.
func network() *graph {
	g := new(graph)
	g.input(input, 3, size, size)
	g.output(output, Dimension)
	c := composer{graph: g, wavelets: g.wavelets(), window: g.floats(narrow(gaussian()), 1, 1, 2*window+1, 2*window+1)}
	picture := c.colour()
	parts := append(c.read(c.octaves(picture)), c.means(picture))
	features := g.op("Concat", parts, intAttribute("axis", 1))
	// The logarithms of nearly flat cells lie far out; a soft limit keeps them
	// from deciding alone.
	g.node("Asinh", []string{features}, []string{output}, nil)
	return g
}

// A composer writes the parts of the network, sharing the filters' constants.
type composer struct {
	*graph
	wavelets, window string
}

// wavelets adds the kernels of all orientations: real parts, then imaginary.
func (g *graph) wavelets() string {
	var re, im []float32
	for a := range angles {
		r, i := morlet(a)
		re, im = append(re, narrow(r)...), append(im, narrow(i)...)
	}
	return g.floats(append(re, im...), 2*angles, 1, 2*reach+1, 2*reach+1)
}

// colour returns luminance and colour, [N, 3, size, size].
func (c composer) colour() string {
	var weights []float32
	for _, r := range colours() {
		weights = append(weights, narrow(r[:])...)
	}
	return c.op("Conv", []string{input, c.floats(weights, 3, 3, 1, 1)})
}

// octaves returns the averages of all paths, [N, paths, grid, grid].
func (c composer) octaves(maps string) string {
	var averages []string
	for j := range octaves {
		side := size >> j
		if j > 0 {
			maps = c.halve(maps, 2*side)
		}
		moduli := c.moduli(maps, side)
		averages = append(averages, c.average(moduli, channels(j)*angles, side))
		if j < octaves-1 {
			maps = c.grow(maps, moduli, j)
		}
	}
	return c.op("Concat", averages, intAttribute("axis", 1))
}

// halve smooths maps of that side and takes every other pixel.
func (c composer) halve(maps string, side int) string {
	padded := c.mirrored(c.reshape(maps, 1, side), window)
	return c.op("Conv", []string{padded, c.window}, intsAttribute("strides", 2, 2))
}

// moduli returns the modulus of every map's responses, [·, angles, side, side]
// with one row per map.
func (c composer) moduli(maps string, side int) string {
	responses := c.op("Conv", []string{c.mirrored(c.reshape(maps, 1, side), reach), c.wavelets})
	squares := c.op("Mul", []string{responses, responses})
	parts := c.ops("Split", 2, []string{squares}, intAttribute("axis", 1))
	return c.op("Sqrt", []string{c.op("Add", parts)})
}

// average returns the means over the cells, [N, channels, grid, grid].
func (c composer) average(moduli string, channels, side int) string {
	return c.reshape(c.pool(moduli, side/grid), channels, grid)
}

// grow appends the moduli of luminance to the maps of an octave.
func (c composer) grow(maps, moduli string, octave int) string {
	side := size >> octave
	moduli = c.reshape(moduli, channels(octave)*angles, side)
	luminance := c.op("Slice", []string{moduli, c.ints(0), c.ints(angles), c.ints(1)})
	return c.op("Concat", []string{c.reshape(maps, channels(octave), side), luminance}, intAttribute("axis", 1))
}

// read returns the rows of the readout, flat.
func (c composer) read(averages string) []string {
	faint, _ := references()
	added := c.op("Add", []string{averages, c.floats(narrow(faint[:]), 1, paths, 1, 1)})
	r := newReadout()
	all := c.op("Conv", []string{c.op("Log", []string{added}), c.floats(r.weights, rows, paths, 1, 1), c.floats(r.bias, rows)})
	kinds := c.ops("Split", 3, []string{all, c.ints(levelRows, cellRows, quadRows)}, intAttribute("axis", 1))
	return []string{c.flat(c.tempered(kinds[0])), c.flat(kinds[1]), c.flat(c.pool(kinds[2], 2))}
}

// tempered takes a part of the mean over rows and cells from each of them.
func (c composer) tempered(levels string) string {
	mean := c.op("ReduceMean", []string{levels}, intsAttribute("axes", 1, 2, 3))
	return c.op("Sub", []string{levels, c.op("Mul", []string{mean, c.floats([]float32{temper})})})
}

// means returns every cell's mean luminance around the middle and its mean
// colour, flat.
func (c composer) means(picture string) string {
	scaled := c.op("Mul", []string{c.pool(picture, size/grid), c.floats([]float32{brightness, tint, tint}, 1, 3, 1, 1)})
	middle := c.floats([]float32{brightness / 2.0, 0, 0}, 1, 3, 1, 1)
	return c.flat(c.op("Sub", []string{scaled, middle}))
}

func (c composer) pool(maps string, cell int) string {
	return c.op("AveragePool", []string{maps}, intsAttribute("kernel_shape", cell, cell), intsAttribute("strides", cell, cell))
}

// mirrored continues maps over their borders without repeating the border.
func (c composer) mirrored(maps string, by int) string {
	return c.op("Pad", []string{maps, c.ints(0, 0, by, by, 0, 0, by, by)}, stringAttribute("mode", "reflect"))
}

func (c composer) reshape(maps string, channels, side int) string {
	return c.op("Reshape", []string{maps, c.ints(-1, channels, side, side)})
}

func (c composer) flat(maps string) string {
	return c.op("Flatten", []string{maps})
}

// narrow returns the values as float32.
func narrow(values []float64) []float32 {
	n := make([]float32, len(values))
	for i, v := range values {
		n[i] = float32(v)
	}
	return n
}

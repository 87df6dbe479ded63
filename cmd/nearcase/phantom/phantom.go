// Package phantom draws synthetic chest radiographs with labels, for
// demonstrations and tests that need images nobody has to ask for. They are
// phantoms in the sense of medical physics: flat geometric anatomy inside a
// tinted band that says so, of no patient and no diagnostic value.
//
// What makes real collections hard is there on a small scale: images of one
// patient resemble each other more than images of one finding do, a patient's
// finding may change, and exposure, position and noise differ by image.
package phantom

import (
	"bytes"
	"fmt"
	"image/png"
	"iter"
	"slices"
)

// Size is the width and height of a phantom in pixels.
const Size = 256

// The tasks, and the classes of each.
const (
	Finding = "finding" // single-label
	Clear   = "clear"
	Haze    = "haze"    // a diffuse texture of low contrast in one lung or both
	Nodules = "nodules" // two to five bright blobs in the lungs

	Devices   = "devices" // multi-label
	Line      = "line"    // a curved catheter
	Pacemaker = "pacemaker"
)

// Task is what phantoms are labelled for. Classes are sorted by name.
type Task struct {
	Name    string
	Multi   bool
	Classes []string
}

// Tasks returns the tasks that every phantom has a label for.
func Tasks() []Task {
	return []Task{
		{Name: Devices, Multi: true, Classes: []string{Line, Pacemaker}},
		{Name: Finding, Classes: []string{Clear, Haze, Nodules}},
	}
}

// Image is one phantom with its labels.
type Image struct {
	Name    string // a file name, unique among all phantoms of a seed
	Patient string
	Study   string // of one patient, with one or two images
	// Labels holds the classes of each task, sorted by name: exactly one for
	// Finding; for Devices those that are there, where an empty list says that
	// there is none.
	Labels map[string][]string
	PNG    []byte // 8-bit RGB, Size by Size, grey but for the band
}

// All yields the phantoms of the given number of patients, four to eight for
// each, patient by patient and in order of time. What it yields depends on the
// seed alone, and more patients only add to it: the first patients stay as
// they are. Labels and names are the same on every machine; grey levels may
// differ by rounding between architectures. Findings and devices are spread
// evenly over patients. The sequence may be used again, also concurrently.
func All(seed uint64, patients int) iter.Seq[Image] {
	return func(yield func(Image) bool) {
		e := &encoder{png: png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &pool{}}}
		for number := range patients {
			p := newPatient(seed, number)
			for i := range p.images {
				if !yield(p.image(i, e)) {
					return
				}
			}
		}
	}
}

// image draws a patient's i-th phantom.
func (p *patient) image(i int, e *encoder) Image {
	c := p.draw(i)
	id := fmt.Sprintf("phantom-%03d", p.number+1)
	return Image{
		Name:    fmt.Sprintf("%s-%d.png", id, i+1),
		Patient: id,
		Study:   fmt.Sprintf("%s-study-%d", id, i/2+1),
		Labels: map[string][]string{
			Finding: {p.images[i].finding},
			Devices: slices.Clone(p.images[i].devices),
		},
		PNG: e.encode(c),
	}
}

// encoder writes canvases as PNG and keeps what it can use again. It is not
// safe for concurrent use.
type encoder struct {
	png png.Encoder
	out bytes.Buffer
}

func (e *encoder) encode(c *canvas) []byte {
	e.out.Reset()
	// Neither a buffer nor an image of this size can fail.
	_ = e.png.Encode(&e.out, c.picture())
	return bytes.Clone(e.out.Bytes())
}

// pool lends the one buffer of an encoder.
type pool struct{ buffer *png.EncoderBuffer }

func (p *pool) Get() *png.EncoderBuffer  { return p.buffer }
func (p *pool) Put(b *png.EncoderBuffer) { p.buffer = b }

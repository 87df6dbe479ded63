package phantom

import "math/rand/v2"

// patient is one synthetic patient: an anatomy, and what each image shows.
type patient struct {
	seed    uint64
	number  int // from 0
	anatomy *anatomy
	images  []content
}

// content is what one image shows besides the anatomy.
type content struct {
	finding string
	devices []string // sorted
}

// purpose is what random numbers are for. Each has its own, so that labels do
// not depend on how much the drawing uses up, nor an exposure on the finding.
type purpose uint64

const (
	forFindings purpose = iota
	forDevices
	forHistory
	forAnatomy
	forPose
	forContent
	forExposure
)

// source returns the random numbers for one purpose of one patient or, where
// the purpose is an image's, of the i-th image.
func source(seed uint64, number int, why purpose, i int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(number)<<16|uint64(why)<<8|uint64(i)))
}

func between(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }

func newPatient(seed uint64, number int) *patient {
	return &patient{
		seed: seed, number: number,
		anatomy: newAnatomy(source(seed, number, forAnatomy, 0)),
		images:  history(seed, number),
	}
}

// history decides what a patient's images show. The finding changes at most
// once, and what it was at first stays in more than half of the images.
func history(seed uint64, number int) []content {
	findings := deal(source(seed, number/3, forFindings, 0), []string{Clear, Haze, Nodules})
	devices := deal(source(seed, number/4, forDevices, 0), [][2]bool{{}, {true, false}, {false, true}, {true, true}})
	first, second, has := findings[number%3], findings[(number+1)%3], devices[number%4]
	r := source(seed, number, forHistory, 0)
	images := make([]content, 4+r.IntN(5))
	changed := len(images) - r.IntN((len(images)+1)/2)
	for i := range images {
		images[i] = content{finding: first, devices: seen(r, has)}
		if i >= changed {
			images[i].finding = second
		}
	}
	return images
}

// deal shuffles cards of which consecutive patients get one each.
func deal[T any](r *rand.Rand, cards []T) []T {
	r.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
	return cards
}

// seen returns the devices in one image of a patient who has a line or a
// pacemaker or both. Devices come and go: one in eight differs from that.
func seen(r *rand.Rand, has [2]bool) []string {
	names := []string{}
	for i, name := range []string{Line, Pacemaker} {
		if has[i] != (r.IntN(8) == 0) {
			names = append(names, name)
		}
	}
	return names
}

// draw draws the i-th image.
func (p *patient) draw(i int) *canvas {
	c := newCanvas(newPose(source(p.seed, p.number, forPose, i), p.anatomy.tilt))
	c.body(p.anatomy)
	c.content(source(p.seed, p.number, forContent, i), p.anatomy, p.images[i])
	c.expose(source(p.seed, p.number, forExposure, i), p.anatomy.gain)
	return c
}

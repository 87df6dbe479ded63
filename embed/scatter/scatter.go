// Package scatter is the built-in model: a wavelet scattering network, written
// as an ONNX graph when the program starts and run like every other network.
// Nothing in it is learned, so it needs no weights and no download. A few
// constants that say what counts how much were chosen by hand.
//
// A picture goes through a cascade of five octaves. In each, Morlet wavelets of
// eight orientations are followed by the modulus, which says how much structure
// of that scale and orientation lies where; the maps of luminance then go on to
// the coarser octaves and meet the wavelets a second time, which says how that
// structure is arranged. Averages over a grid of 4 × 4 cells, their logarithms,
// a fixed linear map and a soft limit make the embedding.
//
//	graph := scatter.Graph()
//	session, err := onnx.OpenSession(graph, onnx.Options{Height: 128, Width: 128})
//	model, err := embed.NewModel(scatter.Manifest(), digest, session)
//
// Bruna and Mallat, "Invariant scattering convolution networks", IEEE TPAMI
// 35(8), 2013; Mallat, "Group invariant scattering", CPAM 65(10), 2012.
package scatter

import (
	"nearcase/embed"
)

// Dimension is the length of an embedding.
const Dimension = 5*16 + 30*16 + 50*4 + 3*16

// version is raised with every change that makes a picture's embedding another.
const version = 1

const (
	size    = 128 // pixels of the input's side
	octaves = 5   // wavelengths of about 2.7 to 43 pixels
	angles  = 8   // orientations of the wavelets, π/8 apart
	grid    = 4   // cells along a side
)

// The names of the graph's ends.
const (
	input  = "pixels"
	output = "features"
)

// Graph returns the network as a new ONNX model: opset 17, input "pixels"
// [N, 3, 128, 128] of RGB from 0 to 1, output "features" [N, Dimension], N free.
// The bytes are the same on every machine. Each row is centred and scaled so
// that the cosine between two of them is a score as it is.
func Graph() []byte {
	return network().model()
}

// Manifest describes the network that Graph returns.
func Manifest() embed.Manifest {
	return embed.Manifest{
		Name: "scatter",
		Description: "Wavelet scattering network, version 1: 5 octaves, 8 orientations, two orders, " +
			"luminance and colour. Fixed filters, nothing learned.",
		Input:        input,
		Output:       output,
		Dimension:    Dimension,
		Resize:       embed.Resize{Mode: embed.Shorter, Size: size, Interpolation: embed.Bilinear},
		Crop:         size,
		Scale:        1.0 / 255,
		Std:          [3]float64{1, 1, 1},
		Channels:     embed.RGB,
		Layout:       embed.NCHW,
		Pooling:      embed.PoolNone,
		Licence:      "Apache-2.0",
		TrainingData: "none",
		Citation: "Bruna and Mallat, Invariant scattering convolution networks, " +
			"IEEE Transactions on Pattern Analysis and Machine Intelligence 35(8), 2013",
	}
}

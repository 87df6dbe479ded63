package probe

import (
	"fmt"
	"strings"
)

// A Preset is a way to vote that a user may choose by name.
type Preset struct {
	Name string `json:"name"`
	Voting
	// Centred tells that neighbours and scores are those of centred vectors: see
	// Centre.
	Centred bool `json:"centred,omitempty"`
}

// Presets returns the presets, the default first:
//
//   - dinov2: the 20 nearest, softmax of score/0.07 (Oquab et al., arXiv
//     2304.07193).
//   - medmnist: the 11 nearest, all alike (Doerrich et al., "Rethinking model
//     prototyping through the MedMNIST+ dataset collection", 2024).
//   - uni: the 20 nearest of centred vectors, all alike (Chen et al., "Towards a
//     general-purpose foundation model for computational pathology", Nat. Med.
//     30, 2024).
//   - distance: the 20 nearest by the inverse of their distance (Dudani, "The
//     distance-weighted k-nearest-neighbor rule", 1976).
//   - nearest: the nearest alone.
func Presets() []Preset {
	return []Preset{
		{Name: "dinov2", Voting: Voting{Weighting: Weighting{Kind: Softmax}, K: DefaultK}},
		{Name: "medmnist", Voting: Voting{Weighting: Weighting{Kind: Uniform}, K: 11}},
		{Name: "uni", Voting: Voting{Weighting: Weighting{Kind: Uniform}, K: DefaultK}, Centred: true},
		{Name: "distance", Voting: Voting{Weighting: Weighting{Kind: Distance}, K: DefaultK}},
		{Name: "nearest", Voting: Voting{Weighting: Weighting{Kind: Uniform}, K: 1}},
	}
}

// NamedPreset returns the preset of that name, the default for "", or
// ErrWeighting if there is none.
func NamedPreset(name string) (Preset, error) {
	var names []string
	for _, p := range Presets() {
		if p.Name == name || name == "" {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Preset{}, fmt.Errorf("no votes are called %q, use one of %s: %w", name, strings.Join(names, ", "), ErrWeighting)
}

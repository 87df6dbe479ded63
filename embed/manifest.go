package embed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrManifest is a manifest that cannot be used. Errors name every bad field.
var ErrManifest = errors.New("bad manifest")

// The values of a Manifest's Channels, Layout and Pooling.
const (
	RGB = "rgb"
	BGR = "bgr"

	NCHW = "nchw" // [N, 3, H, W]
	NHWC = "nhwc" // [N, H, W, 3]

	PoolNone    = "none"        // [N, D] as it is; trailing dimensions of 1 are dropped
	PoolTokens  = "mean-tokens" // [N, T, D] averaged over the tokens
	PoolCLS     = "cls"         // [N, T, D], its first token
	PoolAverage = "average"     // [N, D, H, W] averaged over the positions
)

// Manifest describes a network: which graph it is, how a picture becomes its
// input and how its output becomes an embedding. Scale, Channels, Layout and
// Pooling have the defaults noted; a manifest from ParseManifest or a Model
// has them filled in.
type Manifest struct {
	// Name identifies the model and is the name of its folder: up to 64
	// letters, digits, dots, underscores and dashes, not starting with a dot
	// or a dash.
	Name        string `yaml:"name" json:"name"`
	Description string `yaml:"description,omitempty" json:"description,omitempty"`
	// File is the ONNX graph, slash-separated and within the manifest's folder.
	// It is empty for a model that is not read from a folder.
	File string `yaml:"file,omitempty" json:"file,omitempty"`
	// SHA256 is the hex digest that the graph must have; empty means any.
	SHA256 string `yaml:"sha256,omitempty" json:"sha256,omitempty"`

	Input     string `yaml:"input" json:"input"`         // name in the graph
	Output    string `yaml:"output" json:"output"`       // name in the graph
	Dimension int    `yaml:"dimension" json:"dimension"` // of the embedding, 1 to 65536

	Resize Resize `yaml:"resize" json:"resize"`
	// Crop is the side of the square cut from the centre after resizing, 0 for
	// none. It is at most Resize.Size, and required with mode shorter, which
	// leaves pictures of all proportions.
	Crop     int        `yaml:"crop,omitempty" json:"crop,omitempty"`
	Scale    float64    `yaml:"scale,omitempty" json:"scale,omitempty"`       // default 1/255
	Mean     [3]float64 `yaml:"mean,flow" json:"mean"`                        // after Scale, in the order of Channels
	Std      [3]float64 `yaml:"std,flow" json:"std"`                          // likewise, above zero
	Channels string     `yaml:"channels,omitempty" json:"channels,omitempty"` // rgb (default) or bgr
	Layout   string     `yaml:"layout,omitempty" json:"layout,omitempty"`     // nchw (default) or nhwc
	Pooling  string     `yaml:"pooling,omitempty" json:"pooling,omitempty"`   // none (default), mean-tokens, cls or average

	Licence      string `yaml:"licence,omitempty" json:"licence,omitempty"`
	TrainingData string `yaml:"training_data,omitempty" json:"training_data,omitempty"`
	Source       string `yaml:"source,omitempty" json:"source,omitempty"`
	Citation     string `yaml:"citation,omitempty" json:"citation,omitempty"`
}

// Resize says how a picture is brought to size.
type Resize struct {
	Mode          string `yaml:"mode" json:"mode"`                   // Shorter, Fixed or LongestPad
	Size          int    `yaml:"size" json:"size"`                   // pixels, 1 to 2048
	Interpolation string `yaml:"interpolation" json:"interpolation"` // Nearest, Box, Bilinear, Bicubic or Lanczos
}

const (
	maxManifest  = 1 << 20
	maxDimension = 1 << 16
	maxSize      = 2048
	maxScale     = 1e6
	minStd       = 1e-6
)

// ParseManifest reads a YAML manifest, fills in its defaults and validates it.
// Unknown fields, a second document and more than 1 MiB are errors. Every
// error is an ErrManifest.
func ParseManifest(data []byte) (Manifest, error) {
	m, err := decodeManifest(data)
	if err != nil {
		return Manifest{}, fmt.Errorf("embed: %w: %w", ErrManifest, err)
	}
	m = m.withDefaults()
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

func decodeManifest(data []byte) (m Manifest, err error) {
	if len(data) > maxManifest {
		return m, fmt.Errorf("%d bytes, the limit is %d", len(data), maxManifest)
	}
	// yaml.v3 recovers from its own panics only; the input is not trusted.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML: %v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&m); err == io.EOF {
		return m, errors.New("empty")
	} else if err != nil {
		return m, err
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return m, errors.New("more than one document")
	}
	return m, nil
}

func (m Manifest) withDefaults() Manifest {
	if m.Scale == 0 {
		m.Scale = 1.0 / 255
	}
	if m.Channels == "" {
		m.Channels = RGB
	}
	if m.Layout == "" {
		m.Layout = NCHW
	}
	if m.Pooling == "" {
		m.Pooling = PoolNone
	}
	return m
}

// Validate returns an ErrManifest that names every field whose value cannot be
// used, or nil.
func (m Manifest) Validate() error {
	m = m.withDefaults()
	var faults faults
	faults.check(isName(m.Name), "name: %q is not 1 to 64 letters, digits, dots, underscores and dashes", m.Name)
	faults.check(m.File == "" || localFile(m.File), "file: %q is no path within the manifest's folder", m.File)
	faults.check(m.SHA256 == "" || isDigest(m.SHA256), "sha256: %q is not 64 lower-case hex digits", m.SHA256)
	faults.check(m.Input != "", "input: missing")
	faults.check(m.Output != "", "output: missing")
	faults.within("dimension", m.Dimension, 1, maxDimension)
	m.validateGeometry(&faults)
	m.validateLevels(&faults)
	faults.oneOf("channels", m.Channels, RGB, BGR)
	faults.oneOf("layout", m.Layout, NCHW, NHWC)
	faults.oneOf("pooling", m.Pooling, PoolNone, PoolTokens, PoolCLS, PoolAverage)
	if len(faults) > 0 {
		return fmt.Errorf("embed: %w: %s", ErrManifest, strings.Join(faults, "; "))
	}
	return nil
}

func (m Manifest) validateGeometry(f *faults) {
	f.oneOf("resize.mode", m.Resize.Mode, Shorter, Fixed, LongestPad)
	f.within("resize.size", m.Resize.Size, 1, maxSize)
	f.oneOf("resize.interpolation", m.Resize.Interpolation, Nearest, Box, Bilinear, Bicubic, Lanczos)
	f.check(m.Crop != 0 || m.Resize.Mode != Shorter, "crop: required with resize.mode %s", Shorter)
	f.check(m.Crop >= 0 && m.Crop <= m.Resize.Size, "crop: %d is not between 0 and resize.size %d", m.Crop, m.Resize.Size)
}

func (m Manifest) validateLevels(f *faults) {
	f.check(m.Scale > 0 && m.Scale <= maxScale, "scale: %v is not above 0 and at most %v", m.Scale, maxScale)
	for c := range m.Mean {
		f.check(math.Abs(m.Mean[c]) <= maxScale, "mean[%d]: %v is not between -%v and %v", c, m.Mean[c], maxScale, maxScale)
		f.check(m.Std[c] >= minStd && m.Std[c] <= maxScale, "std[%d]: %v is not between %v and %v", c, m.Std[c], minStd, maxScale)
	}
}

// faults collects what is wrong, field by field. A comparison with NaN is
// false, so checks state what must hold.
type faults []string

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

func (f *faults) within(field string, v, low, high int) {
	f.check(v >= low && v <= high, "%s: %d is not between %d and %d", field, v, low, high)
}

func (f *faults) oneOf(field, v string, allowed ...string) {
	f.check(slices.Contains(allowed, v), "%s: %q is none of %s", field, v, strings.Join(allowed, ", "))
}

func isName(s string) bool {
	const first = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	return len(s) >= 1 && len(s) <= 64 && strings.IndexByte(first, s[0]) >= 0 && strings.Trim(s, first+".-") == ""
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// localFile reports whether name is a clean path that stays in its folder on
// every operating system.
func localFile(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name)) && !strings.ContainsAny(name, "\\:\x00") && len(name) <= 255
}

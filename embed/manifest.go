package embed

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrManifest is a manifest that cannot be used. Errors name every bad field.
var ErrManifest = errors.New("bad manifest")

// The values of a Manifest's CropOffset, Channels, Layout and Pooling.
const (
	Round = "round" // half to even, and down where the crop is larger: torchvision
	Floor = "floor" // always down: Hugging Face's processors

	RGB = "rgb"
	BGR = "bgr"

	NCHW = "nchw" // [N, 3, H, W]
	NHWC = "nhwc" // [N, H, W, 3]

	PoolNone    = "none"        // [N, D] as it is; trailing dimensions of 1 are dropped
	PoolTokens  = "mean-tokens" // [N, T, D] averaged over the tokens from Skip on
	PoolCLS     = "cls"         // [N, T, D], its first token
	PoolAverage = "average"     // [N, D, H, W] averaged over the positions
)

// Manifest describes a network: which graph it is, how a picture becomes its
// input and how its output becomes an embedding. What has a default noted may
// be left out; a manifest from ParseManifest, a Folder or a Model has the
// defaults filled in.
type Manifest struct {
	// Name identifies the model and is the name of its folder, which it is by
	// default: up to 64 letters, digits, dots, underscores and dashes, not
	// starting with a dot or a dash.
	Name        string `yaml:"name" json:"name"`
	Description string `yaml:"description,omitempty" json:"description,omitempty"`
	// Base names the configuration file of the folder that everything left out
	// here is taken from: preprocessor_config.json, open_clip_config.json or
	// timm's config.json. It is empty once that has been done.
	Base string `yaml:"base,omitempty" json:"base,omitempty"`
	// File is the ONNX graph, slash-separated and within the manifest's folder.
	// It is empty for a model that is not read from a folder.
	File string `yaml:"file,omitempty" json:"file,omitempty"`
	// SHA256 is the hex digest that the graph must have: that of its file, or
	// where its data lies in other files, of all of them as onnx.Digest says.
	// Empty means any.
	SHA256 string `yaml:"sha256,omitempty" json:"sha256,omitempty"`

	Input     string `yaml:"input" json:"input"`         // name in the graph
	Output    string `yaml:"output" json:"output"`       // name in the graph
	Dimension int    `yaml:"dimension" json:"dimension"` // of the embedding, 1 to 65536

	Resize Resize `yaml:"resize" json:"resize"`
	// Crop is the side of the square cut from the centre after resizing, 0 for
	// none, at most 2048. Where the picture is smaller, Fill surrounds it. It is
	// required with the modes shorter, longest and keep, which leave pictures
	// of all proportions.
	Crop       int    `yaml:"crop,omitempty" json:"crop,omitempty"`
	CropOffset string `yaml:"crop_offset,omitempty" json:"crop_offset,omitempty"` // round (default) or floor
	Fill       Colour `yaml:"fill,omitempty,flow" json:"fill,omitzero"`           // around a picture; default black

	// Levels says how samples of more than 8 bits become 8: window (default),
	// full, percentile or clip, see View. Percentiles are those of percentile,
	// from 0 to 100, rising; default 0.5 and 99.5.
	Levels      string      `yaml:"levels,omitempty" json:"levels,omitempty"`
	Percentiles Percentiles `yaml:"percentiles,omitempty,flow" json:"percentiles,omitzero"`
	// Window is which of a DICOM file's several windows is taken, from 0 on; a file
	// that has fewer shows its first.
	Window int `yaml:"window,omitempty" json:"window,omitempty"`

	Scale    float64    `yaml:"scale,omitempty" json:"scale,omitempty"`       // default 1/255
	Mean     [3]float64 `yaml:"mean,flow" json:"mean"`                        // after Scale, in the order of Channels
	Std      [3]float64 `yaml:"std,flow" json:"std"`                          // likewise, above zero
	Channels string     `yaml:"channels,omitempty" json:"channels,omitempty"` // rgb (default) or bgr
	Layout   string     `yaml:"layout,omitempty" json:"layout,omitempty"`     // nchw (default) or nhwc
	Pooling  string     `yaml:"pooling,omitempty" json:"pooling,omitempty"`   // none (default), mean-tokens, cls or average
	// Skip is how many leading tokens mean-tokens leaves out: 1 for a class
	// token, 5 for one and four registers.
	Skip int `yaml:"skip,omitempty" json:"skip,omitempty"`

	// Text is the other half of a CLIP, nil for a model without.
	Text *Text `yaml:"text,omitempty" json:"text,omitempty"`

	Licence      string `yaml:"licence,omitempty" json:"licence,omitempty"`
	TrainingData string `yaml:"training_data,omitempty" json:"training_data,omitempty"`
	Source       string `yaml:"source,omitempty" json:"source,omitempty"`
	Citation     string `yaml:"citation,omitempty" json:"citation,omitempty"`
}

// Resize says how a picture is brought to size. With mode Keep, Size and
// Interpolation are left out.
type Resize struct {
	Mode          string `yaml:"mode" json:"mode"`                                       // Shorter, Fixed, LongestPad, Longest or Keep
	Size          int    `yaml:"size,omitempty" json:"size,omitempty"`                   // pixels, 1 to 2048
	Interpolation string `yaml:"interpolation,omitempty" json:"interpolation,omitempty"` // Nearest, Box, Bilinear, Bicubic or Lanczos
}

// Colour is red, green and blue from 0 to 255.
type Colour [3]int

// IsZero reports whether c is black.
func (c Colour) IsZero() bool { return c == Colour{} }

// Percentiles are two shares of an image's samples in percent.
type Percentiles [2]float64

// IsZero reports whether p is not given.
func (p Percentiles) IsZero() bool { return p == Percentiles{} }

const (
	maxManifest  = 1 << 20
	maxDimension = 1 << 16
	maxSize      = 2048
	maxSkip      = 1 << 10
	maxWindow    = 99
	maxScale     = 1e6
	minStd       = 1e-6
)

// ParseManifest reads a YAML manifest, fills in its defaults and validates it.
// Unknown fields, a second document and more than 1 MiB are errors, as is a
// base, which takes a folder. Every error is an ErrManifest.
func ParseManifest(data []byte) (Manifest, error) {
	var m Manifest
	err := decodeManifest(data, &m)
	if err == nil && m.Base != "" {
		err = fmt.Errorf("base: %s is not at hand", m.Base)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("embed: %w: %w", ErrManifest, err)
	}
	m = m.withDefaults()
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// decodeManifest reads the fields that data has into m and leaves the others.
func decodeManifest(data []byte, m *Manifest) (err error) {
	if len(data) > maxManifest {
		return fmt.Errorf("%d bytes, the limit is %d", len(data), maxManifest)
	}
	// yaml.v3 recovers from its own panics only; the input is not trusted.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML: %v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(m); err == io.EOF {
		return errors.New("empty")
	} else if err != nil {
		return fmt.Errorf("%.1000s", err.Error()) // there may be one for every field
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return errors.New("more than one document")
	}
	return nil
}

// ManifestName returns the name that a YAML manifest states, "" where it states
// none or is no manifest.
func ManifestName(data []byte) string {
	var m Manifest
	if decodeManifest(data, &m) != nil {
		return ""
	}
	return m.Name
}

// NameManifest returns a YAML manifest with that name. All else stays as it is,
// comments too. ErrManifest for what is no manifest.
func NameManifest(data []byte, name string) ([]byte, error) {
	var m Manifest
	var document yaml.Node
	err := decodeManifest(data, &m)
	if err == nil && m.Name == name {
		return data, nil
	}
	if err == nil {
		err = yaml.Unmarshal(data, &document)
	}
	if err == nil && (len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode) {
		err = errors.New("no fields")
	}
	if err != nil {
		return nil, fmt.Errorf("embed: %w: %w", ErrManifest, err)
	}
	setName(document.Content[0], name)
	named, err := encodeManifest(&document)
	if err != nil || ManifestName(named) != name {
		return nil, fmt.Errorf("embed: %w: it cannot be named %s: %w", ErrManifest, name, cmp.Or(err, errors.New("write name into it")))
	}
	return named, nil
}

func encodeManifest(m any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := errors.Join(e.Encode(m), e.Close())
	return b.Bytes(), err
}

// setName gives a manifest's fields, which are keys and values by turns, the name.
func setName(fields *yaml.Node, name string) {
	for i := 0; i+1 < len(fields.Content); i += 2 {
		if fields.Content[i].Value == "name" {
			fields.Content[i+1].SetString(name)
			return
		}
	}
	var key, value yaml.Node
	key.SetString("name")
	value.SetString(name)
	fields.Content = slices.Insert(fields.Content, 0, &key, &value)
}

func (m Manifest) withDefaults() Manifest {
	if m.Scale == 0 {
		m.Scale = 1.0 / 255
	}
	m.CropOffset = cmp.Or(m.CropOffset, Round)
	m.Levels = cmp.Or(m.Levels, LevelsWindow)
	if m.Levels == LevelsPercentile {
		m.Percentiles = cmp.Or(m.Percentiles, Percentiles{0.5, 99.5})
	}
	m.Channels = cmp.Or(m.Channels, RGB)
	m.Layout = cmp.Or(m.Layout, NCHW)
	m.Pooling = cmp.Or(m.Pooling, PoolNone)
	if m.Text != nil {
		text := m.Text.withDefaults()
		m.Text = &text
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
	m.validatePreprocessing(&faults)
	faults.oneOf("pooling", m.Pooling, PoolNone, PoolTokens, PoolCLS, PoolAverage)
	faults.within("skip", m.Skip, 0, maxSkip)
	faults.check(m.Skip == 0 || m.Pooling == PoolTokens, "skip: %d without pooling %s", m.Skip, PoolTokens)
	if m.Text != nil {
		m.Text.validate(&faults)
	}
	if err := faults.err(); err != nil {
		return fmt.Errorf("embed: %w: %w", ErrManifest, err)
	}
	return nil
}

// validatePreprocessing checks all that decides the network's input.
func (m Manifest) validatePreprocessing(f *faults) {
	m.validateGeometry(f)
	m.validateValues(f)
	m.validateLevels(f)
	f.oneOf("channels", m.Channels, RGB, BGR)
	f.oneOf("layout", m.Layout, NCHW, NHWC)
}

func (m Manifest) validateGeometry(f *faults) {
	mode := m.Resize.Mode
	f.oneOf("resize.mode", mode, Shorter, Fixed, LongestPad, Longest, Keep)
	if mode == Keep {
		f.check(m.Resize.Size == 0 && m.Resize.Interpolation == "", "resize: size and interpolation have no meaning with mode %s", Keep)
	} else {
		f.within("resize.size", m.Resize.Size, 1, maxSize)
		f.oneOf("resize.interpolation", m.Resize.Interpolation, Nearest, Box, Bilinear, Bicubic, Lanczos)
	}
	f.check(m.Crop != 0 || mode != Shorter && mode != Longest && mode != Keep, "crop: required with resize.mode %s", mode)
	most := maxSize
	if mode == LongestPad {
		most = m.Resize.Size
	}
	f.within("crop", m.Crop, 0, most)
	f.oneOf("crop_offset", m.CropOffset, Round, Floor)
	for c, v := range m.Fill {
		f.within(fmt.Sprintf("fill[%d]", c), v, 0, 255)
	}
}

func (m Manifest) validateValues(f *faults) {
	f.check(m.Scale > 0 && m.Scale <= maxScale, "scale: %v is not above 0 and at most %v", m.Scale, maxScale)
	for c := range m.Mean {
		f.check(math.Abs(m.Mean[c]) <= maxScale, "mean[%d]: %v is not between -%v and %v", c, m.Mean[c], maxScale, maxScale)
		f.check(m.Std[c] >= minStd && m.Std[c] <= maxScale, "std[%d]: %v is not between %v and %v", c, m.Std[c], minStd, maxScale)
	}
}

func (m Manifest) validateLevels(f *faults) {
	f.oneOf("levels", m.Levels, LevelsWindow, LevelsFull, LevelsPercentile, LevelsClip)
	f.within("window", m.Window, 0, maxWindow)
	f.check(m.Window == 0 || m.Levels == LevelsWindow, "window: %d without levels %s", m.Window, LevelsWindow)
	p := m.Percentiles
	if m.Levels == LevelsPercentile {
		f.check(0 <= p[0] && p[0] < p[1] && p[1] <= 100, "percentiles: %v are not two rising numbers from 0 to 100", p)
	} else {
		f.check(p.IsZero(), "percentiles: %v without levels %s", p, LevelsPercentile)
	}
}

// matches returns an ErrManifest if the manifest names another graph.
func (m Manifest) matches(digest string) error {
	if m.SHA256 != "" && m.SHA256 != digest {
		return fmt.Errorf("embed: %w: sha256: the graph %s has %s, the manifest says %s",
			ErrManifest, m.File, digest, m.SHA256)
	}
	return nil
}

// View says how images of more than 8 bits are looked at for this model.
func (m Manifest) View() View {
	m = m.withDefaults()
	return View{Levels: m.Levels, Window: m.Window, Low: m.Percentiles[0], High: m.Percentiles[1]}
}

// faults collects what is wrong, field by field. A comparison with NaN is
// false, so checks state what must hold.
type faults []string

// err returns one error that tells all faults, nil if there are none.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return errors.New(strings.Join(f, "; "))
}

// check notes what is wrong unless ok, in at most 300 bytes.
func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Sprintf("%.300s", fmt.Sprintf(format, args...)))
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
	return filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && !strings.ContainsAny(name, "\\:\x00") && len(name) <= 255
}

package embed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// The configuration files that tell a picture's preprocessing.
const (
	processorName = "preprocessor_config.json" // Hugging Face transformers
	openCLIPName  = "open_clip_config.json"
	configName    = "config.json" // timm; of transformers it tells the architecture only
)

// derive returns the preprocessing that a configuration file tells, and nothing
// else. architecture is the model_type of config.json, which decides where a
// preprocessor_config.json names no class. What a Manifest cannot express is an
// ErrManifest naming file, field and value.
func derive(name string, data []byte, architecture string) (Manifest, error) {
	read := map[string]func([]byte) (Manifest, error){
		processorName: func(data []byte) (Manifest, error) { return readProcessor(data, architecture) },
		openCLIPName:  readOpenCLIP, configName: readTimm,
	}[name]
	if read == nil {
		return Manifest{}, fmt.Errorf("embed: %w: base: %q is none of %s, %s, %s", ErrManifest, name, processorName, openCLIPName, configName)
	}
	m, err := read(data)
	if err == nil {
		var f faults
		m.withDefaults().validatePreprocessing(&f)
		err = f.err()
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("embed: %w: %s: %w", ErrManifest, name, err)
	}
	return m, nil
}

// decodeJSON reads one JSON object of at most 1 MiB.
func decodeJSON(data []byte, v any) error {
	if len(data) > maxManifest {
		return fmt.Errorf("%d bytes, the limit is %d", len(data), maxManifest)
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("not a JSON object")
	}
	return json.Unmarshal(data, v)
}

// extent is a size as the configurations write it: a number, a list of height
// and width, or an object. What is not given is 0.
type extent struct {
	Side     int `json:"-"` // a number
	Height   int `json:"height"`
	Width    int `json:"width"`
	Shortest int `json:"shortest_edge"`
	Longest  int `json:"longest_edge"`
	text     string
}

// UnmarshalJSON accepts the three forms.
func (e *extent) UnmarshalJSON(data []byte) error {
	*e = extent{text: string(data[:min(len(data), 80)])}
	switch data[0] {
	case 'n': // null
		return nil
	case '{':
		type fields extent // without this method
		return json.Unmarshal(data, (*fields)(e))
	case '[':
		var sides []int
		if err := json.Unmarshal(data, &sides); err != nil || len(sides) != 2 {
			return fmt.Errorf("size %s is not height and width", e.text)
		}
		e.Height, e.Width = sides[0], sides[1]
		return nil
	}
	return json.Unmarshal(data, &e.Side)
}

// given reports whether anything was said.
func (e extent) given() bool { return e.text != "" && e.text != "null" }

// square returns the side of a square extent.
func (e extent) square(field string) (int, error) {
	switch {
	case e.Side != 0 && e.Height == 0 && e.Width == 0:
		return e.Side, nil
	case e.Shortest != 0 || e.Longest != 0 || e.Height == 0:
		return 0, fmt.Errorf("%s: %s has no height and width", field, e.text)
	case e.Height != e.Width:
		return 0, fmt.Errorf("%s: %s is not square, which alone is supported", field, e.text)
	}
	return e.Height, nil
}

// channels is a mean or standard deviation: a number for all or one for each.
type channels [3]float64

// UnmarshalJSON accepts both forms.
func (c *channels) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		var all float64
		err := json.Unmarshal(data, &all)
		*c = channels{all, all, all}
		return err
	}
	var each []float64
	if err := json.Unmarshal(data, &each); err != nil {
		return err
	}
	if len(each) != 3 {
		return fmt.Errorf("%.80s is not of 3 channels", data)
	}
	*c = channels(each)
	return nil
}

// or returns the value that p points to, and otherwise where it points nowhere.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// ratio returns side/pct rounded down, the size before a crop to side.
func ratio(field string, side int, pct float64) (int, error) {
	size := math.Floor(float64(side) / pct)
	if !(pct > 0) || !(size >= 1 && size <= maxSize) {
		return 0, fmt.Errorf("%s: %v of a side of %d gives no size of 1 to %d", field, pct, side, maxSize)
	}
	return int(size), nil
}

// The means and standard deviations that the configurations default to.
func clipMean() channels     { return channels{0.48145466, 0.4578275, 0.40821073} }
func clipStd() channels      { return channels{0.26862954, 0.26130258, 0.27577711} }
func imageNetMean() channels { return channels{0.485, 0.456, 0.406} }
func imageNetStd() channels  { return channels{0.229, 0.224, 0.225} }
func halves() channels       { return channels{0.5, 0.5, 0.5} }

package dicom

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// The streams that the codec libraries are tested with, JPEG-LS, JPEG 2000 and
// HTJ2K, give the same values from within DICOM files.
func TestStreamsAreReadFromFiles(t *testing.T) {
	data, err := os.ReadFile("../native/testdata/native.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Images []struct {
			Name, Format          string
			Data                  []byte
			Components, Precision int
			Signed                bool
			SHA256                string
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Images {
		if c.Components == 4 {
			continue
		}
		photometric, representation := monochrome2, 0
		if c.Components == 3 {
			photometric = rgb
		}
		if c.Signed {
			representation = 1
		}
		layout := append(bits(16, c.Precision, c.Precision-1, representation), us(tagSamples, c.Components), cs(tagPhotometric, photometric))
		for _, syntax := range syntaxesOf(c.Format, c.Name) {
			f := open(t, encode(t, syntax, append(module(35, 41, layout...), fragments(nil, c.Data))...))
			s, err := f.Stored(0)
			if errors.Is(err, ErrLibrary) {
				t.Skip(err)
			}
			if err != nil {
				t.Errorf("%s in %s: %v", c.Name, syntax, err)
				continue
			}
			sum := sha256.Sum256(low16(s.Values))
			if got := hex.EncodeToString(sum[:]); got != c.SHA256 || s.Photometric != photometric {
				t.Errorf("%s in %s: values %.8s in %s, want %.8s in %s", c.Name, syntax, got, s.Photometric, c.SHA256, photometric)
			}
		}
	}
}

// low16 returns values as 16-bit little endian.
func low16(values []int32) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint16(out, uint16(v))
	}
	return out
}

// syntaxesOf returns the transfer syntaxes that a stream may come in.
func syntaxesOf(format, name string) []string {
	const base = "1.2.840.10008.1.2.4."
	switch {
	case format == "JPEG-LS":
		return []string{base + "80", base + "81"}
	case strings.HasPrefix(name, "HT"):
		return []string{base + "201", base + "202", base + "203"}
	}
	return []string{base + "90", base + "91"}
}

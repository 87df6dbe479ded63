package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearcase/embed/dicom/dataset"
	"nearcase/embed/onnx/onnxtest"
)

// scan describes a synthetic DICOM file.
type scan struct {
	modality              string
	rows, columns, frames int
	bits                  int // allocated: 8 or 16
	instance              int
}

// write makes the file: a bright disc on a noisy slope, different in each frame.
func (s scan) write(b *testing.B) []byte {
	b.Helper()
	us := func(v int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v)) }
	text := func(v string) []byte { return []byte(v + strings.Repeat(" ", len(v)%2)) }
	uid := func(v string) []byte { return []byte(v + strings.Repeat("\x00", len(v)%2)) }
	e := func(tag dataset.Tag, vr string, value []byte) dataset.Element {
		return dataset.Element{Tag: tag, VR: vr, Value: value}
	}
	f := dataset.File{Syntax: "1.2.840.10008.1.2.1", Meta: &dataset.Set{Order: binary.LittleEndian}, Set: &dataset.Set{Order: binary.LittleEndian, Elements: []dataset.Element{
		e(0x00080016, "UI", uid("1.2.840.10008.5.1.4.1.1.7.2")), e(0x00080018, "UI", uid(fmt.Sprint("1.2.826.1.", s.instance))),
		e(0x00080060, "CS", text(s.modality)), e(0x00100020, "LO", text("patient")),
		e(0x0020000D, "UI", uid("1.2.826.1")), e(0x0020000E, "UI", uid("1.2.826.1.0")),
		e(0x00280002, "US", us(1)), e(0x00280004, "CS", text("MONOCHROME2")), e(0x00280008, "IS", text(fmt.Sprint(s.frames))),
		e(0x00280010, "US", us(s.rows)), e(0x00280011, "US", us(s.columns)),
		e(0x00280100, "US", us(s.bits)), e(0x00280101, "US", us(s.bits)), e(0x00280102, "US", us(s.bits-1)), e(0x00280103, "US", us(0)),
		e(0x7FE00010, map[int]string{8: "OB", 16: "OW"}[s.bits], s.pixels()),
	}}}
	data, err := f.Bytes()
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func (s scan) pixels() []byte {
	random := rand.New(rand.NewPCG(1, uint64(s.instance)))
	pixels := make([]byte, 0, s.rows*s.columns*s.frames*s.bits/8)
	for n := range s.frames {
		cx, cy, r := (n*7+s.instance*11)%s.columns, (n*5+s.instance*3)%s.rows, s.rows/4
		for y := range s.rows {
			noise := random.Uint64()
			for x := range s.columns {
				v := 40 + x*100/s.columns + int(noise>>(x%60)&7)
				if (x-cx)*(x-cx)+(y-cy)*(y-cy) < r*r {
					v += 90
				}
				if s.bits == 16 {
					pixels = append(pixels, byte(v<<4), byte(v>>4))
				} else {
					pixels = append(pixels, byte(v))
				}
			}
		}
	}
	return pixels
}

// BenchmarkStudies ingests what large studies bring, each in a process of its
// own with the built-in network, and reports its seconds and its peak resident
// memory.
func BenchmarkStudies(b *testing.B) {
	onnxtest.Require(b)
	for _, c := range []struct {
		name, file string
		write      func(b *testing.B) []byte
	}{
		{"500-frames", "cine.dcm", scan{modality: "US", rows: 512, columns: 512, frames: 500, bits: 8}.write},
		{"mammogram", "mg.dcm", scan{modality: "MG", rows: 5000, columns: 4000, frames: 1, bits: 16}.write},
		{"200-files", "study.zip", func(b *testing.B) []byte {
			var archive bytes.Buffer
			w := zip.NewWriter(&archive)
			for n := range 200 {
				f, err := w.Create(fmt.Sprintf("IM%04d", n))
				if err == nil {
					_, err = f.Write(scan{modality: "CT", rows: 512, columns: 512, frames: 1, bits: 16, instance: n}.write(b))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			return archive.Bytes()
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), c.file)
			content := c.write(b)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				p := program(b.Context(), b, "--data", filepath.Join(b.TempDir(), "data"), "ingest", path)
				started := time.Now()
				out, err := p.CombinedOutput()
				if err != nil {
					b.Fatalf("ingest: %v: %s", err, out)
				}
				b.ReportMetric(time.Since(started).Seconds(), "s")
				b.ReportMetric(float64(p.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "peak-MiB")
			}
			b.ReportMetric(float64(len(content))/(1<<20), "file-MiB")
		})
	}
}

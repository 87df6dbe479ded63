package api

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"nearcase/store"
)

// maxArray is how many bytes an array of strings may have in NumPy, where every
// string has the width of the longest.
const maxArray = 8 << 30

// column is a property of instances that is text.
type column struct {
	name  string
	value func(n int) string
}

// identity has the columns of text that every collection has.
func (e *Exporting) identity() []column {
	return []column{
		{"id", func(n int) string { return e.cases[n].Instance.ID }},
		{"patient", func(n int) string { return e.cases[n].Instance.Patient }},
		{"study", func(n int) string { return e.cases[n].Instance.Study }},
		{"series", func(n int) string { return e.cases[n].Instance.Series }},
		{"name", func(n int) string { return e.cases[n].Instance.Name }},
		{"digest", func(n int) string { return e.cases[n].Instance.Digest }},
		{"metadata", e.metadata},
	}
}

// texts are the arrays of strings, in the order in which they are written.
func (e *Exporting) texts() []column {
	columns := e.identity()
	for _, t := range e.tasks {
		columns = append(columns, column{"label_" + memberName(t.Name), func(n int) string { text, _ := e.label(n, t.Name); return text }})
	}
	return columns
}

// measure finds out how wide the arrays of strings are, and refuses such as no
// reader could hold.
func (e *Exporting) measure() error {
	for _, c := range e.texts() {
		width := 1
		for n := range e.cases {
			width = max(width, utf8.RuneCountInString(c.value(n)))
		}
		if size := 4 * width * len(e.cases); size > maxArray {
			return fmt.Errorf("export %s: %w: as an array of NumPy %s takes %d bytes, the limit is %d; use %s or %s",
				e.Collection, ErrQuery, c.name, size, maxArray, JSONLines, Parquet)
		}
		e.widths = append(e.widths, width)
	}
	return nil
}

// memberName is a task's name as part of a file's name: what separates paths, or
// what some systems refuse, is percent-encoded.
func memberName(task string) string {
	var b strings.Builder
	for _, r := range task {
		if strings.ContainsRune(`%/\:*?"<>`, r) {
			fmt.Fprintf(&b, "%%%02X", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// archiveNPZ is a zip archive of arrays, in NumPy's format 1.0 each (NEP 1), all
// little-endian and in C order.
type archiveNPZ struct{ zip *zip.Writer }

// array writes an array: its type and shape in NumPy's words, and its items.
func (a archiveNPZ) array(name, descr string, shape []int, method uint16, items func(w *bufio.Writer) error) error {
	member, err := a.zip.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: method})
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(member, 64<<10)
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, tuple(shape))
	const before = 10 // magic, version and length; all together a multiple of 64
	header += strings.Repeat(" ", 63-(before+len(header))%64) + "\n"
	head := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(head[8:], uint16(len(header)))
	if _, err := w.WriteString(string(head) + header); err != nil {
		return err
	}
	if err := items(w); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return w.Flush()
}

// tuple writes a shape as Python does.
func tuple(shape []int) string {
	text := "("
	for _, n := range shape {
		text += fmt.Sprintf("%d,", n)
	}
	return text + ")"
}

// strings writes n texts of at most width characters, in UTF-32.
func (a archiveNPZ) strings(name string, shape []int, width, n int, value func(n int) string) error {
	return a.array(name, fmt.Sprintf("<U%d", width), shape, zip.Deflate, func(w *bufio.Writer) error {
		var item []byte
		for i := range n {
			item = item[:0]
			for _, r := range value(i) {
				item = binary.LittleEndian.AppendUint32(item, uint32(r))
			}
			item = append(item, make([]byte, 4*width-len(item))...)
			if _, err := w.Write(item); err != nil {
				return err
			}
		}
		return nil
	})
}

// numbers writes n numbers of 8 bytes.
func (a archiveNPZ) numbers(name, descr string, shape []int, n int, bits func(n int) uint64) error {
	return a.array(name, descr, shape, zip.Deflate, func(w *bufio.Writer) error {
		var item [8]byte
		for i := range n {
			binary.LittleEndian.PutUint64(item[:], bits(i))
			if _, err := w.Write(item[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a archiveNPZ) text(name, value string) error {
	return a.strings(name, nil, max(1, utf8.RuneCountInString(value)), 1, func(int) string { return value })
}

func (a archiveNPZ) list(name string, values []string) error {
	width := 1
	for _, v := range values {
		width = max(width, utf8.RuneCountInString(v))
	}
	return a.strings(name, []int{len(values)}, width, len(values), func(i int) string { return values[i] })
}

// writeNPZ writes the vectors first: they alone can change meanwhile.
func (e *Exporting) writeNPZ(ctx context.Context, w io.Writer, progress func(done, total int)) error {
	a := archiveNPZ{zip.NewWriter(w)}
	n := []int{len(e.cases)}
	if e.withVectors {
		if err := e.writeVectors(ctx, a, progress); err != nil {
			return err
		}
	}
	err := a.numbers("key", "<u8", n, n[0], func(i int) uint64 { return uint64(e.cases[i].Key) })
	if err == nil {
		err = a.numbers("family", "<i8", n, n[0], func(i int) uint64 { return uint64(e.families[i]) })
	}
	for i, c := range e.texts() {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = a.strings(c.name, n, e.widths[i], n[0], c.value)
		}
	}
	if err == nil {
		err = e.writeTasks(a)
	}
	if err == nil {
		err = e.writeScalars(a)
	}
	if err != nil {
		return err
	}
	progress(e.Instances, e.Instances)
	return a.zip.Close()
}

func (e *Exporting) writeVectors(ctx context.Context, a archiveNPZ, progress func(done, total int)) error {
	shape := []int{len(e.cases), e.collection.Dimension}
	return a.array("vectors", "<f4", shape, zip.Store, func(w *bufio.Writer) error {
		var row []byte
		for n := range e.cases {
			v, err := e.vector(ctx, n)
			if err != nil {
				return err
			}
			row = row[:0]
			for _, x := range v {
				row = binary.LittleEndian.AppendUint32(row, math.Float32bits(x))
			}
			if _, err := w.Write(row); err != nil {
				return err
			}
			progress(n+1, e.Instances)
		}
		return nil
	})
}

// writeTasks writes what each task's classes are and, for multi-label tasks, a
// matrix of which are present.
func (e *Exporting) writeTasks(a archiveNPZ) error {
	names := make([]string, len(e.tasks))
	for i, t := range e.tasks {
		names[i] = t.Name
		if err := a.list("classes_"+memberName(t.Name), t.Classes); err != nil {
			return err
		}
		if !t.Multi {
			continue
		}
		shape := []int{len(e.cases), len(t.Classes)}
		err := a.numbers("target_"+memberName(t.Name), "<f8", shape, shape[0]*shape[1], func(at int) uint64 {
			return math.Float64bits(e.target(at/shape[1], t.Name, t.Classes[at%shape[1]]))
		})
		if err != nil {
			return err
		}
	}
	return a.list("tasks", names)
}

// target is 1 where a label has a class, 0 where not, half where that is uncertain,
// and NaN where nothing is said of it. The task's policies have no part in it.
func (e *Exporting) target(n int, task, class string) float64 {
	l, labelled := e.cases[n].Labels[task]
	if !labelled {
		return math.NaN()
	}
	switch l.State(class) {
	case store.Present:
		return 1
	case store.Uncertain:
		return 0.5
	case store.Unmentioned:
		return math.NaN()
	}
	return 0
}

func (e *Exporting) writeScalars(a archiveNPZ) error {
	for _, s := range [][2]string{{"collection", e.Collection}, {"model", e.collection.Model}, {"fingerprint", e.collection.Fingerprint}} {
		if err := a.text(s[0], s[1]); err != nil {
			return err
		}
	}
	err := a.numbers("head", "<u8", nil, 1, func(int) uint64 { return uint64(e.Head) })
	if err != nil {
		return err
	}
	return a.numbers("watermark", "<u8", nil, 1, func(int) uint64 { return uint64(e.Watermark) })
}

package onnx

import (
	"errors"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protowire"
)

// mostValues is more than a constant can have: 4 PiB of float32.
const mostValues = 1 << 50

// tensor is what matters of a TensorProto.
type tensor struct {
	name             string
	values           int64 // the product of its dimensions
	kind             uint64
	raw              int64 // bytes within the graph, -1 if there are none
	typed            bool  // whether values lie within the graph one by one
	external         bool
	location         string
	offset, declared int64 // of external data; declared is -1 without a length
}

// tensor counts a TensorProto and checks that its data are as long as its
// dimensions say.
func (r *reading) tensor(message span) error {
	t := tensor{values: 1, raw: -1, declared: -1}
	if err := r.each(message, func(f field) error { return r.constant(&t, f) }); err != nil {
		return err
	}
	bytes, err := t.size()
	if err != nil {
		return err
	}
	if r.Parameters += t.values; r.Parameters < 0 {
		return errors.New("its constants have more values than can be counted")
	}
	if r.Bytes += bytes; r.Bytes < 0 {
		return errors.New("its constants have more bytes than can be counted")
	}
	if t.external {
		return r.outside(t, bytes)
	}
	return nil
}

// constant takes a field of a TensorProto.
func (r *reading) constant(t *tensor, f field) (err error) {
	switch {
	case f.number == 1 && f.kind == protowire.VarintType:
		err = t.times(f.value)
	case f.number == 1:
		err = r.packed(t, f.body)
	case f.number == 2:
		t.kind = f.value
	case f.number == 8:
		t.name, err = r.text(f)
	case f.number == 9:
		t.raw = f.body.length()
	case f.number >= 4 && f.number <= 7, f.number == 10, f.number == 11:
		t.typed = true
	case f.number == 13:
		err = r.entry(t, f.body)
	case f.number == 14:
		t.external = f.value == 1
	}
	return err
}

// packed takes dimensions that are written as one field.
func (r *reading) packed(t *tensor, body span) error {
	for at := body.from; at < body.to; {
		b, err := r.peek(at, min(head, body.to-at))
		if err != nil {
			return err
		}
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return errTruncated
		}
		if r.fields++; r.fields > mostFields {
			return fmt.Errorf("it has more than %d fields", mostFields)
		}
		if err := t.times(v); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// times adds a dimension.
func (t *tensor) times(length uint64) error {
	if length > mostValues || length > 0 && t.values > mostValues/int64(length) {
		return fmt.Errorf("constant %q has an impossible length %d, or is too large", t.name, int64(length))
	}
	t.values *= int64(length)
	return nil
}

// size returns the bytes of the values, 0 where their type is unknown or has no
// fixed size.
func (t *tensor) size() (int64, error) {
	_, bits := element(t.kind)
	bytes := (t.values*bits + 7) / 8
	if t.values > 0 && !t.external && !t.typed && t.raw < 0 {
		return 0, fmt.Errorf("constant %q has no data, its dimensions need %d values", t.name, t.values)
	}
	if bits > 0 && !t.external && t.raw >= 0 && t.raw != bytes {
		return 0, fmt.Errorf("constant %q has %d bytes, its dimensions need %d", t.name, t.raw, bytes)
	}
	return bytes, nil
}

// entry takes a StringStringEntryProto about external data.
func (r *reading) entry(t *tensor, message span) error {
	var key, value string
	err := r.each(message, func(f field) (err error) {
		switch f.number {
		case 1:
			key, err = r.text(f)
		case 2:
			value, err = r.text(f)
		}
		return err
	})
	if err != nil {
		return err
	}
	switch key {
	case "location":
		t.location = value
	case "offset":
		t.offset, err = position(value)
	case "length":
		t.declared, err = position(value)
	}
	return err
}

func position(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 || v > math.MaxInt64/4 {
		return 0, fmt.Errorf("its external data have the offset or length %q", text)
	}
	return v, nil
}

// outside notes which bytes of an external file a constant of that size needs.
func (r *reading) outside(t tensor, bytes int64) error {
	if t.declared >= 0 && bytes > 0 && t.declared != bytes {
		return fmt.Errorf("constant %q has %d bytes of external data, its dimensions need %d", t.name, t.declared, bytes)
	}
	name, err := within(t.location)
	if err != nil {
		return fmt.Errorf("constant %q: %w", t.name, err)
	}
	if _, ok := r.needs[name]; !ok && len(r.needs) == mostEnds {
		return fmt.Errorf("it names more than %d files of external data", mostEnds)
	}
	r.needs[name] = max(r.needs[name], t.offset+max(bytes, t.declared))
	return nil
}

// within returns the name of an external file without detours if it lies in
// the graph's folder or below.
func within(location string) (string, error) {
	odd := func(c rune) bool { return c == '\\' || c == unicode.ReplacementChar || unicode.IsControl(c) }
	if !filepath.IsLocal(location) || strings.ContainsFunc(location, odd) || path.Clean(location) == "." {
		return "", fmt.Errorf("external data in %q, which is no file in the model's folder", location)
	}
	return path.Clean(location), nil
}

// element names a TensorProto.DataType and returns the bits of a value, 0 for
// one of no fixed size.
func element(kind uint64) (name string, bits int64) {
	types := [...]struct {
		name string
		bits int64
	}{
		{"unknown", 0}, {"float32", 32}, {"uint8", 8}, {"int8", 8}, {"uint16", 16}, {"int16", 16}, {"int32", 32},
		{"int64", 64}, {"string", 0}, {"bool", 8}, {"float16", 16}, {"float64", 64}, {"uint32", 32}, {"uint64", 64},
		{"complex64", 64}, {"complex128", 128}, {"bfloat16", 16}, {"float8e4m3fn", 8}, {"float8e4m3fnuz", 8},
		{"float8e5m2", 8}, {"float8e5m2fnuz", 8}, {"uint4", 4}, {"int4", 4}, {"float4e2m1", 4}, {"float8e8m0", 8},
		{"uint2", 2}, {"int2", 2},
	}
	if kind >= uint64(len(types)) {
		return "unknown", 0
	}
	return types[kind].name, types[kind].bits
}

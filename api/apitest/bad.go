package apitest

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// Inflated is how many bytes the bombs of Bad inflate to.
const Inflated = 8 << 20

// Bad is files that no image can be had of, by what is wrong with them. All are
// small. BadArchives are archives of one.
func Bad(t testing.TB) map[string][]byte {
	t.Helper()
	whole := DICOM(t, Jane, 10)
	png := pngOf(4, 4, make([]byte, 4*(1+3*4)))
	empty := DICOMFile(Jane, 10)
	empty.Set.Elements = empty.Set.Elements[:len(empty.Set.Elements)-1]
	return map[string][]byte{
		"a truncated PNG":                       png[:len(png)-20],
		"a truncated DICOM file":                whole[:len(whole)-5],
		"a DICOM element longer than its file":  forged(whole),
		"a PNG of 100,000 × 100,000 pixels":     pngOf(100_000, 100_000, nil),
		"a TIFF of 100,000 × 100,000 pixels":    tiffOf(100_000, 100_000),
		"a PNG with more than its pixels":       pngOf(4, 4, make([]byte, Inflated)),
		"a deflated DICOM file beyond limits":   deflated(t, DICOM(t, Jane, make([]byte, Inflated/16)...)),
		"a DICOM file without pixels":           written(t, empty),
		"a DICOM file of MPEG-2":                encapsulated(t, "1.2.840.10008.1.2.4.100", []byte("\x00\x00\x01\xb3")),
		"a DICOM file whose JPEG is no JPEG":    encapsulated(t, "1.2.840.10008.1.2.4.50", []byte("\x00\x01\x02\x03")),
		"a DICOM file whose JPEG-LS is damaged": encapsulated(t, "1.2.840.10008.1.2.4.80", []byte("\xff\xd8\xff\xf7\x00\x0b")),
	}
}

// BadArchives is zip archives that have no image to give, by what is wrong.
func BadArchives(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"bomb.png": make([]byte, Inflated), "a.txt": []byte("hello"), "a.dcm": DICOM(t, Jane, 10)}
	whole := Zip(t, files, "a.dcm")
	lying := bytes.Clone(whole)
	at := bytes.LastIndex(lying, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(lying[at+20:], 1<<30) // the packed size that the directory tells
	damaged := bytes.Clone(whole)
	for i := 60; i < 120; i++ {
		damaged[i] ^= 0x55
	}
	return map[string][]byte{
		"a zip entry that inflates beyond the limit": Zip(t, files, "bomb.png"),
		"a truncated zip":            whole[:len(whole)-30],
		"a zip with a forged length": lying,
		"a zip without an image":     Zip(t, files, "a.txt"),
		"a zip with a damaged entry": damaged,
	}
}

// forged gives the pixel data of a file a length of almost 2 GiB.
func forged(file []byte) []byte {
	b := bytes.Clone(file)
	at := bytes.LastIndex(b, []byte("\xe0\x7f\x10\x00OB"))
	binary.LittleEndian.PutUint32(b[at+8:], 0x7FFFFFF0)
	return b
}

// deflated turns a file of the explicit little-endian syntax into one of the
// deflated syntax (PS3.5, A.5). The two UIDs have even lengths when padded:
// ….1 and ….1.99.
func deflated(t testing.TB, file []byte) []byte {
	t.Helper()
	const plain, packed = "1.2.840.10008.1.2.1\x00", "1.2.840.10008.1.2.1.99"
	at := bytes.Index(file, []byte("\x02\x00\x10\x00UI"))
	group := int(binary.LittleEndian.Uint32(file[140:])) // after preamble, DICM and the element's header
	end := 144 + group
	b := append(bytes.Clone(file[:at+6]), byte(len(packed)), 0)
	b = append(append(b, packed...), file[at+8+len(plain):end]...)
	binary.LittleEndian.PutUint32(b[140:], uint32(group+len(packed)-len(plain)))
	out := bytes.NewBuffer(b)
	w, err := flate.NewWriter(out, flate.BestCompression)
	if err == nil {
		_, err = w.Write(file[end:])
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pngOf is a PNG of RGB whose header has these sides, whatever its content.
func pngOf(width, height uint32, content []byte) []byte {
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	header = append(header, 8, 2, 0, 0, 0)
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(content) // to memory
	_ = w.Close()
	b := []byte("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		name string
		body []byte
	}{{"IHDR", header}, {"IDAT", packed.Bytes()}, {"IEND", nil}} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.body)))
		start := len(b)
		b = append(append(b, c.name...), c.body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
	}
	return b
}

// tiffOf is a TIFF of grey whose one strip has a single byte.
func tiffOf(width, height uint32) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00\x08\x00")
	for _, e := range [][2]uint32{{256, width}, {257, height}, {258, 8}, {259, 1}, {262, 1}, {273, 110}, {278, height}, {279, 1}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, 4) // LONG
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 1), e[1])
	}
	return append(b, 0, 0, 0, 0, 1)
}

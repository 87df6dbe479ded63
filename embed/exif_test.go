package embed

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// exifOf returns an EXIF block with one entry.
func exifOf(order binary.AppendByteOrder, tag, kind uint16, count uint32, value ...byte) []byte {
	out := []byte("II*\x00")
	if order.String() == binary.BigEndian.String() {
		out = []byte("MM\x00*")
	}
	out = order.AppendUint16(order.AppendUint32(out, 8), 1)
	out = order.AppendUint16(order.AppendUint16(out, tag), kind)
	return append(append(order.AppendUint32(out, count), value...), 0, 0, 0, 0)
}

func TestOrientationIsReadFromEXIF(t *testing.T) {
	little, big := binary.LittleEndian, binary.BigEndian
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"little-endian", exifOf(little, 274, typeShort, 1, 6, 0, 0, 0), 6},
		{"big-endian", exifOf(big, 274, typeShort, 1, 0, 8, 0, 0), 8},
		{"as a long", exifOf(big, 274, typeLong, 1, 0, 0, 0, 3), 3},
		{"another tag", exifOf(little, 275, typeShort, 1, 6, 0, 0, 0), 1},
		{"zero", exifOf(little, 274, typeShort, 1, 0, 0, 0, 0), 1},
		{"nine", exifOf(little, 274, typeShort, 1, 9, 0, 0, 0), 1},
		{"no value", exifOf(little, 274, typeShort, 0, 6, 0, 0, 0), 1},
		{"values beyond the end", exifOf(little, 274, typeShort, 1<<31, 6, 0, 0, 0), 1},
		{"text", exifOf(little, 274, 2, 1, 6, 0, 0, 0), 1},
		{"cut short", exifOf(little, 274, typeShort, 1, 6, 0, 0, 0)[:21], 1},
		{"nothing", nil, 1},
	} {
		if got := orientationEXIF(c.data); got != c.want {
			t.Errorf("%s: orientation = %d, want %d", c.name, got, c.want)
		}
	}
}

// Law: the quarter turns compose (6 twice is 3, 6 and 8 cancel out), and every
// mirroring undoes itself.
func TestOrientationsCompose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := noise(rapid.IntRange(1, 9).Draw(t, "width"), rapid.IntRange(1, 9).Draw(t, "height"), 2)
		same := func(law string, a, b *Picture) {
			if a.Width != b.Width || a.Height != b.Height || !bytes.Equal(a.Pix, b.Pix) {
				t.Fatalf("%s does not hold for %d x %d", law, p.Width, p.Height)
			}
		}
		turned := oriented(p, 6)
		same("6·6 = 3", oriented(turned, 6), oriented(p, 3))
		same("6·8 = 1", oriented(turned, 8), p)
		same("2 then 4 = 3", oriented(oriented(p, 2), 4), oriented(p, 3))
		for _, mirror := range []int{2, 4, 5, 7} {
			same("a mirroring twice = 1", oriented(oriented(p, mirror), mirror), p)
		}
	})
}

// The eight ways to store the same 3 x 2 scene, from TIFF 6.0's description of
// where row 0 and column 0 lie.
func TestEveryOrientationComesUpright(t *testing.T) {
	stored := map[int][]string{
		1: {"abc", "def"}, 2: {"cba", "fed"}, 3: {"fed", "cba"}, 4: {"def", "abc"},
		5: {"ad", "be", "cf"}, 6: {"cf", "be", "ad"}, 7: {"fc", "eb", "da"}, 8: {"da", "eb", "fc"},
	}
	for o := 1; o <= 8; o++ {
		rows := stored[o]
		p := newPicture(len(rows[0]), len(rows))
		for i := range p.Pix {
			p.Pix[i] = rows[i/3/p.Width][i/3%p.Width]
		}
		got := oriented(p, o)
		scene := ""
		for i := 0; i < len(got.Pix); i += 3 {
			scene += string(got.Pix[i])
		}
		if got.Width != 3 || got.Height != 2 || scene != "abcdef" {
			t.Errorf("oriented(%v, %d) = %d x %d %q, want 3 x 2 %q", rows, o, got.Width, got.Height, scene, "abcdef")
		}
	}
}

// A JPEG may carry other segments before Exif, and a second Exif is ignored.
func TestJPEGOrientationIsTheFirstExif(t *testing.T) {
	segment := func(marker byte, body []byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2)), body...)
	}
	exif := func(o byte) []byte {
		return segment(0xe1, append([]byte("Exif\x00\x00"), exifOf(binary.BigEndian, 274, typeShort, 1, 0, o, 0, 0)...))
	}
	data := bytes.Join([][]byte{{0xff, 0xd8}, segment(0xe0, []byte("JFIF\x00")), segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00")),
		{0xff, 0xff}, exif(6)[1:], exif(3), segment(0xda, []byte{1, 2, 3}), {0x12, 0xff, 0x00, 0xff, 0xd0, 0x34, 0xff, 0xd9}, exif(8)}, nil)
	if got := orientationJPEG(data); got != 6 {
		t.Errorf("orientationJPEG = %d, want 6", got)
	}
}

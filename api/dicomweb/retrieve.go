package dicomweb

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"nearcase/embed"
	"nearcase/embed/dicom"
)

// File is a DICOM file to be retrieved.
type File struct {
	*dicom.File
	data []byte
}

// Open opens what is kept of a file. Errors are those of package embed.
func Open(data []byte, l embed.Limits) (*File, error) {
	f, err := dicom.Open(data, dicom.Limits{Bytes: l.Bytes, Pixels: l.Pixels, Frames: l.Frames})
	if err != nil {
		return nil, fmt.Errorf("%w: open what is kept: %w", dicomError(err), err)
	}
	return &File{f, data}, nil
}

// asKept stands for whatever transfer syntax a file is kept in.
const asKept = "*"

// implicitLittle is the one other syntax whose frames are those of explicit VR
// little endian.
const implicitLittle = "1.2.840.10008.1.2"

// Whole returns the file in the first of the transfer syntaxes chosen that it can
// be had in, and which that is. Without one named it is explicit VR little endian
// (8.7.3.5.2), for which compressed pixels are decoded, up to limit bytes of
// them. Where that is not possible the error is ErrAccept.
func (f *File) Whole(choices []Choice, limit int64) (data []byte, c Choice, err error) {
	for _, c = range choices {
		switch c.Syntax {
		case asKept, f.Syntax():
			c.Syntax = f.Syntax()
			return f.data, c, nil
		case "", dicom.ExplicitLittle:
			c.Syntax = dicom.ExplicitLittle
			if f.Syntax() == c.Syntax {
				return f.data, c, nil
			}
			if data, err = f.Explicit(limit); err == nil {
				return data, c, nil
			}
		default:
			err = errors.Join(err, fmt.Errorf("transfer syntax %.80q", c.Syntax))
		}
	}
	return nil, c, f.unacceptable(err)
}

// Bulk is Bulk of the file's data set.
func (f *File) Bulk(path string) ([]byte, error) { return Bulk(f.Set(), path) }

// AsKept returns the file as it is kept, and its transfer syntax.
func (f *File) AsKept() (data []byte, syntax string) { return f.data, f.Syntax() }

func (f *File) unacceptable(err error) error {
	return fmt.Errorf("%w: the file is kept in transfer syntax %s, which transfer-syntax=* asks for: %w", ErrAccept, f.Syntax(), err)
}

// frameTypes are the media types of compressed frames by transfer syntax (tables
// 8.7.3-2 and 8.7.3-5).
var frameTypes = map[string]string{
	"1.2.840.10008.1.2.4.50":  JPEG,
	"1.2.840.10008.1.2.4.51":  JPEG,
	"1.2.840.10008.1.2.4.57":  JPEG,
	"1.2.840.10008.1.2.4.70":  JPEG,
	"1.2.840.10008.1.2.4.80":  "image/jls",
	"1.2.840.10008.1.2.4.81":  "image/jls",
	"1.2.840.10008.1.2.4.90":  "image/jp2",
	"1.2.840.10008.1.2.4.91":  "image/jp2",
	"1.2.840.10008.1.2.4.201": "image/jphc",
	"1.2.840.10008.1.2.4.202": "image/jphc",
	"1.2.840.10008.1.2.4.203": "image/jphc",
	"1.2.840.10008.1.2.5":     "image/dicom-rle",
}

// FrameOffers returns the forms that the file's frames can have.
func (f *File) FrameOffers() []Offer {
	offers := []Offer{{OctetStream, true, true}}
	if t := frameTypes[f.Syntax()]; t != "" && f.IsEncapsulated() {
		offers = append(offers, Offer{t, true, true})
	}
	return offers
}

// FrameForm returns the first of the forms chosen that a frame, 0-based, can be
// had in. Octet streams are uncompressed unless a transfer syntax is named;
// images are as the file has them. None is ErrAccept.
func (f *File) FrameForm(choices []Choice, frame int) (c Choice, err error) {
	for _, c = range choices {
		encoded := c.Type != OctetStream && (c.Syntax == "" || c.Syntax == f.Syntax()) || c.Syntax == asKept
		switch {
		case encoded, c.Syntax == f.Syntax() && f.IsEncapsulated():
			if c.Syntax = f.Syntax(); !f.IsEncapsulated() {
				c.Syntax = dicom.ExplicitLittle
			}
			return c, nil
		case c.Type == OctetStream && (c.Syntax == "" || c.Syntax == implicitLittle || c.Syntax == dicom.ExplicitLittle):
			c.Syntax = dicom.ExplicitLittle
			if !f.IsEncapsulated() {
				return c, nil
			}
			if _, bad := f.Stored(frame); bad == nil {
				return c, nil
			} else {
				err = bad
			}
		default:
			err = errors.Join(err, fmt.Errorf("transfer syntax %.80q", c.Syntax))
		}
	}
	return c, f.unacceptable(err)
}

// Frame returns a frame, 0-based, in a form that FrameForm returned. Errors are
// those of package embed.
func (f *File) Frame(frame int, c Choice) (data []byte, err error) {
	if f.IsEncapsulated() && c.Syntax == dicom.ExplicitLittle {
		data, err = f.Native(frame)
	} else {
		data, err = f.Encoded(frame)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", dicomError(err), err)
	}
	return data, nil
}

// MostFrames bounds the frames of a file, and how many a request may list.
const MostFrames = 10_000

// ParseFrames reads a list of frame numbers, from 1 and separated by commas, of a
// file with so many. They are returned from 0. One that there is not is ErrBulk.
func ParseFrames(list string, frames int) (numbers []int, err error) {
	texts := strings.Split(list, ",")
	if len(texts) > MostFrames {
		return nil, fmt.Errorf("%w: a list of %d frames, the limit is %d", ErrSyntax, len(texts), MostFrames)
	}
	for _, text := range texts {
		n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%w: frame %.20q, they count from 1", ErrSyntax, text)
		}
		if int(n) > frames {
			return nil, fmt.Errorf("%w: frame %d of %d", ErrBulk, n, frames)
		}
		numbers = append(numbers, int(n)-1)
	}
	return numbers, nil
}

// Rendering says how a frame is to be seen (8.3.5.1). The zero value is the frame
// as the file describes it, in its own size.
type Rendering struct {
	View embed.View
	// Width and Height are what it must fit in, and the region of the frame; 0 is
	// all of it. It is never enlarged.
	Width, Height                        int
	Left, Top, RegionWidth, RegionHeight int
	Quality                              int // of JPEG, 1 to 100; 0 means 90
}

const mostViewport = 1 << 15 // pixels of a side

// Parse reads the parameters of a rendering.
func (r *Rendering) Parse(parameters url.Values) (err error) {
	for name, values := range parameters {
		if len(values) != 1 {
			return fmt.Errorf("%w: %s is given %d times", ErrSyntax, name, len(values))
		}
		switch v := values[0]; strings.ToLower(name) {
		case "accept":
		case "window":
			err = r.window(v)
		case "viewport":
			err = r.viewport(v)
		case "quality":
			if r.Quality, err = strconv.Atoi(v); err != nil || r.Quality < 1 || r.Quality > 100 {
				err = fmt.Errorf("%w: quality=%.40q, use 1 to 100", ErrSyntax, v)
			}
		case "iccprofile":
			if !strings.EqualFold(v, "no") {
				err = fmt.Errorf("%w: iccprofile=%.40q, only no is known", ErrSyntax, v)
			}
		default:
			err = fmt.Errorf("%w: unknown parameter %.80q; there are window, viewport, quality and iccprofile", ErrSyntax, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// window reads centre, width and function (8.3.5.1.4).
func (r *Rendering) window(text string) (err error) {
	parts := strings.Split(text, ",")
	if len(parts) == 2 {
		parts = append(parts, "linear")
	}
	if len(parts) != 3 {
		return fmt.Errorf("%w: window=%.80q, want centre,width,function", ErrSyntax, text)
	}
	centre, bad := strconv.ParseFloat(strings.TrimSpace(parts[0]), 64)
	width, worse := strconv.ParseFloat(strings.TrimSpace(parts[1]), 64)
	function := strings.ReplaceAll(strings.ToUpper(strings.TrimSpace(parts[2])), "-", "_")
	const most = 1 << 40
	if bad != nil || worse != nil || !(width > 0 && width <= most && centre >= -most && centre <= most) ||
		function != "LINEAR" && function != "LINEAR_EXACT" && function != "SIGMOID" {
		return fmt.Errorf("%w: window=%.80q, want a centre, a positive width, and linear, linear-exact or sigmoid", ErrSyntax, text)
	}
	r.View.Centre, r.View.Width, r.View.Function = centre, width, function
	return nil
}

// viewport reads vw,vh and, with it or not, sx,sy,sw,sh (8.3.5.1.3).
func (r *Rendering) viewport(text string) error {
	parts := strings.Split(text, ",")
	if len(parts) != 2 && len(parts) != 6 {
		return fmt.Errorf("%w: viewport=%.80q, want two or six numbers", ErrSyntax, text)
	}
	into := []*int{&r.Width, &r.Height, &r.Left, &r.Top, &r.RegionWidth, &r.RegionHeight}
	for i, part := range parts {
		if part = strings.TrimSpace(part); part == "" && i > 1 {
			continue // the default
		}
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || n > mostViewport || n == 0 && (i < 2 || i > 3) {
			return fmt.Errorf("%w: viewport=%.80q: %.20q is no number of pixels up to %d", ErrSyntax, text, part, mostViewport)
		}
		*into[i] = int(n)
	}
	return nil
}

// Render returns a frame, 0-based, of a file as a JPEG or PNG.
func (r Rendering) Render(data []byte, frame int, mediaType string, l embed.Limits) ([]byte, error) {
	img, err := embed.Open(data, l)
	if err != nil {
		return nil, err
	}
	if frame >= img.Frames() {
		return nil, fmt.Errorf("%w: frame %d of %d", ErrBulk, frame+1, img.Frames())
	}
	p, err := img.Picture(frame, r.View)
	if err != nil {
		return nil, err
	}
	if p, err = r.region(p); err != nil {
		return nil, err
	}
	if r.Width > 0 {
		p = p.Within(r.Width, r.Height)
	}
	if mediaType == PNG {
		return p.PNG()
	}
	quality := r.Quality
	if quality == 0 {
		quality = 90
	}
	return p.JPEG(quality)
}

// region returns the part of a picture that is asked for.
func (r Rendering) region(p *embed.Picture) (*embed.Picture, error) {
	width, height := r.RegionWidth, r.RegionHeight
	if width == 0 {
		width = p.Width - r.Left
	}
	if height == 0 {
		height = p.Height - r.Top
	}
	if width < 1 || height < 1 || r.Left+width > p.Width || r.Top+height > p.Height {
		return nil, fmt.Errorf("%w: the viewport's region is not within the image of %d × %d", ErrSyntax, p.Width, p.Height)
	}
	if width == p.Width && height == p.Height {
		return p, nil
	}
	out := &embed.Picture{Width: width, Height: height, Pix: make([]byte, 0, 3*width*height)}
	for y := range height {
		at := 3 * ((r.Top+y)*p.Width + r.Left)
		out.Pix = append(out.Pix, p.Pix[at:at+3*width]...)
	}
	return out, nil
}

package embed

import "fmt"

// tiffPages is an opened TIFF file: where the directories of its pages are.
type tiffPages struct {
	header ifd
	limits Limits
	at     []int64
	others int64 // the first thumbnail or mask, 0 if there is none
}

// openTIFF finds the pages. Thumbnails and masks (TIFF 6.0, tag 254) are left
// out, unless there is nothing else.
func openTIFF(data []byte, l Limits) (source, error) {
	header, first, err := openTIFFHeader(data)
	if err != nil {
		return nil, err
	}
	t := &tiffPages{header: header, limits: l}
	if err := t.follow(first); err != nil {
		return nil, err
	}
	if len(t.at) == 0 && t.others != 0 {
		t.at = []int64{t.others}
	}
	if len(t.at) == 0 {
		return nil, fmt.Errorf("%w: TIFF without an image", ErrCorrupt)
	}
	return t, nil
}

// follow reads the chain of directories, which fit into the file if no two
// overlap.
func (t *tiffPages) follow(next int64) error {
	for room := int64(len(t.header.data)); ; {
		d, err := t.header.directory(next)
		if err != nil {
			return err
		}
		if room -= int64(2 + len(d.entries) + d.wordSize()); room < 0 {
			return fmt.Errorf("%w: TIFF directories overlap or form a circle", ErrCorrupt)
		}
		switch kind, isImage := d.kind(); {
		case isImage && kind&(subfileReduced|subfileMask) == 0:
			t.at = append(t.at, next)
		case isImage && t.others == 0:
			t.others = next
		}
		if next = d.next; next < 0 {
			return fmt.Errorf("%w: TIFF ends in a directory", ErrCorrupt)
		}
		if next == 0 {
			return nil
		}
	}
}

// kind returns the NewSubfileType of a directory, and whether it describes an
// image at all.
func (d ifd) kind() (kind int, isImage bool) {
	if width, err := d.field(tagWidth); err != nil || width.len() == 0 {
		return 0, err != nil // which the page's decoding will say
	}
	kind, err := d.first(tagSubfile, 0)
	return kind, err == nil
}

func (t *tiffPages) frames() int { return len(t.at) }

func (t *tiffPages) picture(frame int, v View) (*Picture, error) {
	dir, err := t.header.directory(t.at[frame])
	if err != nil {
		return nil, err
	}
	page, err := openPage(dir)
	if err != nil {
		return nil, err
	}
	if err := page.check(t.limits); err != nil {
		return nil, err
	}
	p, err := page.picture(v)
	if err != nil {
		return nil, err
	}
	return oriented(p, dir.orientation()), nil
}

package dicom

import "fmt"

// colours renders a frame of three samples per pixel.
func colours(p *Picture, s *Stored) error {
	if s.Samples != 3 || s.Signed {
		return fmt.Errorf("%w: %s of %d samples, signed %t, want 3 unsigned", ErrUnsupported, s.Photometric, s.Samples, s.Signed)
	}
	switch s.Photometric {
	case rgb:
		for i, v := range s.Values {
			p.Pix[i] = s.scaled(s.value(v))
		}
	case ybrFull:
		for i := 0; i+2 < len(s.Values); i += 3 {
			r, g, b := s.toRGB(s.value(s.Values[i]), s.value(s.Values[i+1]), s.value(s.Values[i+2]))
			p.Pix[i], p.Pix[i+1], p.Pix[i+2] = s.scaled(r), s.scaled(g), s.scaled(b)
		}
	default:
		return fmt.Errorf("%w: values in %s", ErrUnsupported, s.Photometric)
	}
	return nil
}

// scaled returns the nearest of 256 levels to a value from 0 to 1<<Bits-1,
// halves up.
func (s *Stored) scaled(v int64) byte {
	if s.Bits == 8 {
		return byte(v)
	}
	most := int64(1)<<s.Bits - 1
	return byte((v*2*white + most) / (2 * most))
}

// toRGB returns red, green and blue of a pixel in YBR_FULL (PS3.3 C.7.6.3.1.2, the equations
// of ITU-T T.871), with coefficients of 16 fractional bits as in libjpeg.
func (s *Stored) toRGB(y, cb, cr int64) (r, g, b int64) {
	const half = 1 << 15
	centre, most := int64(1)<<(s.Bits-1), int64(1)<<s.Bits-1
	cb, cr = cb-centre, cr-centre
	r = y + (91881*cr+half)>>16
	g = y + (-22554*cb-46802*cr+half)>>16
	b = y + (116130*cb+half)>>16
	return min(max(r, 0), most), min(max(g, 0), most), min(max(b, 0), most)
}

package dataset

import (
	"cmp"
	"slices"
)

// Keyword returns the keyword of a tag (PS3.6), empty for a tag that is not in
// the dictionary.
func Keyword(t Tag) string { return lookup(t).keyword }

// VR returns the VR that the dictionary gives a tag: XS where it leaves US or
// SS open, UN for a tag that it lacks.
func VR(t Tag) string { return lookup(t).vr }

// TagOf returns the tag of a keyword of the dictionary.
func TagOf(keyword string) (Tag, bool) {
	for i := range dictionary {
		if dictionary[i].keyword == keyword {
			return dictionary[i].tag, true
		}
	}
	return 0, false
}

// lookup returns a tag's entry: one of VR UN where the dictionary lacks it.
func lookup(t Tag) attribute {
	i, found := slices.BinarySearchFunc(dictionary[:], t, func(a attribute, t Tag) int { return cmp.Compare(a.tag, t) })
	if !found {
		return attribute{t, "UN", ""}
	}
	return dictionary[i]
}

// attribute is a row of the dictionary. VR XS is US or SS by the pixel
// representation, in implicit encodings; LUT data are OW there.
type attribute struct {
	tag     Tag
	vr      string
	keyword string
}

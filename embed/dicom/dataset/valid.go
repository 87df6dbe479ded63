package dataset

import "strings"

const (
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters  = capitals + "abcdefghijklmnopqrstuvwxyz"
	digits   = "0123456789"
)

// valid says whether an element has the VR that the dictionary gives its tag,
// or one that the standard has beside it, and a value of that VR (PS3.5 6.2):
// names and free text do not pass as codes or numbers.
func valid(e Element) bool {
	want := lookup(e.Tag).vr
	switch want {
	case "OW":
		return strings.Contains("OB OW US SS UN", e.VR)
	case "US", "XS":
		const descriptor = 6 // the longest, three numbers
		return (e.VR == "US" || e.VR == "SS") && len(e.Value) <= descriptor
	case "OB", "OD", "OF", "OV", "AT", "FD", "FL", "SL", "SS", "UL":
		return e.VR == want
	}
	return e.VR == want && e.Fragments == nil && validText(want, e.Tag, strings.Trim(string(e.Value), " \x00"))
}

// validText says whether text has only the characters of its VR. The types of
// rescaling and modality LUTs are codes, though of VR LO.
func validText(vr string, t Tag, text string) bool {
	switch vr {
	case "DS", "IS":
		return onlyOf(text, digits+`+-.eE \`)
	case "UI":
		return len(text) <= 64 && onlyOf(text, digits+".")
	case "AS":
		return len(text) <= 4 && onlyOf(text, digits+"DWMY")
	case "SH":
		return len(text) <= 16 && onlyOf(text, letters+digits+"_-.")
	case "CS":
		return onlyOf(text, capitals+digits+`_ \`)
	case "LO":
		if t == tagCodeMeaning {
			return len(text) <= 64 && onlyOf(text, letters+digits+" -,/()'")
		}
		return len(text) <= 16 && onlyOf(text, capitals+digits+"_ ")
	}
	return false
}

func onlyOf(text, set string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

package rest

import (
	"io"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
)

// Files of STOW-RS are in memory before they are embedded, and say how much of it
// they take: what has been read ahead is bounded by that.
func TestFilesOnTheirWayInAreHeld(t *testing.T) {
	file := apitest.DICOM(t, apitest.Who{Patient: "p", Study: "1.2", Series: "1.2.3", Instance: "1.2.3.4"}, 10)
	in := &storing{next: alone(strings.NewReader(string(file))), maxImage: 1 << 20, maxFiles: 1}
	var held []int
	in.images(func(i api.Image) bool { held = append(held, i.Held); return true })
	if len(held) != 1 || held[0] != len(file) {
		t.Errorf("got %v bytes held, want [%d]", held, len(file))
	}
	if _, err := in.next(); err != io.EOF {
		t.Errorf("after the last file: %v, want %v", err, io.EOF)
	}
}

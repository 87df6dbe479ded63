package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// reference is what pydicom reads of a test file (testdata/walk.py).
type reference struct {
	Syntax, SHA256, Name, Error string
	Elements                    int
}

func references(t testing.TB) map[string]reference {
	t.Helper()
	data, err := os.ReadFile("testdata/walk.json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]reference
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// shared returns a file of the shared DICOM test data, and skips where there is
// none.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is unset: no shared test data")
	}
	data, err := os.ReadFile(filepath.Join(root, "dicom", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// walk writes a set as testdata/walk.py does, and returns its elements.
func walk(s *Set, depth int, out hash.Hash) int {
	n := len(s.Elements)
	for _, e := range s.Elements {
		fmt.Fprintf(out, "%d %08X ", depth, uint32(e.Tag))
		switch {
		case e.Items != nil:
			fmt.Fprintf(out, "s %d\n", len(e.Items))
			for _, item := range e.Items {
				n += walk(item, depth+1, out)
			}
		case e.Fragments != nil:
			fmt.Fprintf(out, "f %d\n", len(e.Fragments))
			for _, f := range e.Fragments {
				fmt.Fprintf(out, "%d\n", len(f))
				out.Write(f)
			}
		default:
			fmt.Fprintf(out, "v %d\n", len(e.Value))
			out.Write(e.Value)
		}
	}
	return n
}

// broken says why a file that pydicom reads in part is refused.
var broken = map[string]string{
	"pydicom/src/pydicom/data/test_files/rtplan_truncated.dcm":            "has 711 bytes of 976",
	"pydicom/src/pydicom/data/test_files/MR_truncated.dcm":                "has 8130 bytes of 8192",
	"pydicom/src/pydicom/data/test_files/dicomdirtests/DICOMDIR-nooffset": "with 224 bytes of 248",
	"pydicom/src/pydicom/data/test_files/no_meta.dcm":                     "without DICM", // lacks its first bytes
}

func TestEveryFileReadsAsPydicomDoes(t *testing.T) {
	for name, want := range references(t) {
		t.Run(name, func(t *testing.T) {
			f, err := Parse(shared(t, name), Limits{})
			if says := broken[name]; says != "" {
				if err == nil || !strings.Contains(err.Error(), says) {
					t.Fatalf("Parse: %v, want an error that says %q", err, says)
				}
				return
			}
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			sum := sha256.New()
			n := walk(f.Set, 0, sum)
			if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
				t.Errorf("walk of %d elements = %s, want %d, %s", n, got, want.Elements, want.SHA256)
			}
			if want.Syntax != "" && f.Syntax != want.Syntax {
				t.Errorf("syntax = %s, want %s", f.Syntax, want.Syntax)
			}
			if got := strings.TrimRight(f.Set.Text(0x00100010), "="); got != want.Name {
				t.Errorf("patient's name = %q, want %q", got, want.Name)
			}
		})
	}
}

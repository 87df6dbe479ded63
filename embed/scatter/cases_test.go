package scatter

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"nearcase/embed"
)

// A labelled is an embedding with its patient and class.
type labelled struct {
	patient, class string
	vector         []float32
}

// collection embeds every step-th picture of a data set as the program would.
func collection(t *testing.T, set string, step int) (cases []labelled) {
	t.Helper()
	root := os.Getenv("NEARCASE_TESTDATA")
	if root == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	digest := sha256.Sum256(Graph())
	model, err := embed.NewModel(Manifest(), hex.EncodeToString(digest[:]), open(t))
	if err != nil {
		t.Fatalf("NewModel(Manifest()) = %v", err)
	}
	for i, record := range records(t, filepath.Join(root, set, "labels.csv")) {
		if i%step == 0 {
			vector := embedFile(t, model, filepath.Join(root, set, record[0]))
			cases = append(cases, labelled{record[1], record[2], vector})
		}
	}
	return cases
}

// records returns the rows of file, patient, class, without the heading.
func records(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%s: %d rows, %v", path, len(rows), err)
	}
	return rows[1:]
}

func embedFile(t *testing.T, m *embed.Model, path string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := embed.Decode(data, embed.Limits{})
	if err != nil {
		t.Fatalf("Decode(%s) = %v", path, err)
	}
	vectors, err := m.EmbedPictures(context.Background(), []*embed.Picture{picture})
	if err != nil {
		t.Fatalf("EmbedPictures(%s) = %v", path, err)
	}
	return vectors[0]
}

// balancedAccuracy is the mean over the classes of how many have a nearest
// neighbour of another patient that is of their class.
func balancedAccuracy(cases []labelled) float64 {
	right, all := map[string]float64{}, map[string]float64{}
	for _, query := range cases {
		best, class := -2.0, ""
		for _, c := range cases {
			if score := dot(query.vector, c.vector); c.patient != query.patient && score > best {
				best, class = score, c.class
			}
		}
		all[query.class]++
		if class == query.class {
			right[query.class]++
		}
	}
	var sum float64
	for class, n := range all {
		sum += right[class] / n
	}
	return sum / float64(len(all))
}

// The bounds lie about three points below what was measured.
func TestNearestCasesOfOtherPatientsShareTheClass(t *testing.T) {
	for _, set := range []struct {
		name string
		step int
		want float64
	}{
		{"blood", 4, 0.94},
		{"cxr", 12, 0.88},
	} {
		t.Run(set.name, func(t *testing.T) {
			cases := collection(t, set.name, set.step)
			if got := balancedAccuracy(cases); !(got > set.want) {
				t.Errorf("balanced accuracy of the nearest of %d cases = %.3f, want above %.2f", len(cases), got, set.want)
			} else {
				t.Logf("balanced accuracy of the nearest of %d cases: %.3f", len(cases), got)
			}
		})
	}
}

package store_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"nearcase/store"
)

func drawInstances(rt *rapid.T) []store.Instance {
	draw := func(what string, n int) string {
		if k := rapid.IntRange(0, n).Draw(rt, what); k > 0 {
			return fmt.Sprint(what, k)
		}
		return ""
	}
	instances := make([]store.Instance, rapid.IntRange(1, 25).Draw(rt, "n"))
	for i := range instances {
		instances[i] = store.Instance{ID: fmt.Sprint(i), Patient: draw("p", 8), Study: draw("s", 8), Series: draw("r", 12), Digest: draw("d", 30)}
	}
	return instances
}

// Law: two instances are in one family exactly if a chain of pairs connects
// them that share a patient, an image, or a study or series in which some
// patient is unknown; and a family is named by its first member.
func TestFamiliesAreTheClosureOfPairs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := drawInstances(rt)
		same := func(a, b string) bool { return a != "" && a == b }
		unsure := func(is func(store.Instance) bool) bool {
			for _, i := range all {
				if i.Patient == "" && is(i) {
					return true
				}
			}
			return false
		}
		reach := make([][]bool, len(all))
		for i, a := range all {
			reach[i] = make([]bool, len(all))
			for j, b := range all {
				reach[i][j] = i == j || same(a.Patient, b.Patient) || same(a.Digest, b.Digest) ||
					same(a.Study, b.Study) && unsure(func(x store.Instance) bool { return x.Study == a.Study }) ||
					same(a.Series, b.Series) && unsure(func(x store.Instance) bool { return x.Series == a.Series })
			}
		}
		for k := range all { // Warshall
			for i := range all {
				for j := range all {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		families := store.Families(all)
		for i := range all {
			first := 0
			for !reach[i][first] {
				first++
			}
			if families[i] != first {
				rt.Errorf("Families: instance %d of %+v is in family %d, want %d", i, all, families[i], first)
			}
		}
	})
}

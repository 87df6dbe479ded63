package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nearcase/store"
)

// vrs are the metadata that filters are drawn for, with their types.
var vrs = map[string]string{"Modality": "CS", "PatientAge": "AS"}

// condition compiles a filter for the collections of this package.
func condition(t *testing.T, text string) *store.Condition {
	t.Helper()
	f, err := store.ParseFilter([]byte(text))
	must(t, err)
	c, err := Collection("c").Compile(f, vrs)
	must(t, err)
	return c
}

// drawn is a filter with the oracle of what it lets pass.
type drawn struct {
	text  string
	holds func(store.Case) bool
}

// drawCondition draws a filter of a few conditions.
func drawCondition(t *testing.T, rng *rand.Rand) (*store.Condition, func(store.Case) bool) {
	t.Helper()
	d := drawFilter(rng, 2)
	return condition(t, d.text), d.holds
}

func drawFilter(rng *rand.Rand, depth int) drawn {
	some := func(list ...string) string { return list[rng.IntN(len(list))] }
	kind := rng.IntN(11)
	if depth == 0 {
		kind = 3 + rng.IntN(8)
	}
	switch kind {
	case 0:
		a, b := drawFilter(rng, depth-1), drawFilter(rng, depth-1)
		return drawn{`{"all":[` + a.text + `,` + b.text + `]}`, func(c store.Case) bool { return a.holds(c) && b.holds(c) }}
	case 1:
		a, b := drawFilter(rng, depth-1), drawFilter(rng, depth-1)
		return drawn{`{"any":[` + a.text + `,` + b.text + `]}`, func(c store.Case) bool { return a.holds(c) || b.holds(c) }}
	case 2:
		a := drawFilter(rng, depth-1)
		return drawn{`{"not":` + a.text + `}`, func(c store.Case) bool { return !a.holds(c) }}
	case 3:
		m := some("CR", "DX", "MG")
		return drawn{fmt.Sprintf(`{"field":"Modality","eq":%q}`, m), func(c store.Case) bool { return strings.Contains(c.Instance.Metadata["Modality"], m) }}
	case 4:
		age := fmt.Sprintf("%03dY", rng.IntN(100))
		return drawn{fmt.Sprintf(`{"field":"PatientAge","gte":%q}`, age), func(c store.Case) bool { return c.Instance.Metadata["PatientAge"] >= age }}
	case 5:
		p := some("p1", "p2")
		return drawn{fmt.Sprintf(`{"field":"patient","in":["p9",%q]}`, p), func(c store.Case) bool { return slices.Contains([]string{p, "p9"}, c.Instance.Patient) }}
	case 6:
		return drawn{`{"field":"study","eq":"s1"}`, func(c store.Case) bool { return c.Instance.Study == "s1" }}
	case 7:
		n := rng.IntN(80)
		return drawn{fmt.Sprintf(`{"field":"id","in":["i%d","i%d","x"]}`, n, n+1), func(c store.Case) bool {
			return c.Instance.ID == fmt.Sprint("i", n) || c.Instance.ID == fmt.Sprint("i", n+1)
		}}
	case 8:
		class := some("line", "pacemaker")
		return drawn{fmt.Sprintf(`{"task":"devices","has":[%q]}`, class), func(c store.Case) bool { return slices.Contains(c.Labels["devices"].Classes, class) }}
	case 9:
		has := rng.IntN(2) == 0
		return drawn{fmt.Sprintf(`{"task":"finding","labelled":%t}`, has), func(c store.Case) bool { _, ok := c.Labels["finding"]; return ok == has }}
	}
	return drawn{`{"field":"size","lt":3}`, func(c store.Case) bool { return c.Instance.Size > 0 && c.Instance.Size < 3 }}
}

// finds compares pages of instances, filtered and sorted in every way, with a list
// of all, while instances come, go, change and get other labels between the calls.
func finds(t *testing.T, c store.Catalog) {
	filled(t, c, 60)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 60 {
		disturb(t, c, rng)
		all, err := c.List(t.Context(), "c", 0, 1000)
		must(t, err)
		l, holds := store.Listing{Sort: append(store.Sorts(), "")[rng.IntN(8)], Descending: rng.IntN(2) == 0, Limit: 1 + rng.IntN(30), Count: rng.IntN(2) == 0}, func(store.Case) bool { return true }
		if rng.IntN(3) > 0 {
			l.Filter, holds = drawCondition(t, rng)
		}
		want := slices.DeleteFunc(all, func(c store.Case) bool { return !holds(c) })
		slices.SortFunc(want, func(a, b store.Case) int {
			order := before(l.Sort, a, b)
			if l.Descending {
				return -order
			}
			return order
		})
		if got := pages(t, c, l, len(want)); !slices.Equal(ids(got), ids(want)) {
			t.Fatalf("Find %+v: got\n%v\nwant\n%v", l, ids(got), ids(want))
		}
	}
}

// before is how two cases follow each other in an order.
func before(sort string, a, b store.Case) int {
	i, j, order := a.Instance, b.Instance, 0
	switch sort {
	case store.ByPatient:
		order = strings.Compare(i.Patient, j.Patient)
	case store.ByStudy:
		order = strings.Compare(i.Study, j.Study)
	case store.ByName:
		order = strings.Compare(i.Name, j.Name)
	case store.BySize:
		order = cmp.Compare(i.Size, j.Size)
	case store.ByLabelTime:
		order = latest(a).Time.Truncate(1000).Compare(latest(b).Time.Truncate(1000))
	case store.ByID:
	default:
		return cmp.Compare(a.Key, b.Key)
	}
	return cmp.Or(order, strings.Compare(i.ID, j.ID))
}

// latest returns the last label of a case, the zero one for none.
func latest(c store.Case) (last store.Label) {
	for _, l := range c.Labels {
		if l.Time.After(last.Time) {
			last = l
		}
	}
	return last
}

// pages reads all pages and checks what they say of themselves.
func pages(t *testing.T, c store.Catalog, l store.Listing, count int) (all []store.Case) {
	t.Helper()
	for {
		found, err := c.Find(t.Context(), "c", l)
		must(t, err)
		all = append(all, found.Cases...)
		if l.Count && found.Count != count || !l.Count && found.Count != 0 {
			t.Fatalf("Find %+v: counts %d, want %d where it is asked for", l, found.Count, count)
		}
		if len(found.Cases) > l.Limit || found.Next != nil && len(found.Cases) != l.Limit {
			t.Fatalf("Find %+v: got %d cases", l, len(found.Cases))
		}
		if l.After = found.Next; l.After == nil {
			return all
		}
	}
}

// findsStably reads pages while other instances come between them.
func findsStably(t *testing.T, c store.Catalog) {
	filled(t, c, 40)
	for _, sort := range store.Sorts() {
		for _, descending := range []bool{false, true} {
			l := store.Listing{Sort: sort, Descending: descending, Limit: 7, Filter: condition(t, `{"field":"id","prefix":"i"}`)}
			seen := map[string]int{}
			for n := 0; ; n++ {
				found, err := c.Find(t.Context(), "c", l)
				must(t, err)
				for _, one := range found.Cases {
					seen[one.Instance.ID]++
				}
				put := Record(1000*len(seen) + n)
				put.Instance.ID = fmt.Sprint("z", sort, descending, n)
				_, err = c.Put(t.Context(), "c", []store.Record{put})
				must(t, err)
				if l.After = found.Next; l.After == nil {
					break
				}
			}
			for n := range 40 {
				if id := fmt.Sprint("i", n); seen[id] != 1 || len(seen) != 40 {
					t.Errorf("Find by %s, descending %t: got %s %d times, of %d in all", sort, descending, id, seen[id], len(seen))
				}
			}
		}
	}
	_, err := c.Find(t.Context(), "c", store.Listing{Sort: "score", Limit: 1})
	wantErr(t, "Find by score", err, store.ErrInvalid)
	_, err = c.Find(t.Context(), "x", store.Listing{Limit: 1})
	wantErr(t, "Find in no collection", err, store.ErrCollection)
	if found, err := c.Find(t.Context(), "c", store.Listing{Count: true}); err != nil || len(found.Cases) != 0 || found.Next != nil || found.Count < 40 {
		t.Errorf("Find with limit 0: got %+v, %v, want the count alone", found, err)
	}
}

// deletesOnlyWhatIsMeant deletes what a condition holds for when it is deleted.
func deletesOnlyWhatIsMeant(t *testing.T, c store.Catalog) {
	filled(t, c, 6)
	sick := condition(t, `{"task":"finding","has":["pneumonia"]}`)
	_, err := c.Label(t.Context(), "c", []store.Label{{Instance: "i1", Task: "finding", Classes: []string{"normal"}}})
	must(t, err)
	n, err := c.DeleteAll(t.Context(), "c", []string{"i0", "i1", "i3", "i5", "x"}, sick)
	must(t, err)
	left, err := c.List(t.Context(), "c", 0, 10)
	must(t, err)
	if n != 2 || !slices.Equal(ids(left), []string{"i0", "i1", "i2", "i4"}) {
		t.Errorf("DeleteAll of the sick: got %d, and %v are left, want i3 and i5 gone", n, ids(left))
	}
}

package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nearcase/store"
)

// Every instance for which a condition holds is within all of its bounds, and what
// it holds for is what a plain reading of the JSON says.
func TestConditionsHoldAsTheirJSONReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := drawFilter(t, 3)
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		f, err := store.ParseFilter(text)
		if err != nil {
			t.Fatalf("ParseFilter %s: %v", text, err)
		}
		c, err := both.Compile(f, attributes)
		if err != nil {
			t.Fatalf("Compile %s: %v", text, err)
		}
		for range 8 {
			i, labels := drawCase(t)
			want := reads(tree, i, labels)
			if got := c.Holds(&i, labels); got != want {
				t.Fatalf("%s for %+v labelled %+v: got %t, want %t", text, i, labels, got, want)
			}
			if !c.AsksLabels() && c.Holds(&i, nil) != want {
				t.Fatalf("%s for %+v without labels: got %t, want %t", text, i, !want, want)
			}
			if want {
				within(t, c, i, labels)
			}
		}
	})
}

func within(t *rapid.T, c *store.Condition, i store.Instance, labels map[string]store.Label) {
	for _, b := range c.Bounds() {
		l, labelled := labels[b.Task]
		has := func(class string) bool { return slices.Contains(l.Classes, class) }
		if !slices.Contains(b.Instances, i.ID) && !slices.Contains(b.Patients, i.Patient) && !slices.Contains(b.Studies, i.Study) &&
			!(labelled && (len(b.Classes) == 0 || slices.ContainsFunc(b.Classes, has))) {
			t.Fatalf("%+v labelled %+v is beyond %+v", i, labels, b)
		}
	}
}

// What is drawn to compare with comes from few values, so that some are equal.
var (
	someTexts = []string{"a", "b", "ab", "c"}
	someDates = []string{"20251231", "20260101", "20260131"}
	someAges  = []string{"063Y", "018M", "002Y", "010D"}
)

func drawFilter(t *rapid.T, depth int) map[string]any {
	kind := rapid.SampledFrom([]string{"all", "any", "not", "text", "number", "date", "age", "label"}).Draw(t, "kind")
	if depth == 0 && slices.Contains([]string{"all", "any", "not"}, kind) {
		kind = "text"
	}
	switch kind {
	case "all", "any":
		parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return drawFilter(t, depth-1) }), 1, 3).Draw(t, kind)
		return map[string]any{kind: parts}
	case "not":
		return map[string]any{"not": drawFilter(t, depth-1)}
	case "label":
		return drawSaying(t)
	}
	f, from := map[string]any{}, someTexts
	switch kind {
	case "text":
		f["field"] = rapid.SampledFrom([]string{"id", "patient", "study", "Modality", "ImageType"}).Draw(t, "field")
		if rapid.Bool().Draw(t, "prefix") {
			f["prefix"] = "a"
		}
	case "number":
		f["field"], from = rapid.SampledFrom([]string{"width", "SliceThickness"}).Draw(t, "field"), []string{"1", "2", "3"}
	case "date":
		f["field"], from = "AcquisitionDate", someDates
	case "age":
		f["field"], from = "PatientAge", someAges
	}
	for _, op := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"}), 1, 2, rapid.ID).Draw(t, "ops") {
		v := rapid.SampledFrom(from)
		switch op {
		case "in":
			f[op] = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return v.Draw(t, "v") }), 1, 2).Draw(t, op)
		case "exists":
			f[op] = rapid.Bool().Draw(t, op)
		default:
			f[op] = v.Draw(t, op)
		}
	}
	return f
}

func drawSaying(t *rapid.T) map[string]any {
	task := rapid.SampledFrom(both.Tasks).Draw(t, "task")
	f := map[string]any{"task": task.Name}
	classes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return rapid.SampledFrom(task.Classes).Draw(t, "class") }), 1, 2)
	for _, op := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"labelled", "has", "absent", "uncertain", "reader"}), 1, 2, rapid.ID).Draw(t, "ops") {
		switch op {
		case "labelled":
			f[op] = rapid.Bool().Draw(t, op)
		case "reader":
			f[op] = []any{rapid.SampledFrom([]string{"", "anna", "ben"}).Draw(t, op)}
		default:
			f[op] = classes.Draw(t, op)
		}
	}
	return f
}

func drawCase(t *rapid.T) (store.Instance, map[string]store.Label) {
	text := func(name string, more ...string) string {
		return rapid.SampledFrom(append(more, someTexts...)).Draw(t, name)
	}
	i := store.Instance{
		ID: text("id"), Patient: text("patient", ""), Study: text("study", ""), Width: rapid.IntRange(0, 3).Draw(t, "width"),
		Metadata: map[string]string{"Modality": text("modality", ""), "ImageType": text("type", `a\b`, `c\ab`, "")},
	}
	for field, values := range map[string][]string{"AcquisitionDate": someDates, "PatientAge": someAges, "SliceThickness": {"1.0", `1\3`, "thick", "2"}} {
		if rapid.Bool().Draw(t, field) {
			i.Metadata[field] = rapid.SampledFrom(values).Draw(t, field)
		}
	}
	labels := map[string]store.Label{}
	for _, task := range both.Tasks {
		var current []store.Label
		for _, reader := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"", "anna", "ben"}), 0, 2, rapid.ID).Draw(t, "readers") {
			l := drawRead(t, task).label(t, task, 0)
			l.Reader = reader
			current = append(current, l)
		}
		if l, ok := store.Resolve(task, current); ok {
			labels[task.Name] = l
		}
	}
	return i, labels
}

// reads is a plain reading of a filter, as its documentation says.
func reads(f map[string]any, i store.Instance, labels map[string]store.Label) bool {
	holds := func(part any) bool { return reads(part.(map[string]any), i, labels) }
	switch {
	case f["all"] != nil:
		return !slices.ContainsFunc(f["all"].([]any), func(p any) bool { return !holds(p) })
	case f["any"] != nil:
		return slices.ContainsFunc(f["any"].([]any), holds)
	case f["not"] != nil:
		return !holds(f["not"])
	case f["task"] != nil:
		l, labelled := labels[f["task"].(string)]
		return readsLabel(f, l, labelled)
	}
	name, metadata := f["field"].(string), i.Metadata
	values := map[string][]string{"id": {i.ID}, "patient": {i.Patient}, "study": {i.Study}, "width": {strings.TrimPrefix(strconv.Itoa(i.Width), "0")}}[name]
	if values == nil {
		if values = strings.Split(metadata[name], `\`); name == "ImageType" && len(values) > 1 {
			values = append(values, metadata[name])
		}
	}
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" || name == "SliceThickness" && v == "thick" })
	if exists, ok := f["exists"]; ok && exists.(bool) != (len(values) > 0) {
		return false
	}
	if ne, ok := f["ne"]; ok && slices.ContainsFunc(values, func(v string) bool { return order(name, v) == order(name, ne.(string)) }) {
		return false
	}
	passes := func(v string) bool { return readsValue(f, name, v) }
	asks := len(f) - 1
	for _, op := range []string{"ne", "exists"} {
		if _, ok := f[op]; ok {
			asks--
		}
	}
	return asks == 0 || slices.ContainsFunc(values, passes)
}

// readsValue says whether one value passes what is asked of one.
func readsValue(f map[string]any, name, v string) bool {
	mine := order(name, v)
	for op, with := range f {
		ok := true
		switch op {
		case "eq":
			ok = mine == order(name, with.(string))
		case "lt":
			ok = mine < order(name, with.(string))
		case "lte":
			ok = mine <= order(name, with.(string))
		case "gt":
			ok = mine > order(name, with.(string))
		case "gte":
			ok = mine >= order(name, with.(string))
		case "prefix":
			ok = strings.HasPrefix(v, with.(string))
		case "in":
			ok = slices.ContainsFunc(with.([]any), func(w any) bool { return mine == order(name, w.(string)) })
		}
		if !ok {
			return false
		}
	}
	return true
}

// order is a text that sorts as the field's values do.
func order(name, v string) string {
	switch name {
	case "width", "SliceThickness":
		return fmt.Sprintf("%09.3f", number(v))
	case "PatientAge":
		per := map[byte]float64{'D': 365.25, 'M': 12, 'Y': 1}[v[3]]
		return fmt.Sprintf("%09.3f", number(v[:3])/per)
	}
	return v
}

func number(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err) // of this test's own values
	}
	return x
}

func readsLabel(f map[string]any, l store.Label, labelled bool) bool {
	if want, ok := f["labelled"]; ok && want.(bool) != labelled {
		return false
	}
	for op, s := range map[string]store.State{"has": store.Present, "absent": store.Absent, "uncertain": store.Uncertain} {
		if classes, ok := f[op]; ok && !(labelled && slices.ContainsFunc(classes.([]any), func(c any) bool { return l.State(c.(string)) == s })) {
			return false
		}
	}
	if readers, ok := f["reader"]; ok {
		of := []string{l.Reader}
		for n, o := range l.Opinions {
			of = append(of[:n], o.Reader)
		}
		return labelled && slices.Contains(of, readers.([]any)[0].(string))
	}
	return true
}

package store_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearcase/store"
)

// attributes are DICOM attributes of every type that is compared.
var attributes = map[string]string{
	"Modality": "CS", "ImageType": "CS", "AcquisitionDate": "DA", "PatientAge": "AS", "PatientSex": "CS", "SliceThickness": "DS", "SeriesNumber": "IS",
}

func compile(t testing.TB, text string) *store.Condition {
	t.Helper()
	f, err := store.ParseFilter([]byte(text))
	if err != nil {
		t.Fatalf("ParseFilter %s: %v", text, err)
	}
	c, err := both.Compile(f, attributes)
	if err != nil {
		t.Fatalf("Compile %s: %v", text, err)
	}
	return c
}

func TestFieldsAreComparedByTheirTypes(t *testing.T) {
	film := store.Instance{
		ID: "1.2.3", Patient: "p", Study: "s", Name: "film.dcm", MediaType: "application/dicom", Width: 512, Size: 1 << 40, Frame: 2,
		Added: time.Date(2026, 11, 5, 13, 0, 0, 500, time.UTC),
		Metadata: map[string]string{
			"Modality": "DX", "ImageType": `ORIGINAL\PRIMARY\AXIAL`, "AcquisitionDate": "20251231", "PatientAge": "018M", "SliceThickness": `0.5\2.50`,
			"SeriesNumber": "many",
		},
	}
	for _, c := range []struct {
		fact, filter string
		want         bool
	}{
		{"a text is equal", `{"field":"Modality","eq":"DX"}`, true},
		{"a text is compared with case", `{"field":"Modality","eq":"dx"}`, false},
		{"a text is one of several", `{"field":"Modality","in":["CR","DX"]}`, true},
		{"a text is none of several", `{"field":"Modality","in":["CR","MG"]}`, false},
		{"a text differs", `{"field":"Modality","ne":"CR"}`, true},
		{"a text does not differ from itself", `{"field":"Modality","ne":"DX"}`, false},
		{"what is not there differs", `{"field":"PatientSex","ne":"F"}`, true},
		{"what is not there is equal to nothing", `{"field":"PatientSex","in":["F","M"]}`, false},
		{"what is not there is not before anything", `{"field":"PatientSex","lt":"Z"}`, false},
		{"what is not there does not exist", `{"field":"PatientSex","exists":false}`, true},
		{"what is there exists", `{"field":"Modality","exists":true}`, true},
		{"one of several values is enough", `{"field":"ImageType","eq":"PRIMARY"}`, true},
		{"several values are one as a whole, too", `{"field":"ImageType","eq":"ORIGINAL\\PRIMARY\\AXIAL"}`, true},
		{"none of several values may be what it must differ from", `{"field":"ImageType","ne":"PRIMARY"}`, false},
		{"a prefix of one of several values", `{"field":"ImageType","prefix":"PRI"}`, true},
		{"a prefix is no part", `{"field":"ImageType","prefix":"MARY"}`, false},
		{"one value passes all that is asked", `{"field":"SliceThickness","gt":1,"lt":3}`, true},
		{"two values do not pass it together", `{"field":"SliceThickness","gt":1,"lt":2}`, false},
		{"a decimal equals a number", `{"field":"SliceThickness","eq":2.5}`, true},
		{"a number may be a text", `{"field":"SliceThickness","eq":"2.5"}`, true},
		{"a date is before another", `{"field":"AcquisitionDate","lt":"2026-01-01"}`, true},
		{"a date is equal as DICOM has it", `{"field":"AcquisitionDate","eq":"20251231"}`, true},
		{"a date is equal as ISO 8601 has it", `{"field":"AcquisitionDate","in":["2025-12-31"]}`, true},
		{"an age in months is less than two years", `{"field":"PatientAge","lt":2}`, true},
		{"an age in months is one and a half years", `{"field":"PatientAge","eq":1.5}`, true},
		{"an age in months is more than 70 weeks", `{"field":"PatientAge","gt":"70W"}`, true},
		{"an age in months is less than two years by VR AS", `{"field":"PatientAge","lte":"002Y"}`, true},
		{"what is not of the type is not there", `{"field":"SeriesNumber","exists":false}`, true},
		{"width is a number", `{"field":"width","gte":512,"lt":513}`, true},
		{"no height is no value", `{"field":"height","exists":true}`, false},
		{"no height is not below anything", `{"field":"height","lt":100}`, false},
		{"sizes are large", `{"field":"size","eq":1099511627776}`, true},
		{"frames count", `{"field":"frame","in":[1,2]}`, true},
		{"added since a date", `{"field":"added","gte":"2026-11-05"}`, true},
		{"added before a time", `{"field":"added","lt":"2026-11-05T13:00:01Z"}`, true},
		{"added before a time elsewhere", `{"field":"added","lt":"2026-11-05T13:00:01+02:00"}`, false},
		{"both of equal and in", `{"field":"id","eq":"1.2.3","in":["1.2","1.2.3"]}`, true},
		{"one of equal and in", `{"field":"id","eq":"1.2.3","in":["1.2"]}`, false},
		{"a path", `{"field":"name","prefix":"film"}`, true},
		{"a media type", `{"field":"media_type","eq":"image/png"}`, false},
	} {
		if got := compile(t, c.filter).Holds(&film, nil); got != c.want {
			t.Errorf("%s: %s: got %t, want %t", c.fact, c.filter, got, c.want)
		}
	}
}

func TestLabelsAreAskedForByWhatTheySay(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	opinions := []store.Label{
		{Task: "finding", Classes: []string{"covid"}, Reader: "anna", Source: "pacs", Confidence: 0.5, Time: at},
		{Task: "finding", Classes: []string{"normal"}, Reader: "ben", Source: "csv", Confidence: 0.75, Time: at},
	}
	conflicting, _ := store.Resolve(finding, opinions)
	labels := map[string]store.Label{
		"finding": conflicting,
		"devices": {Task: "devices", Classes: []string{"line"}, Uncertain: []string{"tube"}, Absent: []string{"drain"}, Partial: true, Source: "ris"},
	}
	for _, c := range []struct {
		fact, filter string
		want         bool
	}{
		{"labelled", `{"task":"finding","labelled":true}`, true},
		{"not unlabelled", `{"task":"finding","labelled":false}`, false},
		{"what the readers say together", `{"task":"finding","has":["normal"]}`, true},
		{"one of several classes", `{"task":"finding","has":["covid","normal"]}`, true},
		{"not what one reader says", `{"task":"finding","has":["covid"]}`, false},
		{"other classes of a single-label task are absent", `{"task":"finding","absent":["covid"]}`, true},
		{"absent", `{"task":"devices","absent":["drain"]}`, true},
		{"not mentioned is not absent", `{"task":"devices","absent":["pacemaker"]}`, false},
		{"uncertain", `{"task":"devices","uncertain":["tube","line"]}`, true},
		{"present is not uncertain", `{"task":"devices","uncertain":["line"]}`, false},
		{"readers who differ", `{"task":"finding","conflicting":true}`, true},
		{"one reader alone", `{"task":"devices","conflicting":false}`, true},
		{"a reader of several", `{"task":"finding","reader":["ben"]}`, true},
		{"a reader who said nothing", `{"task":"finding","reader":["carl",""]}`, false},
		{"a label that stands for all", `{"task":"devices","reader":[""]}`, true},
		{"a source of several", `{"task":"finding","source":["csv"]}`, true},
		{"another source", `{"task":"devices","source":["csv"]}`, false},
		{"confidence is the readers' mean", `{"task":"finding","confidence":{"gte":0.625,"lte":0.625}}`, true},
		{"no confidence counts as 1", `{"task":"devices","confidence":{"eq":1}}`, true},
		{"labelled since", `{"task":"finding","since":"2026-03-01"}`, true},
		{"not labelled since", `{"task":"finding","since":"2026-03-01T00:00:01Z"}`, false},
		{"all that is said of one task", `{"task":"finding","has":["normal"],"reader":["anna"],"conflicting":true}`, true},
		{"not all that is said of one task", `{"task":"finding","has":["normal"],"conflicting":false}`, false},
	} {
		condition := compile(t, c.filter)
		if got := condition.Holds(&store.Instance{}, labels); got != c.want || !condition.AsksLabels() {
			t.Errorf("%s: %s: got %t, want %t", c.fact, c.filter, got, c.want)
		}
		if got, want := condition.Holds(&store.Instance{}, nil), strings.Contains(c.filter, "false"); got != want && !strings.Contains(c.filter, "conflicting") {
			t.Errorf("%s: %s without a label: got %t, want %t", c.fact, c.filter, got, want)
		}
	}
}

func TestFiltersThatCannotBeAreRefusedByPlace(t *testing.T) {
	deep := strings.Repeat(`{"not":`, 16) + `{"field":"id","eq":"x"}` + strings.Repeat("}", 16)
	wide := `{"any":[` + strings.Repeat(`{"field":"id","eq":"x"},`, 999) + `{"field":"id","eq":"x"}]}`
	long := `{"field":"id","in":["x"` + strings.Repeat(`,"x"`, 10_000) + `]}`
	for _, c := range []struct {
		filter, says string
		want         error
	}{
		{``, "ends early", store.ErrInvalid},
		{`[]`, "filter: not valid: an object", store.ErrInvalid},
		{`{"field":"id","eq":"x"`, "ends early", store.ErrInvalid},
		{`{"field":"id","eq":"x"} 1`, "more after it", store.ErrInvalid},
		{`{"field":"id","equals":"x"}`, `"equals"; use absent, all, any`, store.ErrInvalid},
		{`{"Field":"id"}`, `"Field"`, store.ErrInvalid},
		{`{"field":"id","field":"id"}`, "field is there twice", store.ErrInvalid},
		{`{"all":[{"field":"id","eq":"x"},{"any":[{"field":1}]}]}`, "filter.all[1].any[0].field: not valid: a text", store.ErrInvalid},
		{`{"all":[]}`, "filter.all: not valid: the list is empty", store.ErrInvalid},
		{`{"field":"id","in":"x"}`, "filter.in: not valid: a list", store.ErrInvalid},
		{`{"field":"id","in":[]}`, "filter.in", store.ErrInvalid},
		{`{"field":"id","eq":null}`, "filter.eq: not valid: a text or a number", store.ErrInvalid},
		{`{"field":"id","exists":1}`, "filter.exists: not valid: true or false", store.ErrInvalid},
		{`{"task":"finding","confidence":{"atleast":1}}`, `filter.confidence: not valid: unknown key "atleast"`, store.ErrInvalid},
		{`{"task":"finding","confidence":{}}`, "filter.confidence", store.ErrInvalid},
		{`{"task":"finding","confidence":{"exists":true}}`, "filter.confidence.exists", store.ErrInvalid},
		{`{"task":"finding","confidence":{"gt":"high"}}`, "filter.confidence.gt", store.ErrInvalid},
		{deep, "more than 16", store.ErrInvalid},
		{wide, "more than 1000", store.ErrInvalid},
		{long, "more than 10000", store.ErrInvalid},
		{`{"field":"id","eq":"` + strings.Repeat("x", 1025) + `"}`, "1025 bytes", store.ErrInvalid},
		{`{}`, "filter: not valid: it has 0 of all", store.ErrInvalid},
		{`{"field":"id","eq":"x","not":{"field":"id","eq":"x"}}`, "it has 2 of all", store.ErrInvalid},
		{`{"not":{"field":"id","eq":"x"},"eq":"x"}`, "eq compares a field", store.ErrInvalid},
		{`{"field":"id","eq":"x","has":["y"]}`, "has asks for a label", store.ErrInvalid},
		{`{"field":"id"}`, "nothing is said of field id", store.ErrInvalid},
		{`{"task":"finding"}`, `nothing is said of task "finding"`, store.ErrInvalid},
		{`{"not":{"field":"PatientName","eq":"Doe"}}`, `filter.not: not valid: unknown field "PatientName"; use added`, store.ErrInvalid},
		{`{"field":"id","eq":5}`, "filter.eq: not valid: it is compared as a text", store.ErrInvalid},
		{`{"field":"width","eq":"wide"}`, "filter.eq: not valid: it is compared as a number", store.ErrInvalid},
		{`{"field":"width","prefix":"5"}`, "filter.prefix", store.ErrInvalid},
		{`{"field":"name","prefix":""}`, "filter.prefix: not valid: it is empty", store.ErrInvalid},
		{`{"field":"width","lt":1e999}`, "filter.lt", store.ErrInvalid},
		{`{"field":"AcquisitionDate","gte":"2026"}`, "filter.gte: not valid: it is compared as a date", store.ErrInvalid},
		{`{"field":"AcquisitionDate","gte":20260131}`, "filter.gte", store.ErrInvalid},
		{`{"field":"AcquisitionDate","in":["20260131","20260132"]}`, "filter.in[1]", store.ErrInvalid},
		{`{"field":"PatientAge","ne":"063"}`, "", nil},
		{`{"field":"PatientAge","ne":"63 years"}`, "filter.ne: not valid: it is compared as an age", store.ErrInvalid},
		{`{"field":"added","gt":"yesterday"}`, "filter.gt: not valid: it is compared as a date, or a time", store.ErrInvalid},
		{`{"task":"finding","since":"yesterday"}`, "filter.since", store.ErrInvalid},
		{`{"task":"age","labelled":true}`, `filter: task "age"`, store.ErrTask},
		{`{"any":[{"task":"finding","has":["covid","flu"]}]}`, `filter.any[0].has: class "flu"`, store.ErrClass},
		{`{"task":"finding","absent":["flu"]}`, `filter.absent: class "flu"`, store.ErrClass},
		{`{"task":"devices","uncertain":["flu"]}`, `filter.uncertain: class "flu"`, store.ErrClass},
	} {
		f, err := store.ParseFilter([]byte(c.filter))
		if err == nil {
			_, err = both.Compile(f, attributes)
		}
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("filter %.80s: got %v, want %v saying %s", c.filter, err, c.want, c.says)
		}
	}
	within := strings.Repeat(`{"not":`, 15) + `{"field":"id","in":["x"` + strings.Repeat(`,"x"`, 9_998) + `]}` + strings.Repeat("}", 15)
	compile(t, within)
}

// A filter made in Go is the one that its JSON is read as.
func TestFiltersGoAndComeAsJSON(t *testing.T) {
	yes := true
	f := &store.Filter{All: []store.Filter{
		store.Among("Modality", "CR", ""), store.Among("PatientSex", ""), store.Among("study", "a", "b"),
		{Not: &store.Filter{Field: "width", Comparing: store.Comparing{Lt: new(store.Number(512.5)), Exists: &yes}}},
		{Task: "devices", Saying: store.Saying{Has: []string{"line"}, Reader: []string{""}, Confidence: &store.Comparing{Gte: new(store.Number(0.1))}, Since: "2026-01-01"}},
	}}
	text, err := json.Marshal(store.Both(f, store.Both(nil, f)))
	if err != nil {
		t.Fatal(err)
	}
	var got store.Filter
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, store.Filter{All: []store.Filter{*f, *f}}) {
		t.Errorf("Unmarshal %s: got %+v, %v", text, got, err)
	}
	if c, err := both.Compile(nil, nil); c != nil || err != nil || !c.Holds(&store.Instance{}, nil) || c.AsksLabels() || c.Bounds() != nil {
		t.Errorf("Compile no filter: got %+v, %v, want the condition that always holds", c, err)
	}
}

// Whatever is read as a filter is read again from its JSON, and can be asked.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`{"all":[{"field":"Modality","in":["CR","DX"]},{"not":{"task":"finding","has":["normal"]}}]}`,
		`{"any":[{"field":"width","gte":512,"lt":1e4},{"field":"added","gte":"2026-01-01"},{"field":"PatientAge","lt":"018Y"}]}`,
		`{"task":"devices","absent":["line"],"uncertain":["tube"],"reader":["anna",""],"source":["x"],"confidence":{"gt":0.5},"since":"2026-01-01T00:00:00Z"}`,
		`{"field":"id","prefix":"1.2","exists":true,"ne":"1.2.3","eq":"1.2.4"}`,
		`{"field":"ImageType","eq":"A\\B"}`, `{"task":"finding","labelled":false,"conflicting":true}`, `{"not":{"not":{}}}`, `[]`,
	} {
		f.Add(seed)
	}
	i := store.Instance{ID: "1.2.3", Width: 512, Metadata: map[string]string{"Modality": "CR", "ImageType": `A\B`, "PatientAge": "063Y", "AcquisitionDate": "x"}}
	labels := map[string]store.Label{"devices": {Task: "devices", Classes: []string{"line"}}}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := store.ParseFilter([]byte(text))
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) {
				t.Fatalf("ParseFilter: got %v, want ErrInvalid", err)
			}
			return
		}
		c, err := both.Compile(parsed, attributes)
		if err != nil {
			return
		}
		again, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := compile(t, string(again)).Holds(&i, labels), c.Holds(&i, labels); got != want {
			t.Fatalf("%s: got %t from %s, want %t", text, got, again, want)
		}
	})
}

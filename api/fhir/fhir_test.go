package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/probe"
	"nearcase/store"
)

// elements are those that R4 has of the resources and types that are used, by what
// they are in: * is a list, ! must be there (hl7.org/fhir/R4, the resources' pages).
var elements = map[string]string{
	"DiagnosticReport": "resourceType! id text:Narrative contained* extension* identifier*:Identifier basedOn*:Reference status! category*:CodeableConcept code!:CodeableConcept subject:Reference encounter:Reference effectiveDateTime issued performer*:Reference resultsInterpreter*:Reference specimen*:Reference result*:Reference imagingStudy*:Reference media* conclusion conclusionCode*:CodeableConcept presentedForm*",
	"Observation":      "resourceType! id text:Narrative contained* identifier*:Identifier basedOn*:Reference partOf*:Reference status! category*:CodeableConcept code!:CodeableConcept subject:Reference focus*:Reference encounter:Reference effectiveDateTime issued performer*:Reference valueQuantity:Quantity valueCodeableConcept:CodeableConcept dataAbsentReason:CodeableConcept interpretation*:CodeableConcept note*:Annotation bodySite:CodeableConcept method:CodeableConcept specimen:Reference device:Reference referenceRange* hasMember*:Reference derivedFrom*:Reference component*:Component",
	"Component":        "code!:CodeableConcept valueQuantity:Quantity valueCodeableConcept:CodeableConcept dataAbsentReason:CodeableConcept interpretation*:CodeableConcept referenceRange*",
	"Device":           "resourceType! id text:Narrative identifier*:Identifier definition:Reference status statusReason*:CodeableConcept manufacturer manufactureDate serialNumber deviceName*:DeviceName modelNumber partNumber type:CodeableConcept version*:DeviceVersion note*:Annotation",
	"DeviceName":       "name! type!",
	"DeviceVersion":    "type:CodeableConcept component:Identifier value!",
	"Narrative":        "status! div!",
	"CodeableConcept":  "coding*:Coding text",
	"Coding":           "system version code display userSelected",
	"Reference":        "reference type identifier:Identifier display",
	"Identifier":       "use type:CodeableConcept system value period assigner:Reference",
	"Quantity":         "value comparator unit system code",
	"Annotation":       "authorReference authorString time text!",
}

// valueSets are the values that required bindings allow.
var valueSets = map[string][]string{
	"DiagnosticReport.status": {"registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled", "entered-in-error", "unknown"},
	"Observation.status":      {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"},
	"Narrative.status":        {"generated", "extensions", "additional", "empty"},
	"DeviceName.type":         {"udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other"},
}

// patterns are those of R4's primitive types.
var patterns = map[string]*regexp.Regexp{
	"id": regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`), "code": regexp.MustCompile(`^\S+( \S+)*$`), "system": regexp.MustCompile(`^\S+$`),
	"issued":            regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`),
	"effectiveDateTime": regexp.MustCompile(`^\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?$`),
}

// check reports how a value departs from R4's structure.
func check(kind, path string, v any) (faults []string) {
	o, ok := v.(map[string]any)
	if !ok {
		return []string{path + " is no " + kind}
	}
	known := map[string]bool{}
	for _, element := range strings.Fields(elements[kind]) {
		name, of, _ := strings.Cut(element, ":")
		isList, isRequired := strings.Contains(name, "*"), strings.Contains(name, "!")
		name = strings.Trim(name, "*!")
		known[name] = true
		value, isThere := o[name]
		if !isThere {
			if isRequired {
				faults = append(faults, path+"."+name+" is missing")
			}
			continue
		}
		values := []any{value}
		if isList {
			values, _ = value.([]any)
		}
		if len(values) == 0 {
			faults = append(faults, path+"."+name+" is an empty list, or none")
		}
		for i, one := range values {
			at := fmt.Sprintf("%s.%s[%d]", path, name, i)
			if of != "" {
				faults = append(faults, check(of, at, one)...)
				continue
			}
			faults = append(faults, checkPlain(kind, name, at, one)...)
		}
	}
	for name := range o {
		if !known[name] {
			faults = append(faults, path+"."+name+" is unknown")
		}
	}
	return faults
}

func checkPlain(kind, name, path string, v any) []string {
	text, isText := v.(string)
	allowed := valueSets[kind+"."+name]
	switch {
	case name == "contained" || !isText:
		return nil
	case strings.TrimSpace(text) == "",
		allowed != nil && !slices.Contains(allowed, text),
		patterns[name] != nil && !patterns[name].MatchString(text):
		return []string{fmt.Sprintf("%s is %q", path, text)}
	}
	return nil
}

func answer() Answer {
	share, low := 0.4, 0.2
	return Answer{
		Classification: api.Classification{
			Provenance: api.Provenance{Collection: "cases", Model: "resnet", Fingerprint: "abcd", Index: "exact", Head: 9}, Watermark: 8,
			Tasks: []api.TaskAnswer{
				{Task: "finding", Default: "softmax", Prediction: []string{"pneumonia"}, Probabilities: []api.Probability{{Class: "pneumonia", Probability: 0.87654321}},
					Votes: []probe.Vote{{Class: "pneumonia", Share: &share}, {Class: "normal"}}, Reasons: []string{"no set"}},
				{Task: "finding  marks ", Multi: true, Prediction: []string{"a", "b"}, Probabilities: []api.Probability{{Class: "a", Probability: 0.9}, {Class: "b", Probability: 0.6}, {Class: "c", Probability: 0.1}},
					Calls: []api.Call{{Class: "b", State: "uncertain", RuleOut: &low}}},
				{Task: "rare", Refused: "too few labels"},
				{Task: "none", Multi: true},
			},
		},
		Image: store.Instance{ID: "1.2.3", Patient: "pseudonym", Study: "1.2", Metadata: map[string]string{"AcquisitionDate": "20260103"}},
		At:    time.Date(2026, 11, 26, 1, 2, 3, 4, time.FixedZone("", 3600)), Software: "1.0",
	}
}

func resource(t testing.TB, a Answer) (DiagnosticReport, map[string]any) {
	t.Helper()
	r, err := Report(a)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return r, o
}

func TestTheReportHasTheStructureOfR4(t *testing.T) {
	bare := answer()
	bare.Image, bare.Software, bare.Tasks = store.Instance{ID: "x", Study: "S 1"}, "", bare.Tasks[2:3]
	for name, a := range map[string]Answer{"an answer": answer(), "of an image that nothing is known of": bare} {
		_, o := resource(t, a)
		faults := check("DiagnosticReport", "report", o)
		ids := map[string]bool{}
		for i, c := range o["contained"].([]any) {
			kind := c.(map[string]any)["resourceType"].(string)
			ids["#"+c.(map[string]any)["id"].(string)] = true
			faults = append(faults, check(kind, fmt.Sprintf("contained[%d]", i), c)...)
		}
		for _, f := range faults {
			t.Errorf("%s: %s", name, f)
		}
		// dom-3: what is contained is referred to.
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		for id := range ids {
			if !bytes.Contains(text, fmt.Appendf(nil, `"reference":%q`, id)) {
				t.Errorf("%s: nothing refers to %s", name, id)
			}
		}
	}
}

func TestTheReportSaysWhatTheAnswerDoes(t *testing.T) {
	r, _ := resource(t, answer())
	if r.Status != "preliminary" || !strings.HasPrefix(r.Conclusion, api.NotDiagnosis) || !strings.Contains(r.Conclusion, "finding: predicted pneumonia.") ||
		!strings.Contains(r.Conclusion, "rare: nothing predicted, too few labels.") || r.Issued != "2026-11-26T00:02:03Z" || r.Effective != "2026-01-03" {
		t.Errorf("got %+v", r)
	}
	if r.Subject.Identifier.Value != "pseudonym" || r.ImagingStudy[0].Identifier.Value != "urn:oid:1.2" {
		t.Errorf("subject %+v of study %+v", r.Subject, r.ImagingStudy)
	}
	finding, marks, rare, none := r.Contained[1].(Observation), r.Contained[2].(Observation), r.Contained[3].(Observation), r.Contained[4].(Observation)
	if finding.Value.Text != "pneumonia" || finding.DataAbsentReason != nil || finding.Component[0].Value.Value != 87.6543 || finding.Component[1].Value.Value != 40 || len(finding.Component) != 2 {
		t.Errorf("finding: %+v", finding)
	}
	var interpretations []string
	for _, c := range marks.Component {
		interpretations = append(interpretations, c.Interpretation[0].Coding[0].Code)
	}
	if marks.Value != nil || marks.DataAbsentReason != nil || !slices.Equal(interpretations, []string{"POS", "IND", "NEG"}) || marks.Code.Coding[0].Code != "finding marks" {
		t.Errorf("marks: %+v, %v", marks, interpretations)
	}
	if rare.DataAbsentReason == nil || rare.DataAbsentReason.Text != "too few labels" || none.DataAbsentReason != nil {
		t.Errorf("rare: %+v, none: %+v", rare.DataAbsentReason, none.DataAbsentReason)
	}
	for _, want := range []string{"label watermark=8", "model fingerprint=abcd", "probe=softmax"} {
		if !strings.Contains(finding.Note[1].Text, want) {
			t.Errorf("the note %q lacks %q", finding.Note[1].Text, want)
		}
	}
}

func TestNamesAreNoMarkup(t *testing.T) {
	a := answer()
	a.Tasks[0].Prediction = []string{"<script>alert(1)</script>"}
	r, _ := resource(t, a)
	if strings.Contains(r.Text.Div, "<script") || !strings.Contains(r.Text.Div, "&lt;script&gt;") {
		t.Errorf("the narrative is %s", r.Text.Div)
	}
}

func TestEqualAnswersHaveEqualReports(t *testing.T) {
	a, _ := resource(t, answer())
	b, _ := resource(t, answer())
	other := answer()
	other.Head++
	c, _ := resource(t, other)
	if a.ID != b.ID || a.ID == c.ID {
		t.Errorf("IDs %s, %s and of another answer %s", a.ID, b.ID, c.ID)
	}
}

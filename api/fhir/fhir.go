package fhir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"nearcase/api"
	"nearcase/store"
)

// The systems of codes and names.
const (
	categories      = "http://terminology.hl7.org/CodeSystem/observation-category"
	absentReasons   = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
	interpretations = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
	services        = "http://terminology.hl7.org/CodeSystem/v2-0074"
	loinc           = "http://loinc.org"
	ucum            = "http://unitsofmeasure.org"
	dicomUID        = "urn:dicom:uid"
)

// Answer is what a report is made of.
type Answer struct {
	api.Classification
	Image    store.Instance
	At       time.Time // when it was given
	Software string    // the version that gave it
}

// Report returns the answer as a preliminary DiagnosticReport. The subject is the
// patient as the collection calls them, by an identifier, and the study is known by
// its UID; both are left out where the image has none. Its ID is made of what it says.
func Report(a Answer) (DiagnosticReport, error) {
	said, err := json.Marshal(a)
	if err != nil {
		return DiagnosticReport{}, fmt.Errorf("FHIR report: %w", err)
	}
	sum := sha256.Sum256(said)
	r := DiagnosticReport{
		ResourceType: "DiagnosticReport", ID: hex.EncodeToString(sum[:16]), Status: "preliminary",
		Category: []CodeableConcept{{Coding: []Coding{{services, "IMG", "Diagnostic Imaging"}}}},
		Code:     CodeableConcept{Coding: []Coding{{loinc, "18748-4", "Diagnostic imaging study"}}, Text: "Computed comparison with labelled images"},
		Subject:  a.subject(), Effective: a.effective(), Issued: a.issued(), ImagingStudy: a.study(), Contained: []any{a.device()},
	}
	lines := []string{api.NotDiagnosis}
	for i, t := range a.Tasks {
		o := a.observation(fmt.Sprintf("task-%d", i+1), t)
		r.Contained = append(r.Contained, o)
		r.Result = append(r.Result, Reference{Reference: "#" + o.ID})
		lines = append(lines, summary(t))
	}
	r.Conclusion = strings.Join(lines, " ")
	r.Text = narrative(lines)
	return r, nil
}

// summary says in a line what is predicted for a task.
func summary(t api.TaskAnswer) string {
	switch {
	case len(t.Prediction) > 0:
		return fmt.Sprintf("%s: predicted %s.", t.Task, strings.Join(t.Prediction, ", "))
	case t.Refused != "":
		return fmt.Sprintf("%s: nothing predicted, %s.", t.Task, t.Refused)
	}
	return t.Task + ": nothing predicted."
}

func narrative(lines []string) Narrative {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("<p>" + html.EscapeString(l) + "</p>")
	}
	return Narrative{"generated", `<div xmlns="http://www.w3.org/1999/xhtml">` + b.String() + "</div>"}
}

func (a Answer) subject() *Reference {
	if a.Image.Patient == "" {
		return nil
	}
	return &Reference{Type: "Patient", Identifier: &Identifier{a.system("patient"), a.Image.Patient}}
}

// system is the name space of what a collection calls something.
func (a Answer) system(of string) string {
	return "urn:nearcase:" + a.Collection + ":" + strings.ReplaceAll(url.PathEscape(of), ":", "%3A")
}

func (a Answer) issued() string { return a.At.UTC().Format(time.RFC3339) }

// effective is the day of the image where it is known.
func (a Answer) effective() string {
	for _, field := range []string{"AcquisitionDate", "StudyDate"} {
		if day, err := time.Parse("20060102", a.Image.Metadata[field]); err == nil {
			return day.Format(time.DateOnly)
		}
	}
	return a.issued()
}

func (a Answer) study() []Reference {
	uid := a.Image.Study
	if uid == "" || strings.Trim(uid, "0123456789.") != "" {
		return nil
	}
	return []Reference{{Type: "ImagingStudy", Identifier: &Identifier{dicomUID, "urn:oid:" + uid}}}
}

func (a Answer) device() Device {
	d := Device{
		ResourceType: "Device", ID: "device", Manufacturer: "nearcase",
		DeviceName: []DeviceName{{"nearcase", "model-name"}}, Type: CodeableConcept{Text: "Software that compares images with labelled ones"},
	}
	for _, v := range [][2]string{{"software", a.Software}, {"model", a.Model}, {"model fingerprint", a.Fingerprint}} {
		if v[1] != "" {
			d.Version = append(d.Version, DeviceVersion{CodeableConcept{Text: v[0]}, v[1]})
		}
	}
	return d
}

// observation is the answer for one task.
func (a Answer) observation(id string, t api.TaskAnswer) Observation {
	o := Observation{
		ResourceType: "Observation", ID: id, Status: "preliminary",
		Category: []CodeableConcept{{Coding: []Coding{{categories, "imaging", "Imaging"}}}},
		Code:     CodeableConcept{Coding: []Coding{{a.system("task"), codeOf(t.Task), ""}}, Text: t.Task},
		Subject:  a.subject(), Effective: a.effective(), Issued: a.issued(),
		Note:   []Annotation{{api.NotDiagnosis}, {strings.Join(a.Sources(t), "; ")}},
		Method: CodeableConcept{Text: "Linear probe and votes of the nearest labelled images on a frozen embedding"},
		Device: Reference{Reference: "#device"}, DerivedFrom: a.study(),
	}
	for _, reason := range t.Reasons {
		o.Note = append(o.Note, Annotation{reason})
	}
	switch {
	case !t.Multi && len(t.Prediction) == 1:
		c := a.class(t.Task, t.Prediction[0], "")
		o.Value = &c
	case len(t.Prediction) == 0 && (!t.Multi || t.Refused != ""):
		o.DataAbsentReason = &CodeableConcept{Coding: []Coding{{absentReasons, "not-performed", "Not Performed"}}, Text: t.Refused}
	}
	o.Component = a.components(t)
	return o
}

// components are the probabilities and shares of votes, in percent.
func (a Answer) components(t api.TaskAnswer) (all []Component) {
	for _, p := range t.Probabilities {
		c := Component{Code: a.class(t.Task, p.Class, "probability of "), Value: percent(p.Probability)}
		if t.Multi {
			c.Interpretation = []CodeableConcept{interpretation(t, p.Class)}
		}
		all = append(all, c)
	}
	for _, v := range t.Votes {
		if v.Share != nil {
			share := CodeableConcept{Coding: []Coding{{a.system("votes:" + t.Task), codeOf(v.Class), ""}}, Text: "share of votes for " + v.Class}
			all = append(all, Component{Code: share, Value: percent(*v.Share)})
		}
	}
	return all
}

// interpretation is positive for what is predicted, unless the task's operating
// point is not reached either way.
func interpretation(t api.TaskAnswer, class string) CodeableConcept {
	state := ""
	for _, c := range t.Calls {
		if c.Class == class {
			state = c.State
		}
	}
	switch {
	case state == "uncertain":
		return CodeableConcept{Coding: []Coding{{interpretations, "IND", "Indeterminate"}}}
	case state == "ruled in", state == "" && slices.Contains(t.Prediction, class):
		return CodeableConcept{Coding: []Coding{{interpretations, "POS", "Positive"}}}
	}
	return CodeableConcept{Coding: []Coding{{interpretations, "NEG", "Negative"}}}
}

func (a Answer) class(task, class, before string) CodeableConcept {
	return CodeableConcept{Coding: []Coding{{a.system("class:" + task), codeOf(class), ""}}, Text: before + class}
}

// codeOf returns a name as R4's type code has it: single spaces, none at the ends.
func codeOf(name string) string { return strings.Join(strings.Fields(name), " ") }

func percent(share float64) Quantity {
	return Quantity{math.Round(share*1e6) / 1e4, "%", ucum, "%"}
}

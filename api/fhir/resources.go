// Package fhir writes an answer as resources of FHIR R4 (4.0.1): a
// DiagnosticReport that contains an Observation for each task and the Device that
// made them. What is of type code or bound to a value set keeps to R4's.
package fhir

// MediaType is that of the resources.
const MediaType = "application/fhir+json"

// DiagnosticReport is R4's resource of that name, as far as it is used here.
type DiagnosticReport struct {
	ResourceType string            `json:"resourceType"`
	ID           string            `json:"id"`
	Text         Narrative         `json:"text"`
	Contained    []any             `json:"contained"`
	Status       string            `json:"status"`
	Category     []CodeableConcept `json:"category"`
	Code         CodeableConcept   `json:"code"`
	Subject      *Reference        `json:"subject,omitempty"`
	Effective    string            `json:"effectiveDateTime,omitempty"`
	Issued       string            `json:"issued"`
	Result       []Reference       `json:"result,omitempty"`
	ImagingStudy []Reference       `json:"imagingStudy,omitempty"`
	Conclusion   string            `json:"conclusion"`
}

// Observation is R4's resource of that name, as far as it is used here.
type Observation struct {
	ResourceType     string            `json:"resourceType"`
	ID               string            `json:"id"`
	Status           string            `json:"status"`
	Category         []CodeableConcept `json:"category"`
	Code             CodeableConcept   `json:"code"`
	Subject          *Reference        `json:"subject,omitempty"`
	Effective        string            `json:"effectiveDateTime,omitempty"`
	Issued           string            `json:"issued"`
	Value            *CodeableConcept  `json:"valueCodeableConcept,omitempty"`
	DataAbsentReason *CodeableConcept  `json:"dataAbsentReason,omitempty"`
	Note             []Annotation      `json:"note"`
	Method           CodeableConcept   `json:"method"`
	Device           Reference         `json:"device"`
	DerivedFrom      []Reference       `json:"derivedFrom,omitempty"`
	Component        []Component       `json:"component,omitempty"`
}

// Component is a part of an Observation.
type Component struct {
	Code           CodeableConcept   `json:"code"`
	Value          Quantity          `json:"valueQuantity"`
	Interpretation []CodeableConcept `json:"interpretation,omitempty"`
}

// Device is R4's resource of that name, as far as it is used here.
type Device struct {
	ResourceType string          `json:"resourceType"`
	ID           string          `json:"id"`
	Manufacturer string          `json:"manufacturer"`
	DeviceName   []DeviceName    `json:"deviceName"`
	Type         CodeableConcept `json:"type"`
	Version      []DeviceVersion `json:"version"`
}

// DeviceName is a name of a Device.
type DeviceName struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// DeviceVersion is a version of a Device.
type DeviceVersion struct {
	Type  CodeableConcept `json:"type"`
	Value string          `json:"value"`
}

// The data types of R4 that the resources are made of.
type (
	// Narrative is what people read.
	Narrative struct {
		Status string `json:"status"`
		Div    string `json:"div"`
	}
	// CodeableConcept is a concept by codes and in words.
	CodeableConcept struct {
		Coding []Coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	// Coding is a code of a system.
	Coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display,omitempty"`
	}
	// Reference is to another resource, by where it is or by what it is called.
	Reference struct {
		Reference  string      `json:"reference,omitempty"`
		Type       string      `json:"type,omitempty"`
		Identifier *Identifier `json:"identifier,omitempty"`
	}
	// Identifier is what something is called.
	Identifier struct {
		System string `json:"system"`
		Value  string `json:"value"`
	}
	// Quantity is a measured amount.
	Quantity struct {
		Value  float64 `json:"value"`
		Unit   string  `json:"unit"`
		System string  `json:"system"`
		Code   string  `json:"code"`
	}
	// Annotation is a note.
	Annotation struct {
		Text string `json:"text"`
	}
)

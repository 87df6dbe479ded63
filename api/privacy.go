package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"nearcase/embed"
	"nearcase/store"
)

// ErrKey is a patient key that is missing, or another than that by which a
// collection's patients are called.
var ErrKey = errors.New("patient key does not fit")

// What is kept of a DICOM file: see Privacy.
const (
	// Deidentified keeps the file by the basic confidentiality profile.
	Deidentified = "deidentified"
	// Received keeps the file as it came, with all that it says of a patient.
	Received = "received"
	// None keeps no file.
	None = "none"
)

// Privacy says what is kept of whom an image is of.
type Privacy struct {
	// Key by which patients get their pseudonyms: at least 16 bytes, and the same
	// for as long as the patients are to be recognised. Without one patients are
	// called as given, and DICOM files are refused, whose Patient ID must not be
	// written.
	Key []byte
	// Fields are the keywords of the DICOM attributes that are kept as metadata;
	// nil means embed.DefaultFields.
	Fields []string
	// Originals says what is kept of DICOM files; empty means Deidentified. Other
	// images are kept as they came, unless a collection keeps none.
	Originals string
	// Names keeps the file names of DICOM files, which often name patients.
	Names bool
}

func (p Privacy) withDefaults() Privacy {
	if p.Fields == nil {
		p.Fields = embed.DefaultFields
	}
	if p.Originals == "" {
		p.Originals = Deidentified
	}
	return p
}

// name identifies the key without telling it.
func (p Privacy) name() string {
	if p.Key == nil {
		return ""
	}
	return p.digest("name")[:16]
}

// pseudonym is what a patient is called: the HMAC-SHA256 (RFC 2104) of the
// identifier by the key, 128 bits of it, which none can undo or make without the
// key. Space around an identifier means nothing (PS3.5, 6.2, LO).
func (p Privacy) pseudonym(patient string) string {
	patient = strings.TrimSpace(patient)
	if patient == "" || p.Key == nil {
		return patient
	}
	return p.digest("patient", patient)[:32]
}

func (p Privacy) digest(parts ...string) string {
	h := hmac.New(sha256.New, p.Key)
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// called returns what a collection calls a patient who is given by the name of
// the world outside.
func (s *Service) called(c store.Collection, patient string) (string, error) {
	switch {
	case c.Pseudonyms == "":
		return patient, nil
	case c.Pseudonyms != s.Privacy.name():
		return "", fmt.Errorf("collection %s: %w: its patients are called by key %s, here is %s; restore that key",
			c.Name, ErrKey, c.Pseudonyms, keyName(s.Privacy))
	}
	return s.Privacy.pseudonym(patient), nil
}

func keyName(p Privacy) string {
	if p.Key == nil {
		return "none"
	}
	return p.name()
}

// patientOf returns what the patient of a DICOM file is called.
func (s *Service) patientOf(c store.Collection, id embed.Identity) (string, error) {
	if c.Pseudonyms == "" {
		return "", fmt.Errorf("collection %s: %w: it was made without one and calls patients as they are given, which those of DICOM files must not be: make a new collection",
			c.Name, ErrKey)
	}
	return s.called(c, id.Patient)
}

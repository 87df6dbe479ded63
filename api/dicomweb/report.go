package dicomweb

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"nearcase/api"
	"nearcase/embed/dicom/dataset"
	"nearcase/store"
)

// Report is an answer about a stored image, to be given back as a structured
// report.
type Report struct {
	Answer api.Classification
	Image  api.DICOMFile
	// Kept is what is kept of the image, of which the report takes the SOP class and
	// whom it is of.
	Kept []byte
	// At is when the answer was given, and Software the version that gave it.
	At       time.Time
	Software string
}

// written is a report on its way to a file.
type written struct {
	Report
	set *dataset.Set // of what is kept
}

// comprehensive is the SOP class of the report: Comprehensive SR Storage.
const comprehensive = "1.2.840.10008.5.1.4.1.1.88.33"

// StructuredReport returns the report as a DICOM file: a Comprehensive SR by
// template 1500 of PS3.16 (Measurement Report), unverified and preliminary. Each
// task is a measurement group with the algorithm (template 4019), the image, what
// is predicted, and a certainty for each class that has a probability. Classes and
// tasks are codes of the private scheme 99NEARCASE. Its UIDs are made of what it
// says: equal reports are equal files.
func (r Report) StructuredReport() ([]byte, error) {
	said, err := json.Marshal(r.Answer)
	if err != nil {
		return nil, fmt.Errorf("structured report: %w", err)
	}
	kept, err := dataset.Parse(r.Kept, dataset.Limits{})
	if err != nil {
		return nil, fmt.Errorf("structured report: what is kept of %s: %w: %w", r.Image.ID, store.ErrDamaged, err)
	}
	w := written{r, kept.Set.Little()}
	text := fmt.Sprintf("%s %s %d %s %s", r.Image.ID, r.At.UTC().Format(time.RFC3339Nano), r.Image.Frame, r.Software, said)
	series, instance := uidOf("series", text), uidOf("instance", text)
	s := setOf(w.patient()...).With(w.document(series, instance)).With(w.content(instance))
	f := &dataset.File{Syntax: "1.2.840.10008.1.2.1", Meta: &dataset.Set{}, Set: s}
	return f.Bytes()
}

// uidOf is a UID of 128 bits of a hash (PS3.5 B.2).
func uidOf(kind, text string) string {
	h := sha256.Sum256([]byte(kind + "\x00" + text))
	return "2.25." + new(big.Int).SetBytes(h[:16]).String()
}

// patient returns the patient and study modules, which are those of the image.
func (w written) patient() []dataset.Element {
	var out []dataset.Element
	for _, tag := range []dataset.Tag{
		0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00100010, 0x00100030, 0x00100040, 0x00120062, 0x00120063, 0x00120064, 0x00200010,
	} {
		e := w.set.Find(tag)
		switch {
		case e != nil && e.Items == nil && dataset.VR(tag) != "SQ":
			out = append(out, element(tag, dataset.VR(tag), strings.Join(w.set.Texts(tag), `\`)))
		case e != nil:
			out = append(out, *e)
		case tag>>16 != 0x0012:
			out = append(out, element(tag, dataset.VR(tag), ""))
		}
	}
	return append(out, element(tagPatientID, "LO", w.Image.Patient), element(tagStudy, "UI", w.Image.Study))
}

// document returns the modules that say what the report is.
func (w written) document(series, instance string) []dataset.Element {
	date, clock := w.At.UTC().Format("20060102"), w.At.UTC().Format("150405")
	return []dataset.Element{
		element(tagCharset, "CS", "ISO_IR 192"), element(tagClass, "UI", comprehensive), element(tagInstance, "UI", instance),
		element(0x00080012, "DA", date), element(0x00080013, "TM", clock), element(0x00080023, "DA", date), element(0x00080033, "TM", clock),
		element(0x00080060, "CS", "SR"), element(0x00080070, "LO", "nearcase"), element(0x00081090, "LO", "nearcase"),
		element(0x00080201, "SH", "+0000"), element(0x0008103E, "LO", "Not a diagnosis: computed report"),
		sequence(0x00080110, scheme()), sequence(0x00081111),
		element(0x00181020, "LO", clippedTo(w.Software, 64)), element(tagSeries, "UI", series),
		element(0x00200011, "IS", "1"), element(0x00200013, "IS", "1"),
		sequence(0x0040A372), sequence(0x0040A375, w.evidence()),
		element(0x0040A491, "CS", "PARTIAL"), element(0x0040A493, "CS", "UNVERIFIED"), element(0x0040A496, "CS", "PRELIMINARY"),
	}
}

// scheme says what the private coding scheme is.
func scheme() *dataset.Set {
	return setOf(element(0x00080102, "SH", private), element(0x00080115, "ST", "Tasks and classes of a nearcase collection"))
}

// evidence refers to the image as what the report is about (PS3.3 C.17.2).
func (w written) evidence() *dataset.Set {
	inSeries := setOf(element(tagSeries, "UI", w.Image.Series), sequence(tagReferences, w.reference(false)))
	return setOf(element(tagStudy, "UI", w.Image.Study), sequence(0x00081115, inSeries))
}

func (w written) reference(frame bool) *dataset.Set {
	s := setOf(element(tagRefClass, "UI", w.set.Text(tagClass)), element(tagRefInstance, "UI", w.Image.ID))
	if frame && w.Image.Frame > 0 {
		s = s.With([]dataset.Element{element(0x00081160, "IS", strconv.Itoa(w.Image.Frame))})
	}
	return s
}

// content returns the document's tree.
func (w written) content(instance string) []dataset.Element {
	tree := []*dataset.Set{
		codeItem("HAS CONCEPT MOD", dcm("121049", "Language of Content Item and Descendants"), code{"en", "RFC5646", "English"}),
		codeItem("HAS OBS CONTEXT", dcm("121005", "Observer Type"), dcm("121007", "Device")),
		uidItem("HAS OBS CONTEXT", dcm("121012", "Device Observer UID"), uidOf("device", w.Answer.Model+w.Answer.Fingerprint)),
		textItem("HAS OBS CONTEXT", dcm("121013", "Device Observer Name"), "nearcase"),
		textItem("HAS OBS CONTEXT", dcm("121015", "Device Observer Model Name"), strings.TrimSpace("nearcase "+w.Software)),
		codeItem("HAS CONCEPT MOD", dcm("121058", "Procedure reported"), code{"363679005", "SCT", "Imaging procedure"}),
		w.library(),
	}
	groups := make([]*dataset.Set, len(w.Answer.Tasks))
	evaluations := []*dataset.Set{textItem("CONTAINS", dcm("121106", "Comment"), api.NotDiagnosis)}
	for i, t := range w.Answer.Tasks {
		groups[i] = w.group(t, instance)
		evaluations = append(evaluations, evaluationsOf(t)...)
	}
	tree = append(tree, container("CONTAINS", dcm("126010", "Imaging Measurements"), groups...),
		container("CONTAINS", code{"C0034375", "UMLS", "Qualitative Evaluations"}, evaluations...))
	root := container("", dcm("126000", "Imaging Measurement Report"), tree...)
	template := setOf(element(0x00080105, "CS", "DCMR"), element(0x0040DB00, "CS", "1500"))
	return append(root.Elements, sequence(0x0040A504, template))
}

// library is the image library (template 1600), of the one image.
func (w written) library() *dataset.Set {
	var entries []*dataset.Set
	if m := w.set.Text(tagModality); m != "" {
		entries = append(entries, codeItem("HAS ACQ CONTEXT", dcm("121139", "Modality"), dcm(m, modalityName(m))))
	}
	entries = append(entries, w.image(code{}))
	return container("CONTAINS", dcm("111028", "Image Library"), container("CONTAINS", dcm("126200", "Image Library Group"), entries...))
}

// modalityName is the meaning of a modality's code (CID 29), the code itself for
// one that is rare here.
func modalityName(m string) string {
	names := map[string]string{
		"CR": "Computed Radiography", "CT": "Computed Tomography", "DX": "Digital Radiography", "MG": "Mammography", "MR": "Magnetic Resonance",
		"NM": "Nuclear Medicine", "OP": "Ophthalmic Photography", "OPT": "Ophthalmic Tomography", "PT": "Positron emission tomography",
		"RF": "Radiofluoroscopy", "SM": "Slide Microscopy", "US": "Ultrasound", "XA": "X-Ray Angiography", "XC": "External-camera Photography",
	}
	if name := names[m]; name != "" {
		return name
	}
	return m
}

func (w written) image(concept code) *dataset.Set {
	return item("CONTAINS", "IMAGE", concept, sequence(tagReferences, w.reference(true)))
}

// group is the measurement group of a task (template 1501).
func (w written) group(t api.TaskAnswer, instance string) *dataset.Set {
	items := []*dataset.Set{
		textItem("HAS OBS CONTEXT", dcm("112039", "Tracking Identifier"), t.Task),
		uidItem("HAS OBS CONTEXT", dcm("112040", "Tracking Unique Identifier"), uidOf("task "+t.Task, instance)),
		textItem("HAS CONCEPT MOD", dcm("111001", "Algorithm Name"), "nearcase"),
		textItem("HAS CONCEPT MOD", dcm("111003", "Algorithm Version"), orUnknown(w.Software)),
	}
	for _, p := range w.Answer.Sources(t) {
		items = append(items, textItem("HAS CONCEPT MOD", dcm("111002", "Algorithm Parameters"), p))
	}
	items = append(items, w.image(dcm("121112", "Source of Measurement")))
	for _, p := range t.Probabilities {
		items = append(items, percentItem(dcm("111012", "Certainty of Finding"), p.Probability, codeOf(t.Task, p.Class)))
	}
	for _, v := range t.Votes {
		if v.Share != nil {
			items = append(items, percentItem(code{"VOTESHARE", private, "Share of the votes of similar labelled images"}, *v.Share, codeOf(t.Task, v.Class)))
		}
	}
	return container("CONTAINS", dcm("125007", "Measurement Group"), items...)
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

// mostCases bounds the similar cases that a report names.
const mostCases = 10

// evaluationsOf returns what is predicted for a task, or why nothing is, and the
// most similar labelled images.
func evaluationsOf(t api.TaskAnswer) (items []*dataset.Set) {
	for _, class := range t.Prediction {
		items = append(items, codeItem("CONTAINS", codeOf(t.Task, ""), codeOf(t.Task, class)))
	}
	if t.Refused != "" {
		items = append(items, textItem("CONTAINS", dcm("121106", "Comment"), t.Task+": "+t.Refused))
	}
	for _, reason := range t.Reasons {
		items = append(items, textItem("CONTAINS", dcm("121106", "Comment"), t.Task+": "+reason))
	}
	for n, v := range t.Neighbours[:min(len(t.Neighbours), mostCases)] {
		items = append(items, textItem("CONTAINS", code{"SIMILARCASE", private, "Similar labelled image"},
			fmt.Sprintf("%s, number %d: %s, similarity %.4f, labelled %s", t.Task, n+1, v.ID, v.Score, strings.Join(v.Label, ", "))))
	}
	return items
}

// private is the designator of the coding scheme of tasks and classes (PS3.16 8.2).
const private = "99NEARCASE"

// code is a coded entry.
type code struct{ value, scheme, meaning string }

func dcm(value, meaning string) code { return code{value, "DCM", meaning} }

// codeOf is the code of a class of a task, or of the task itself: the same for the
// same names everywhere.
func codeOf(task, class string) code {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(task), task, class))
	meaning := class
	if class == "" {
		meaning = task
	}
	return code{strings.ToUpper(hex.EncodeToString(sum[:6])), private, clippedTo(meaning, 64)}
}

func (c code) set() *dataset.Set {
	return setOf(element(0x00080100, "SH", c.value), element(0x00080102, "SH", c.scheme), element(0x00080104, "LO", c.meaning))
}

func setOf(elements ...dataset.Element) *dataset.Set { return (&dataset.Set{}).With(elements) }

func sequence(t dataset.Tag, items ...*dataset.Set) dataset.Element {
	return dataset.Element{Tag: t, VR: "SQ", Items: append([]*dataset.Set{}, items...)}
}

// item is a content item (PS3.3 C.17.3). The root has no relationship, and an image
// in a library no concept.
func item(relationship, valueType string, concept code, value ...dataset.Element) *dataset.Set {
	s := setOf(append(value, element(0x0040A040, "CS", valueType))...)
	if relationship != "" {
		s = s.With([]dataset.Element{element(0x0040A010, "CS", relationship)})
	}
	if concept.value != "" {
		s = s.With([]dataset.Element{sequence(0x0040A043, concept.set())})
	}
	return s
}

func container(relationship string, concept code, items ...*dataset.Set) *dataset.Set {
	separate := element(0x0040A050, "CS", "SEPARATE")
	if len(items) == 0 {
		return item(relationship, "CONTAINER", concept, separate)
	}
	return item(relationship, "CONTAINER", concept, separate, sequence(0x0040A730, items...))
}

func codeItem(relationship string, concept, value code) *dataset.Set {
	return item(relationship, "CODE", concept, sequence(0x0040A168, value.set()))
}

func uidItem(relationship string, concept code, uid string) *dataset.Set {
	return item(relationship, "UIDREF", concept, element(0x0040A124, "UI", uid))
}

func textItem(relationship string, concept code, text string) *dataset.Set {
	return item(relationship, "TEXT", concept, element(0x0040A160, "UT", text))
}

// percentItem is a share of 1 in percent, of a class.
func percentItem(concept code, share float64, class code) *dataset.Set {
	value := sequence(0x0040A300, setOf(element(0x0040A30A, "DS", strconv.FormatFloat(100*share, 'f', 4, 64)),
		sequence(0x004008EA, code{"%", "UCUM", "Percent"}.set())))
	of := codeItem("HAS CONCEPT MOD", dcm("121071", "Finding"), class)
	return item("CONTAINS", "NUM", concept, value, sequence(0x0040A730, of))
}

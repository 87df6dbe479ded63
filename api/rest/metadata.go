package rest

import (
	"bytes"
	"encoding/json"

	"nearcase/api"
	"nearcase/api/problem"
)

// metadata describes the image that follows it.
type metadata struct {
	ID      string          `json:"id"`
	Patient string          `json:"patient"`
	Study   string          `json:"study"`
	Series  string          `json:"series"`
	Name    string          `json:"name"`
	Labels  map[string]said `json:"labels"`
}

// said is what an image is labelled with for one task: a list of classes, or an
// object with the fields of api.LabelRequest.
type said struct {
	classes []string
	more    *api.LabelRequest // nil for a list
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *said) UnmarshalJSON(text []byte) error {
	if !bytes.HasPrefix(text, []byte("{")) {
		return json.Unmarshal(text, &s.classes)
	}
	s.more = &api.LabelRequest{}
	if err := decodeJSON(bytes.NewReader(text), s.more); err != nil {
		return err
	}
	if s.more.Instance != "" || s.more.Task != "" || s.more.Remove {
		return problem.New(problem.JSONInvalid, "a label of an image that arrives has neither instance nor task, and removes nothing")
	}
	return nil
}

func (m metadata) image() api.Image {
	i := api.Image{ID: m.ID, Patient: m.Patient, Study: m.Study, Series: m.Series, Name: m.Name}
	for task, s := range m.Labels {
		switch {
		case s.more != nil && i.Said == nil:
			i.Said = map[string]api.LabelRequest{task: *s.more}
		case s.more != nil:
			i.Said[task] = *s.more
		case i.Labels == nil:
			i.Labels = map[string][]string{task: s.classes}
		default:
			i.Labels[task] = s.classes
		}
	}
	return i
}

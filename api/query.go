package api

import (
	"cmp"
	"context"

	"nearcase/store"
)

// Query is an image to find cases for, or an instance or study that is stored, a
// vector, or a text: one of them, which examples refine, or examples alone.
type Query struct {
	Image []byte `json:"-"`
	// Frame of the image file to ask by, from 1; 0 asks by the mean of those that
	// would be stored, of at most 16.
	Frame    int       `json:"frame,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Vector   []float32 `json:"vector,omitempty"`
	// Text describes what to find, for models with a text tower; Similar only.
	Text string `json:"text,omitempty"`
	// Fingerprint says what made Vector, which it must accompany.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Like and Unlike are IDs of stored instances: cases are to be like the ones and
	// unlike the others. Where nothing else is asked about at least one is to be Like.
	Like   []string `json:"like,omitempty"`
	Unlike []string `json:"unlike,omitempty"`
	// Patient and Study of the image, vector or examples, to be left out of the
	// answer. Those of a stored instance, and of stored copies of an image, are known.
	// Where nothing else is asked about the stored study is, of this patient if
	// several have studies that are called so: all of its images by their pooled
	// vector, at the level of studies unless another is named.
	Patient string `json:"patient,omitempty"`
	Study   string `json:"study,omitempty"`
	// K is how many neighbours to use; 0 means the service's default.
	K int `json:"k,omitempty"`
	// MinScore leaves out less similar cases.
	MinScore float32 `json:"min_score,omitempty"`
	// Exact asks for the exact answer whatever the index.
	Exact bool `json:"exact,omitempty"`
	// SamePatient lets cases of the query's own patient and study into the
	// answer, and their labels into the votes and the probe. The query's own
	// image is still left out.
	SamePatient bool `json:"same_patient,omitempty"`
	// GroupBy lets only the nearest case of each patient or study answer: patient,
	// study, or none. Cases of unknown patients count by their study, those of unknown
	// study each for itself. Empty is none for Similar, and for votes what the service
	// is configured to.
	GroupBy string `json:"group_by,omitempty"`
	// Filter asks for cases that it lets pass.
	Filter *store.Filter `json:"filter,omitempty"`
	// Exclude leaves out more cases than the query's own.
	Exclude Exclusion `json:"exclude,omitzero"`
	// Fields are the parts of each case to return, beside its ID and score, by the
	// names of JSON: see CaseFields. None means all.
	Fields []string `json:"fields,omitempty"`
	// Level asks for whole series or studies: instance (the default), series or
	// study. A stored instance then asks for the whole that it is in.
	Level string `json:"level,omitempty"`
	// Pool is how the vectors of a whole make one: mean (the default) or max.
	Pool string `json:"pool,omitempty"`
	// Tasks to classify for; none means all that have labels.
	Tasks []string `json:"tasks,omitempty"`
	// Prompts turn a class's name, in place of {}, into texts for zero-shot scores;
	// none means those of the model.
	Prompts []string `json:"prompts,omitempty"`

	labelled string // the task that voters have a label for
}

// level returns the store's name of the query's level.
func (q Query) level() store.Level {
	of := q.Level
	switch {
	case of == "" && q.asksStudy():
		of = store.Studies
	case of == "instance":
		of = store.Instances
	}
	return store.Level{Of: of, Pool: q.Pool}
}

// Exclusion names cases to leave out: those named, whoever their kin are.
type Exclusion struct {
	// Instances may be those of files with several images.
	Instances []string `json:"instances,omitempty"`
	Patients  []string `json:"patients,omitempty"`
	Studies   []string `json:"studies,omitempty"`
}

// What Query.GroupBy may be.
const (
	GroupPatient = store.Patients
	GroupStudy   = store.Studies
	GroupNone    = "none"
)

const (
	maxNeighbours = 10_000 // bounds K
	maxText       = 4096   // bounds Text and each prompt, in bytes
)

// Subject says what was asked about.
type Subject struct {
	Instance string `json:"instance,omitempty"`
	Digest   string `json:"digest,omitempty"`
	// Study is the one that was asked about, of so many Images.
	Study  string `json:"study,omitempty"`
	Images int    `json:"images,omitempty"`
	// Like and Unlike count the examples.
	Like   int `json:"like,omitempty"`
	Unlike int `json:"unlike,omitempty"`
	// Stored tells that the image is in the collection.
	Stored bool `json:"stored"`
	// Excluded counts the instances that were left out as the query's own: the
	// image itself, its study and its patient.
	Excluded int `json:"excluded"`
}

// Provenance says what produced an answer.
type Provenance struct {
	Collection  string `json:"collection"`
	Model       string `json:"model"`
	Fingerprint string `json:"fingerprint"`
	Index       string `json:"index"`
	// Head is the last log entry that the answer could know.
	Head store.Key `json:"head"`
	// RequestID is the one of the request that was answered, where there is one.
	RequestID string `json:"request_id,omitempty"`
}

// Similar answers which cases are nearest, best first.
type Similar struct {
	Provenance
	Query Subject `json:"query"`
	// Watermark is the last label that the answer can know.
	Watermark store.Key `json:"label_watermark"`
	Cases     []Case    `json:"cases"`
}

// Case is a stored instance with its score: cosine similarity, higher is
// closer, 1 is identical.
type Case struct {
	ID      string              `json:"id"`
	Score   float32             `json:"score"`
	Patient string              `json:"patient,omitempty"`
	Study   string              `json:"study,omitempty"`
	Series  string              `json:"series,omitempty"`
	Name    string              `json:"name,omitempty"`
	Labels  map[string][]string `json:"labels,omitzero"`
	// Details of those labels of which there is more to say than their classes.
	Details map[string]LabelDetails `json:"label_details,omitempty"`
	// Frame of a file with several, from 1.
	Frame    int               `json:"frame,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// Instances of a series or study, of which ID is the first.
	Instances []string `json:"instances,omitempty"`
}

// Similar returns the stored cases nearest to a query. The query's own
// instance, study and patient are left out.
func (s *Service) Similar(ctx context.Context, collection string, q Query) (Similar, error) {
	u, err := s.resolve(ctx, collection, q)
	if err != nil {
		return Similar{}, err
	}
	cases, err := s.neighbours(ctx, u, q)
	if err != nil {
		return Similar{}, err
	}
	answer := Similar{Query: u.subject, Cases: make([]Case, len(cases))}
	if answer.Provenance, answer.Watermark, err = s.answered(ctx, u.collection); err != nil {
		return Similar{}, err
	}
	for i, c := range cases {
		answer.Cases[i] = only(present(c), q.Fields)
	}
	return answer, nil
}

func present(c store.Case) Case {
	labels := make(map[string][]string, len(c.Labels))
	for task, l := range c.Labels {
		labels[task] = append([]string{}, l.Classes...)
	}
	i := c.Instance
	return Case{ID: i.ID, Score: c.Score, Patient: i.Patient, Study: i.Study, Series: i.Series, Name: i.Name, Labels: labels,
		Details: details(c.Labels), Frame: i.Frame, Metadata: i.Metadata, Instances: c.Members}
}

func (s *Service) provenance(ctx context.Context, c store.Collection) (Provenance, error) {
	p, _, err := s.answered(ctx, c)
	return p, err
}

// answered is provenance with the last label there is.
func (s *Service) answered(ctx context.Context, c store.Collection) (Provenance, store.Key, error) {
	status, err := s.Catalog.Status(ctx, c.Name)
	return Provenance{Collection: c.Name, Model: c.Model, Fingerprint: c.Fingerprint, Index: status.Engine, Head: status.Head}, status.LabelHead, err
}

// neighbours returns the best cases for a question that score high enough.
func (s *Service) neighbours(ctx context.Context, u question, q Query) ([]store.Case, error) {
	ctx, end := s.begin(ctx, StageSearch)
	cases, err := s.Catalog.Search(ctx, u.collection.Name, store.Query{
		Vector: u.vector, K: cmp.Or(q.K, s.Neighbours), Labelled: q.labelled,
		Exclude: u.exclude, Besides: u.besides, OnePer: q.onePer(), Exact: q.Exact, Level: q.level(), Filter: u.filter,
	})
	end(err)
	if err != nil {
		return nil, err
	}
	if q.MinScore != 0 {
		for i, c := range cases {
			if c.Score < q.MinScore {
				return cases[:i], nil
			}
		}
	}
	return cases, nil
}

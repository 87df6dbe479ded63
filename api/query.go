package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearcase/store"
)

// Query is an image to find cases for, or an instance that is stored, a vector,
// or a text: exactly one of them.
type Query struct {
	Image    []byte    `json:"-"`
	Instance string    `json:"instance,omitempty"`
	Vector   []float32 `json:"vector,omitempty"`
	// Text describes what to find, for models with a text tower; Similar only.
	Text string `json:"text,omitempty"`
	// Fingerprint says what made Vector, which it must accompany.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Patient and Study of the image or vector, to be left out of the answer.
	// Those of a stored instance, and of stored copies of an image, are known.
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
	// OnePerPatient lets only the nearest case of each patient answer; cases of
	// unknown patients count by their study.
	OnePerPatient bool `json:"one_per_patient,omitempty"`
	// Labelled asks Similar for cases with a label for this task, and Classes for
	// those whose label has one of these classes. Classify knows by itself.
	Labelled string   `json:"labelled,omitempty"`
	Classes  []string `json:"classes,omitempty"`
	// Where asks for cases whose metadata have one of the values named, for each
	// field named.
	Where map[string][]string `json:"where,omitempty"`
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
}

// level returns the store's name of the query's level.
func (q Query) level() store.Level {
	of := q.Level
	if of == "instance" {
		of = store.Instances
	}
	return store.Level{Of: of, Pool: q.Pool}
}

const (
	maxNeighbours = 10_000 // bounds K
	maxText       = 4096   // bounds Text and each prompt, in bytes
)

// Subject says what was asked about.
type Subject struct {
	Instance string `json:"instance,omitempty"`
	Digest   string `json:"digest,omitempty"`
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
}

// Similar answers which cases are nearest, best first.
type Similar struct {
	Provenance
	Query Subject `json:"query"`
	Cases []Case  `json:"cases"`
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
	Labels  map[string][]string `json:"labels"`
	// Details of those labels of which there is more to say than their classes.
	Details map[string]LabelDetails `json:"label_details,omitempty"`
	// Frame of a file with several, from 1.
	Frame    int               `json:"frame,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// Instances of a series or study, of which ID is the first.
	Instances []string `json:"instances,omitempty"`
}

// question is a query that has been resolved to a vector and to what must not
// answer it: the image itself and, unless the query wants them, all kin of it
// (see store.Families) and its study.
type question struct {
	collection store.Collection
	vector     []float32
	subject    Subject
	exclude    store.Exclude
	excluded   []string // instance IDs that exclude covers
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
	answer := Similar{Query: u.subject}
	if answer.Provenance, err = s.provenance(ctx, u.collection); err != nil {
		return Similar{}, err
	}
	answer.Cases = make([]Case, len(cases))
	for i, c := range cases {
		answer.Cases[i] = present(c)
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
	status, err := s.Catalog.Status(ctx, c.Name)
	return Provenance{c.Name, c.Model, c.Fingerprint, status.Engine, status.Head}, err
}

// neighbours returns the best cases for a question that score high enough.
func (s *Service) neighbours(ctx context.Context, u question, q Query) ([]store.Case, error) {
	cases, err := s.Catalog.Search(ctx, u.collection.Name, store.Query{
		Vector: u.vector, K: cmp.Or(q.K, s.Neighbours), Labelled: q.Labelled, Classes: q.Classes,
		Exclude: u.exclude, OnePerPatient: q.OnePerPatient, Exact: q.Exact, Level: q.level(), Match: q.matches(),
	})
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

// resolve checks a query and finds its vector and what belongs to it.
func (s *Service) resolve(ctx context.Context, collection string, q Query) (question, error) {
	if err := errors.Join(q.check(), s.checkWhere(q.Where)); err != nil {
		return question{}, err
	}
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return question{}, err
	}
	u := question{collection: c}
	if !q.SamePatient {
		u.exclude = store.Exclude{Studies: []string{q.Study}, Kin: true}
	}
	if !q.SamePatient && q.Patient != "" { // who names nobody needs no key
		patient, err := s.called(c, q.Patient)
		if err != nil {
			return question{}, err
		}
		// The caller may know the pseudonym: an answer has it.
		u.exclude.Patients = []string{patient, q.Patient}
	}
	switch {
	case q.Instance != "":
		err = s.resolveInstance(ctx, &u, q)
	case q.Image != nil:
		err = s.resolveImage(ctx, &u, q)
	case q.Text != "":
		u.vector, err = s.embedText(ctx, c, q.Text)
	default:
		u.vector, err = unit(q.Vector, q.Fingerprint, c)
	}
	if err != nil {
		return question{}, err
	}
	if u.subject.Digest != "" {
		u.exclude.Digests = []string{u.subject.Digest}
	}
	return u, s.own(ctx, &u)
}

func (q Query) check() error {
	ways := 0
	for _, given := range []bool{q.Image != nil, q.Instance != "", q.Vector != nil, q.Text != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return fmt.Errorf("%w: give exactly one of an image, an instance, a vector and a text", ErrQuery)
	case q.K < 0 || q.K > maxNeighbours:
		return fmt.Errorf("%w: k is %d, use 1 to %d", ErrQuery, q.K, maxNeighbours)
	case q.Patient != strings.TrimSpace(q.Patient) || q.Study != strings.TrimSpace(q.Study):
		return fmt.Errorf("%w: patient or study has space around it, so that nothing stored could match", ErrQuery)
	case q.Labelled == "" && len(q.Classes) > 0:
		return fmt.Errorf("%w: classes need labelled, the task that they are of", ErrQuery)
	case slices.ContainsFunc(q.Prompts, func(p string) bool { return len(p) > maxText || strings.Count(p, "{}") != 1 }):
		return fmt.Errorf("%w: a prompt has one {} for the class and at most %d bytes", ErrQuery, maxText)
	case len(q.Prompts) > 100:
		return fmt.Errorf("%w: %d prompts, the limit is 100", ErrQuery, len(q.Prompts))
	case len(q.Text) > maxText:
		return fmt.Errorf("%w: a text of %d bytes, the limit is %d", ErrQuery, len(q.Text), maxText)
	case !(math.Abs(float64(q.MinScore)) <= 1):
		return fmt.Errorf("%w: min_score is %g, use -1 to 1", ErrQuery, q.MinScore)
	}
	return q.level().Check()
}

func (s *Service) resolveInstance(ctx context.Context, u *question, q Query) (err error) {
	id := q.Instance
	found, err := s.Catalog.Instance(ctx, u.collection.Name, id)
	if err != nil {
		return err
	}
	u.subject = Subject{Instance: id, Digest: found.Instance.Digest, Stored: true}
	u.exclude.Instances = []string{id}
	if u.exclude.Kin {
		u.exclude.Patients = append(u.exclude.Patients, found.Instance.Patient)
		u.exclude.Studies = append(u.exclude.Studies, found.Instance.Study)
	}
	u.vector, err = s.Catalog.Pooled(ctx, u.collection.Name, id, q.level())
	return err
}

// matches returns what the store asks of each case for Where; nil for nothing.
func (q Query) matches() func(store.Instance, map[string]store.Label) bool {
	if len(q.Where) == 0 {
		return nil
	}
	return func(i store.Instance, _ map[string]store.Label) bool {
		for field, values := range q.Where {
			if !slices.Contains(values, i.Metadata[field]) {
				return false
			}
		}
		return true
	}
}

// checkWhere refuses fields that no instance has, and such as any would pass.
func (s *Service) checkWhere(where map[string][]string) error {
	for field, values := range where {
		if !slices.Contains(s.Privacy.Fields, field) {
			return fmt.Errorf("%w: where names %.80q, which is not kept; kept are %s", ErrQuery, field, strings.Join(s.Privacy.Fields, ", "))
		}
		if len(values) == 0 {
			return fmt.Errorf("%w: where names no value for %s", ErrQuery, field)
		}
	}
	return nil
}

// unit returns a copy of a vector at unit length.
func unit(v []float32, fingerprint string, c store.Collection) ([]float32, error) {
	if fingerprint != c.Fingerprint {
		return nil, fmt.Errorf("%w: collection %s holds vectors of %s (%s), the query's is of %q",
			store.ErrFingerprint, c.Name, c.Model, c.Fingerprint, fingerprint)
	}
	if len(v) != c.Dimension {
		return nil, fmt.Errorf("%w: %d, collection %s has %d", store.ErrDimension, len(v), c.Name, c.Dimension)
	}
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	if !(square > 0) || math.IsInf(square, 0) {
		return nil, fmt.Errorf("query: %w: it is zero or not finite", store.ErrVector)
	}
	u := make([]float32, len(v))
	for i, x := range v {
		u[i] = float32(float64(x) / math.Sqrt(square))
	}
	return u, nil
}

// own finds out which stored instances belong to the query.
func (s *Service) own(ctx context.Context, u *question) (err error) {
	u.excluded, err = s.Catalog.Excluded(ctx, u.collection.Name, u.exclude)
	u.subject.Excluded = len(u.excluded)
	return err
}

package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"nearcase/store"
)

// maxExcluded bounds what a query leaves out by name.
const maxExcluded = 10_000

// question is a query that has been resolved to a vector and to what may answer it.
// That is not what the query is about nor, unless it wants them, all kin of that (see
// store.Families) and its study.
type question struct {
	collection store.Collection
	vector     []float32
	subject    Subject
	filter     *store.Condition
	exclude    store.Exclude
	besides    store.Exclude // by name
	excluded   []string      // instance IDs that exclude covers
}

// resolve checks a query and finds its vector and what belongs to it.
func (s *Service) resolve(ctx context.Context, collection string, q Query) (question, error) {
	if err := q.check(); err != nil {
		return question{}, err
	}
	c, err := s.Catalog.Collection(ctx, collection)
	if err != nil {
		return question{}, err
	}
	u := question{collection: c}
	if err := s.narrow(&u, q); err != nil {
		return question{}, err
	}
	switch {
	case q.Instance != "":
		err = s.resolveInstance(ctx, &u, q)
	case q.Image != nil:
		err = s.resolveImage(ctx, &u, q)
	case q.Text != "":
		u.vector, err = s.embedText(ctx, c, q.Text)
	case q.Vector != nil:
		u.vector, err = unit(q.Vector, q.Fingerprint, c)
	case q.asksStudy():
		err = s.resolveStudy(ctx, &u, q)
	}
	if err == nil && len(q.Like)+len(q.Unlike) > 0 {
		err = s.resolveExamples(ctx, &u, q)
	}
	if err != nil {
		return question{}, err
	}
	if u.subject.Digest != "" {
		u.exclude.Digests = []string{u.subject.Digest}
	}
	return u, s.own(ctx, &u)
}

// narrow sets what the query itself says of what may answer.
func (s *Service) narrow(u *question, q Query) (err error) {
	if u.filter, err = s.condition(u.collection, q.Filter); err != nil {
		return err
	}
	u.besides = store.Exclude{Instances: q.Exclude.Instances, Studies: q.Exclude.Studies}
	if u.besides.Patients, err = s.names(u.collection, q.Exclude.Patients); err != nil {
		return err
	}
	if q.SamePatient {
		return nil
	}
	u.exclude = store.Exclude{Studies: []string{q.Study}, Kin: true}
	if q.Patient != "" { // who names nobody needs no key
		u.exclude.Patients, err = s.names(u.collection, []string{q.Patient})
	}
	return err
}

func (q Query) check() error {
	switch ways := q.ways(); {
	case ways > 1 || ways == 0 && len(q.Like) == 0 && !q.asksStudy():
		return fmt.Errorf("%w: give one of an image, an instance, a vector, a text and a study, or examples that cases are to be like", ErrQuery)
	case len(q.Like)+len(q.Unlike) > maxExamples:
		return fmt.Errorf("%w: %d examples, the limit is %d", ErrQuery, len(q.Like)+len(q.Unlike), maxExamples)
	case !slices.Contains([]string{"", GroupPatient, GroupStudy, GroupNone}, q.GroupBy):
		return fmt.Errorf("%w: group_by is %.80q, use patient, study or none", ErrQuery, q.GroupBy)
	case len(q.Exclude.Instances)+len(q.Exclude.Patients)+len(q.Exclude.Studies) > maxExcluded:
		return fmt.Errorf("%w: more than %d identifiers to exclude", ErrQuery, maxExcluded)
	case q.Frame < 0 || q.Frame > 0 && q.Image == nil:
		return fmt.Errorf("%w: frame is %d, which is one of an image file, from 1; a frame that is stored has an ID of its own", ErrQuery, q.Frame)
	case q.K < 0 || q.K > maxNeighbours:
		return fmt.Errorf("%w: k is %d, use 1 to %d", ErrQuery, q.K, maxNeighbours)
	case q.Patient != strings.TrimSpace(q.Patient) || q.Study != strings.TrimSpace(q.Study):
		return fmt.Errorf("%w: patient or study has space around it, so that nothing stored could match", ErrQuery)
	case slices.ContainsFunc(q.Prompts, func(p string) bool { return len(p) > maxText || strings.Count(p, "{}") != 1 }):
		return fmt.Errorf("%w: a prompt has one {} for the class and at most %d bytes", ErrQuery, maxText)
	case len(q.Prompts) > 100:
		return fmt.Errorf("%w: %d prompts, the limit is 100", ErrQuery, len(q.Prompts))
	case len(q.Text) > maxText:
		return fmt.Errorf("%w: a text of %d bytes, the limit is %d", ErrQuery, len(q.Text), maxText)
	case !(math.Abs(float64(q.MinScore)) <= 1):
		return fmt.Errorf("%w: min_score is %g, use -1 to 1", ErrQuery, q.MinScore)
	}
	return cmp.Or(checkFields(q.Fields), q.level().Check())
}

// ways counts what the query is about, beside examples and a study.
func (q Query) ways() (n int) {
	for _, given := range []bool{q.Image != nil, q.Instance != "", q.Vector != nil, q.Text != ""} {
		if given {
			n++
		}
	}
	return n
}

// asksStudy reports whether the query is about a stored study.
func (q Query) asksStudy() bool {
	return q.Study != "" && q.ways() == 0 && len(q.Like)+len(q.Unlike) == 0
}

// onePer is the store's name of what one case may answer of; empty for none.
func (q Query) onePer() string {
	if q.GroupBy == GroupNone {
		return ""
	}
	return q.GroupBy
}

func (s *Service) resolveInstance(ctx context.Context, u *question, q Query) (err error) {
	id := q.Instance
	found, err := s.Catalog.Instance(ctx, u.collection.Name, id)
	if err != nil {
		return err
	}
	u.subject = Subject{Instance: id, Digest: found.Instance.Digest, Stored: true}
	u.leaveOut(id, found.Instance)
	u.vector, err = s.Catalog.Pooled(ctx, u.collection.Name, id, q.level())
	return err
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
	x := make([]float64, len(v))
	for i := range v {
		x[i] = float64(v[i])
	}
	u, ok := atUnitLength(x)
	if !ok {
		return nil, fmt.Errorf("query: %w: it is zero or not finite", store.ErrVector)
	}
	return u, nil
}

// atUnitLength returns a vector at unit length, and false for one that has no
// direction.
func atUnitLength(x []float64) ([]float32, bool) {
	var square float64
	for _, v := range x {
		square += v * v
	}
	if !(square > 0) || math.IsInf(square, 0) {
		return nil, false
	}
	u := make([]float32, len(x))
	for i, v := range x {
		u[i] = float32(v / math.Sqrt(square))
	}
	return u, true
}

// own finds out which stored instances belong to the query.
func (s *Service) own(ctx context.Context, u *question) (err error) {
	u.excluded, err = s.Catalog.Excluded(ctx, u.collection.Name, u.exclude)
	u.subject.Excluded = len(u.excluded)
	return err
}

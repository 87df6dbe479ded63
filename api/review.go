package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nearcase/probe"
	"nearcase/store"
)

// The kinds of lists of a Review, in its order.
const (
	ReviewLabelErrors = "label_errors"
	ReviewDuplicates  = "duplicates"
	ReviewUncertain   = "uncertain"
	ReviewNovel       = "novel"
	ReviewDiverse     = "diverse"
)

func reviewKinds() []string {
	return []string{ReviewLabelErrors, ReviewDuplicates, ReviewUncertain, ReviewNovel, ReviewDiverse}
}

const (
	reviewItems    = 20     // of a list, unless Limit says otherwise
	maxReviewItems = 10_000 // bounds Limit
)

// ReviewOptions say what to list. The zero value lists all that can be.
type ReviewOptions struct {
	// Task whose labels are reviewed; empty is allowed when the collection has one
	// task, and where no kind needs one: duplicates, novel and diverse.
	Task string `json:"task,omitempty"`
	// Kinds of lists; none means all.
	Kinds []string `json:"kinds,omitempty"`
	// Limit of each list; 0 means 20.
	Limit int `json:"limit,omitempty"`
	// Filter asks for images that it lets pass. The evidence may come from others.
	Filter *store.Filter `json:"filter,omitempty"`
	// EveryImage lists several images of a patient among the uncertain, novel and
	// diverse; otherwise the first alone.
	EveryImage bool `json:"every_image,omitempty"`
	// Similarity from which two images are near-duplicates; 0 is chosen from how
	// similar the images of different patients are.
	Similarity float64 `json:"similarity,omitempty"`
}

// Review is a worklist for annotators.
type Review struct {
	Provenance
	Watermark store.Key `json:"label_watermark"`
	Task      string    `json:"task,omitempty"`
	// Instances of the collection, those with a label for the task, and the
	// patients, or kin (see store.Families), that they are of.
	Instances int          `json:"instances"`
	Labelled  int          `json:"labelled"`
	Patients  int          `json:"patients"`
	Lists     []ReviewList `json:"lists"`
}

// ReviewList is one kind of what is worth looking at, first things first.
type ReviewList struct {
	Kind string `json:"kind"`
	// Problem says why there is no list; empty if there is one.
	Problem string `json:"problem,omitempty"`
	// Judged counts the labels, images or pairs that were looked at, Found those
	// worth listing, of which Limit are: likely label errors, groups of
	// duplicates; all that were judged of the other kinds.
	Judged int `json:"judged"`
	Found  int `json:"found"`
	// Similarity from which images are near-duplicates.
	Similarity float64      `json:"similarity,omitempty"`
	Items      []ReviewItem `json:"items"`
	// Patients that may be one, of near-identical images, most of these first.
	// PatientsFound counts all such pairs.
	Patients      []PatientPair `json:"patient_pairs,omitempty"`
	PatientsFound int           `json:"patient_pairs_found,omitempty"`
	Notes         []string      `json:"notes,omitempty"`
}

// ReviewImage is an image of the collection.
type ReviewImage struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Patient string `json:"patient,omitempty"`
	Study   string `json:"study,omitempty"`
	Frame   int    `json:"frame,omitempty"`
	// Labels by task, of duplicates of every task that is reviewed.
	Labels map[string][]string `json:"labels"`
}

// ReviewItem is an image worth looking at, or the first of a group of duplicates.
type ReviewItem struct {
	Kind string `json:"kind"`
	Rank int    `json:"rank"` // from 1
	ReviewImage
	// Labelled tells whether the image has a label for the task.
	Labelled bool `json:"labelled"`
	// Score is what the list is ordered by, higher first. Of label errors it is the
	// chance that the label is wrong, of duplicates the least similarity in the
	// group (those that contradict each other come first), of uncertain images one
	// less the margin of the two most probable classes, of novel ones the distance
	// to the Neighbour-th case of another patient, and of diverse ones the cosine
	// distance to what is labelled or listed before.
	Score float64 `json:"score"`
	// Reason says in words why the image is listed.
	Reason string `json:"reason"`

	// Finding is what a label error of a multi-label task is about; Given and
	// Suggested are then present and absent, and otherwise classes.
	Finding   string `json:"finding,omitempty"`
	Given     string `json:"given,omitempty"`
	Suggested string `json:"suggested,omitempty"`
	// Probability of what was given, and of what is suggested, by a probe that saw
	// no image of the patient. Likely tells that the label is probably wrong.
	Probability *float64 `json:"probability,omitempty"`
	Alternative *float64 `json:"alternative,omitempty"`
	Likely      bool     `json:"likely,omitempty"`
	// Probabilities of the classes, most probable first, of an uncertain image.
	Probabilities []ReviewProbability `json:"probabilities,omitempty"`
	// Percentile is the share of other patients' images that are less novel.
	Percentile *float64 `json:"percentile,omitempty"`

	// Neighbours are the nearest cases of other patients: labelled ones, save where
	// no label matters. Agreement counts the labels of the NeighboursOf nearest.
	Neighbours   []ReviewNeighbour `json:"neighbours,omitempty"`
	NeighboursOf int               `json:"neighbours_of,omitempty"`
	Agreement    map[string]int    `json:"neighbour_labels,omitempty"`

	// Group are the images of a group of duplicates, in key order, and Contradicts
	// names the tasks for which their labels contradict each other.
	Group       []ReviewImage `json:"group,omitempty"`
	Contradicts []string      `json:"contradicts,omitempty"`
}

// ReviewProbability is the calibrated probability of a class.
type ReviewProbability struct {
	Class       string  `json:"class"`
	Probability float64 `json:"probability"`
}

// ReviewNeighbour is a case of another patient.
type ReviewNeighbour struct {
	ID      string   `json:"id"`
	Name    string   `json:"name,omitempty"`
	Patient string   `json:"patient,omitempty"`
	Score   float32  `json:"score"`
	Label   []string `json:"label,omitempty"`
}

// PatientPair are two patients who may be one.
type PatientPair struct {
	Patients [2]string `json:"patients"`
	// Pairs counts their near-identical images, Score is the largest similarity,
	// and Images are the two that have it.
	Pairs  int       `json:"pairs"`
	Score  float64   `json:"score"`
	Images [2]string `json:"images"`
}

// Review lists what is worth a look: labels that images of other patients speak
// against, near-duplicates and patients who may be one, and the images whose
// labels would teach most, because the probe is uncertain of them, or because
// nothing like them is there. What speaks for or against an image never comes from
// its own kin (see store.Families). A list that cannot be made has a problem, and
// the others come.
//
// For n images of d dimensions and l items listed it takes n searches, the tuning
// of a ridge probe, and O(l*n*d) for the diverse; all vectors are in memory.
func (s *Service) Review(ctx context.Context, collection string, o ReviewOptions, progress func(done, total int)) (Review, error) {
	r, err := s.newReviewing(ctx, collection, o, progress)
	if err != nil {
		return Review{}, fmt.Errorf("review %s: %w", collection, err)
	}
	for _, kind := range r.kinds {
		list, err := r.list(ctx, kind)
		if err != nil {
			return Review{}, fmt.Errorf("review %s, %s: %w", collection, kind, err)
		}
		r.answer.Lists = append(r.answer.Lists, list)
	}
	r.step(int(r.total - r.done)) // what was not needed
	return r.answer, nil
}

// list makes one list, or says why there is none.
func (r *reviewing) list(ctx context.Context, kind string) (list ReviewList, err error) {
	listing := map[string]func(context.Context) (ReviewList, error){
		ReviewLabelErrors: r.labelErrors, ReviewDuplicates: r.duplicates,
		ReviewUncertain: r.uncertain, ReviewNovel: r.novel, ReviewDiverse: r.diverse,
	}[kind]
	if len(r.set.all) == 0 {
		err = fmt.Errorf("%w: the collection has no images", errUnlisted)
	} else {
		list, err = listing(ctx)
	}
	if errors.Is(err, errUnlisted) || errors.Is(err, ErrNotEnough) || errors.Is(err, probe.ErrNotEnough) {
		list, err = ReviewList{Problem: strings.TrimPrefix(err.Error(), errUnlisted.Error()+": ")}, nil
	}
	list.Kind = kind
	if list.Items == nil {
		list.Items = []ReviewItem{}
	}
	for i := range list.Items {
		list.Items[i].Kind, list.Items[i].Rank = kind, i+1
	}
	return list, err
}

// errUnlisted says why a list cannot be made.
var errUnlisted = errors.New("no list")

// check returns the kinds of lists that are wanted.
func (o ReviewOptions) check() (kinds []string, err error) {
	for _, kind := range o.Kinds {
		if !slices.Contains(reviewKinds(), kind) {
			return nil, fmt.Errorf("%w: kind %.80q, use %s", ErrQuery, kind, strings.Join(reviewKinds(), ", "))
		}
	}
	switch {
	case o.Limit < 0 || o.Limit > maxReviewItems:
		return nil, fmt.Errorf("%w: limit is %d, use 1 to %d", ErrQuery, o.Limit, maxReviewItems)
	case o.Similarity != 0 && !(o.Similarity > 0 && o.Similarity <= 1):
		return nil, fmt.Errorf("%w: similarity is %g, use more than 0 and at most 1", ErrQuery, o.Similarity)
	}
	for _, kind := range reviewKinds() {
		if len(o.Kinds) == 0 || slices.Contains(o.Kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

// limit of each list.
func (o ReviewOptions) limit() int { return cmp.Or(o.Limit, reviewItems) }

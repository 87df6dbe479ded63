package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"nearcase/probe"
	"nearcase/store"
)

// nearby is what is near an instance.
type nearby struct {
	// closest are the nearest instances, kin too, but for the images of its own
	// file.
	closest []closeTo
	// other is the similarity to the nearest instance of another family, and rank
	// that to the probe.NeighbourRank-th; NaN if there are fewer.
	other, rank float64
}

type closeTo struct {
	at    int32
	score float32
}

const (
	// duplicatesOf is how many near-duplicates an image is compared with.
	duplicatesOf = 20
	// nearDuplicate is the similarity of near-duplicates where there are too few
	// patients to tell what is usual.
	nearDuplicate = 0.999
	// likeness bounds what is remembered of an image's neighbours.
	likeness = 0.9
	// mostSearched bounds how many images are searched for, and mostScanned that
	// times the images stored where an index compares each with all: about a minute
	// of each processor.
	mostSearched = 100_000
	mostScanned  = 1 << 29
	// scanning is the engine that compares with all.
	scanning = "exact"
)

// searches is how many images can be searched for in the time that a list may take.
func (r *reviewing) searches() int {
	if r.answer.Index == scanning {
		return min(mostSearched, mostScanned/max(len(r.set.all), 1))
	}
	return mostSearched
}

// sampled says how many images a list was made from, if not from all.
func (r *reviewing) sampled(some, of int) []string {
	if some >= of {
		return nil
	}
	note := fmt.Sprintf("made from %d of %d images, drawn at random", some, of)
	if r.answer.Index == scanning {
		note += "; with an index of another engine (nearcase reindex) more can be searched for"
	}
	return []string{note}
}

// neighbourhood searches for what is near each instance, or each of as many drawn at
// random as searches allows, once. Searches are the index's: their scores are exact,
// and a graph may miss a case.
func (r *reviewing) neighbourhood(ctx context.Context) error {
	if r.near != nil {
		return nil
	}
	r.near = slices.Repeat([]nearby{{other: math.NaN(), rank: math.NaN()}}, len(r.set.all))
	rank := probe.NeighbourRank(len(r.set.all))
	r.searched = drawnOf(len(r.set.all), r.searches())
	return r.each(ctx, len(r.searched), func(ctx context.Context, n int) (err error) {
		defer r.step(1)
		i := r.searched[n]
		r.near[i], err = r.nearTo(ctx, i, rank)
		return err
	})
}

func (r *reviewing) nearTo(ctx context.Context, i, rank int) (nearby, error) {
	self := store.Exclude{Instances: []string{r.set.all[i].Instance.ID}}
	q := store.Query{Vector: r.vectors[i], K: rank + duplicatesOf, Exclude: self}
	found, err := r.s.Catalog.Search(ctx, r.collection.Name, q)
	if err != nil {
		return nearby{}, err
	}
	n := nearby{closest: r.closest(i, found[:min(len(found), duplicatesOf)])}
	others := r.others(i, found)
	if len(others) < rank && len(found) == q.K { // kin take the places
		q.K, q.Exclude.Kin = rank, true
		if found, err = r.s.Catalog.Search(ctx, r.collection.Name, q); err != nil {
			return nearby{}, err
		}
		others = r.others(i, found)
	}
	n.other, n.rank = math.NaN(), math.NaN()
	if len(others) > 0 {
		n.other = others[0]
	}
	if len(others) >= rank {
		n.rank = others[rank-1]
	}
	return n, nil
}

// closest are the cases that may be near-duplicates of instance i.
func (r *reviewing) closest(i int, found []store.Case) (closest []closeTo) {
	file := r.set.all[i].Instance.File
	for _, c := range found {
		at, known := r.at[c.Instance.ID]
		if known && float64(c.Score) >= min(likeness, r.least()) && (file == "" || c.Instance.File != file) {
			closest = append(closest, closeTo{int32(at), c.Score})
		}
	}
	return closest
}

// least is the similarity that was asked for, 1 for none.
func (r *reviewing) least() float64 {
	if r.o.Similarity == 0 {
		return 1
	}
	return r.o.Similarity
}

// others are the scores of the cases that are no kin of instance i.
func (r *reviewing) others(i int, found []store.Case) (scores []float64) {
	for _, c := range found {
		if at, known := r.at[c.Instance.ID]; known && r.family[at] != r.family[i] {
			scores = append(scores, float64(c.Score))
		}
	}
	return scores
}

// similarity from which two images are near-duplicates: they are five times as
// close as an image and the nearest of another patient usually are, by the median.
// (Of 5,856 radiographs that is 0.9981 with ResNet-18, 0.9864 with the built-in
// model and 0.9733 with MobileNetV2, and each found the 30 groups of identical
// files and no other. Of 40 images stored again in other forms, all were found
// compressed anew at quality 75 or 5 % brighter; at quality 40, at half the size or
// without 1 % at each side the built-in model found all, the others 0 to 6. At three
// times as close up to five groups were of different images.)
func (r *reviewing) similarity() float64 {
	if r.o.Similarity != 0 {
		return r.o.Similarity
	}
	var nearest []float64
	families := map[int]bool{}
	for i, n := range r.near {
		if !math.IsNaN(n.other) {
			nearest, families[r.family[i]] = append(nearest, n.other), true
		}
	}
	if len(families) < probe.MinNovelty {
		return nearDuplicate
	}
	slices.Sort(nearest)
	return min(max(1-(1-nearest[len(nearest)/2])/5, 0.95), 0.9999)
}

// twins are two near-identical instances.
type twins struct {
	a, b  int
	score float64
}

// duplicates lists groups of near-identical images, those whose labels contradict
// each other first, then those of several patients, and names patients who may be
// one. Images of one file, such as the frames of a loop, are not compared. Where not
// every image can be searched for, identical files are still all found.
func (r *reviewing) duplicates(ctx context.Context) (ReviewList, error) {
	if err := r.neighbourhood(ctx); err != nil {
		return ReviewList{}, err
	}
	list := ReviewList{Similarity: r.similarity(), Judged: len(r.searched), Notes: r.sampled(len(r.searched), len(r.near))}
	pairs := r.pairs(list.Similarity)
	items, err := r.groups(pairs)
	if err != nil {
		return ReviewList{}, err
	}
	list.Found = len(items)
	list.Items = items[:min(len(items), r.o.limit())]
	all := r.patientPairs(pairs)
	list.PatientsFound = len(all)
	list.Patients = all[:min(len(all), r.o.limit())]
	return list, nil
}

// pairs are those of at least a similarity, each once.
func (r *reviewing) pairs(similarity float64) []twins {
	var pairs []twins
	seen := map[[2]int]bool{}
	add := func(i int, c closeTo) {
		ends := [2]int{min(i, int(c.at)), max(i, int(c.at))}
		if float64(c.score) < similarity || seen[ends] || !r.wanted(ends[0]) && !r.wanted(ends[1]) {
			return
		}
		seen[ends] = true
		pairs = append(pairs, twins{ends[0], ends[1], float64(c.score)})
	}
	for i, n := range r.near {
		for _, c := range n.closest {
			add(i, c)
		}
	}
	if len(r.searched) < len(r.near) {
		r.identical(add)
	}
	return pairs
}

// identical adds each image to the one before that is the same file, frame by frame.
func (r *reviewing) identical(add func(i int, c closeTo)) {
	type picture struct {
		digest string
		frame  int
	}
	before := map[picture]int{}
	for i, c := range r.set.all {
		p := picture{c.Instance.Digest, c.Instance.Frame}
		if j, ok := before[p]; ok {
			add(i, closeTo{int32(j), inner(r.vectors[i], r.vectors[j])})
		}
		if p.digest != "" {
			before[p] = i
		}
	}
}

// groups are the items that pairs make, in order.
func (r *reviewing) groups(pairs []twins) ([]ReviewItem, error) {
	ends, least := make([][2]int, len(pairs)), map[int]float64{}
	for n, p := range pairs {
		ends[n] = [2]int{p.a, p.b}
	}
	groups, err := probe.Groups(len(r.set.all), ends)
	if err != nil {
		return nil, err
	}
	of := map[int]int{} // group of each instance
	for g, members := range groups {
		for _, i := range members {
			of[i] = g
		}
		least[g] = 1
	}
	for _, p := range pairs {
		least[of[p.a]] = min(least[of[p.a]], p.score)
	}
	items := make([]ReviewItem, len(groups))
	for g, members := range groups {
		items[g] = r.group(members, least[g])
	}
	slices.SortStableFunc(items, func(a, b ReviewItem) int {
		return cmp.Or(cmp.Compare(min(len(b.Contradicts), 1), min(len(a.Contradicts), 1)),
			cmp.Compare(min(len(patientsOf(b)), 2), min(len(patientsOf(a)), 2)), cmp.Compare(b.Score, a.Score))
	})
	return items, nil
}

func (r *reviewing) group(members []int, least float64) ReviewItem {
	item := r.item(members[0], least)
	for _, i := range members {
		item.Group = append(item.Group, r.image(i))
	}
	item.Contradicts = r.contradictions(members)
	item.Reason = r.whyDuplicate(item, members)
	return item
}

func (r *reviewing) whyDuplicate(item ReviewItem, members []int) string {
	what, digests := fmt.Sprintf("nearly identical (similarity %.4f)", item.Score), map[string]bool{}
	for _, i := range members {
		digests[r.set.all[i].Instance.Digest] = true
	}
	if len(digests) == 1 && !digests[""] {
		what = "the same file"
	}
	text := fmt.Sprintf("%d images are %s", len(members), what)
	for _, task := range item.Contradicts {
		said := map[string]bool{}
		for _, image := range item.Group {
			if label, ok := image.Labels[task]; ok {
				said[joined(label)] = true
			}
		}
		text += fmt.Sprintf(", and their labels for %s contradict each other: %s", task, strings.Join(slices.Sorted(maps.Keys(said)), ", "))
	}
	if patients := patientsOf(item); len(patients) > 1 {
		text += fmt.Sprintf(", under %d patients: %s", len(patients), strings.Join(patients, ", "))
	}
	return text
}

// patientsOf are the known patients of a group.
func patientsOf(item ReviewItem) (patients []string) {
	for _, image := range item.Group {
		if image.Patient != "" {
			patients = append(patients, image.Patient)
		}
	}
	slices.Sort(patients)
	return slices.Compact(patients)
}

// contradictions names the tasks for which one instance has a class that another
// lacks.
func (r *reviewing) contradictions(members []int) (tasks []string) {
	for _, task := range r.collection.Tasks {
		if r.taskless == nil && task.Name != r.task.Name {
			continue
		}
		if slices.ContainsFunc(task.Classes, func(class string) bool {
			states := map[store.State]bool{}
			for _, i := range members {
				if l, ok := r.set.all[i].Labels[task.Name]; ok {
					states[l.State(class)] = true
				}
			}
			return states[store.Present] && states[store.Absent]
		}) {
			tasks = append(tasks, task.Name)
		}
	}
	return tasks
}

// patientPairs are the pairs of different patients with near-identical images,
// those with most of them first.
func (r *reviewing) patientPairs(pairs []twins) []PatientPair {
	by := map[[2]string]*PatientPair{}
	for _, p := range pairs {
		a, b := r.set.all[p.a].Instance, r.set.all[p.b].Instance
		if a.Patient == "" || b.Patient == "" || a.Patient == b.Patient {
			continue
		}
		if b.Patient < a.Patient {
			a, b = b, a
		}
		pair := by[[2]string{a.Patient, b.Patient}]
		if pair == nil {
			pair = &PatientPair{Patients: [2]string{a.Patient, b.Patient}}
			by[pair.Patients] = pair
		}
		if pair.Pairs++; p.score > pair.Score {
			pair.Score, pair.Images = p.score, [2]string{a.ID, b.ID}
		}
	}
	var all []PatientPair
	for _, pair := range by {
		all = append(all, *pair)
	}
	slices.SortFunc(all, func(a, b PatientPair) int {
		return cmp.Or(cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(b.Score, a.Score), slices.Compare(a.Patients[:], b.Patients[:]))
	})
	return all
}

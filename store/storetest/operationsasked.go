package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"nearcase/store"
)

// record draws a record. Contents and vectors are few, so that some are the same.
func (o *operating) record(c *modelled, id string) store.Record {
	content := fmt.Appendf(nil, "%s %d", c.meta.Name, o.random.IntN(12))
	sum := sha256.Sum256(content)
	r := store.Record{
		Instance: store.Instance{
			ID: id, Patient: o.maybe("p", 6), Study: o.maybe("s", 6), Name: o.maybe("n", 3),
			Digest: hex.EncodeToString(sum[:]), Size: int64(len(content)),
		},
		Vector: unitOf(c.meta.Dimension, o.random.Uint64N(40)), Fingerprint: Fingerprint, Original: content,
		Replace: o.random.IntN(3) == 0,
	}
	if o.random.IntN(4) == 0 {
		r.Original = nil
	}
	switch o.random.IntN(30) {
	case 0:
		r.Fingerprint = "another"
	case 1:
		r.Vector = append(r.Vector, 0)
	}
	for range o.random.IntN(3) {
		r.Labels = append(r.Labels, o.drawLabel(id))
	}
	return r
}

func (o *operating) maybe(prefix string, n int) string {
	if o.random.IntN(4) == 0 {
		return ""
	}
	return fmt.Sprint(prefix, o.random.IntN(n))
}

func unitOf(dimension int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 8))
	v, square := make([]float32, dimension), 0.0
	for i := range v {
		v[i] = float32(r.NormFloat64())
		square += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(square))
	}
	return v
}

func (o *operating) drawLabel(id string) store.Label {
	l := store.Label{Instance: id, Task: "finding", Reader: []string{"", "anna", "bert"}[o.random.IntN(3)], Source: fmt.Sprint(len(o.asked))}
	switch o.random.IntN(9) {
	case 0:
		l.Removed = true
	case 1, 2, 3:
		l.Task, l.Classes, l.Partial = "devices", []string{"line"}, o.random.IntN(2) == 0
	case 4:
		l.Task, l.Uncertain, l.Confidence = "devices", []string{"pacemaker", "line"}, 0.5
	case 5:
		l.Classes = []string{fmt.Sprintf("class%d", o.random.IntN(6))} // which may not be declared
	default:
		l.Classes = []string{[]string{"normal", "pneumonia"}[o.random.IntN(2)]}
	}
	return l
}

func (o *operating) put(c *modelled) {
	var records []store.Record
	for range 1 + o.random.IntN(5) {
		r := o.record(c, fmt.Sprintf("i%d", o.random.IntN(30)))
		switch o.random.IntN(10) {
		case 0:
			r.IfKey = store.Missing
		case 1:
			r.IfKey = store.Key(1 + o.random.Uint64N(uint64(c.head)+1))
		}
		records = append(records, r)
	}
	o.putAll(c, records, 1)
}

// putFile puts a file of several images.
func (o *operating) putFile(c *modelled) {
	first, file := o.record(c, "x"), fmt.Sprintf("f%d", o.random.IntN(4))
	var records []store.Record
	for frame := range 2 + o.random.IntN(3) {
		r := first
		r.Instance.File, r.Instance.Frame, r.Instance.ID = file, frame+1, fmt.Sprintf("%s:%d", file, frame+1)
		r.Labels = slices.Clone(first.Labels)
		if frame > 0 {
			r.Original = nil
		}
		records = append(records, r)
	}
	o.putAll(c, records, len(records))
}

// putAll puts records, so many of which are of one file.
func (o *operating) putAll(c *modelled, records []store.Record, together int) {
	for _, r := range records {
		o.note("Put %s of %.6s in %s: patient %q, study %q, replace %v, if %d, original %v, %d labels", r.Instance.ID, r.Instance.Digest,
			c.meta.Name, r.Instance.Patient, r.Instance.Study, r.Replace, r.IfKey, r.Original != nil, len(r.Labels))
	}
	given := make([]store.Record, len(records))
	for n, r := range records {
		r.Vector, r.Labels = slices.Clone(r.Vector), slices.Clone(r.Labels)
		given[n] = r
	}
	got, err := o.catalog.Put(o.ctx, c.meta.Name, given)
	o.same(err, nil)
	for from := 0; from < len(records) && len(got) == len(records); from += together {
		want, err := c.put(records[from : from+together])
		for n, g := range got[from : from+together] {
			o.same(g.Err, err)
			if err == nil && (g.Key != want[n].Key || g.Status != want[n].Status || g.ID != want[n].ID) {
				o.t.Errorf("Put: got %+v, want %+v", g, want[n])
			}
		}
	}
	c.leave(records)
}

func (o *operating) label(c *modelled) {
	var labels []store.Label
	for range 1 + o.random.IntN(4) {
		labels = append(labels, o.drawLabel(o.id()))
	}
	o.note("Label in %s: %+v", c.meta.Name, labels)
	key, err := o.catalog.Label(o.ctx, c.meta.Name, labels)
	want := error(nil)
	for _, l := range labels {
		if _, refused := c.meta.CheckLabel(l); refused != nil && want == nil {
			want = store.ErrClass
		}
	}
	for _, l := range labels {
		if len(c.of(l.Instance)) == 0 && want == nil {
			want = store.ErrInstance
		}
	}
	if o.same(err, want); want != nil {
		return
	}
	for _, l := range labels {
		for _, i := range c.of(l.Instance) {
			l.Instance = i.record.Instance.ID
			checked, _ := c.meta.CheckLabel(l)
			c.say(i, checked)
		}
	}
	if key != c.head {
		o.t.Errorf("Label: got key %d, want %d", key, c.head)
	}
}

// id draws the ID of an instance or a file.
func (o *operating) id() string {
	switch o.random.IntN(6) {
	case 0:
		return fmt.Sprintf("f%d", o.random.IntN(4))
	case 1:
		return fmt.Sprintf("f%d:%d", o.random.IntN(4), 1+o.random.IntN(3))
	}
	return fmt.Sprintf("i%d", o.random.IntN(30))
}

func (o *operating) delete(c *modelled) {
	id, key := o.id(), store.Key(0)
	there := c.of(id)
	if o.random.IntN(3) == 0 {
		key = store.Key(1 + o.random.Uint64N(uint64(c.head)+1))
		if len(there) > 0 && o.random.IntN(2) == 0 {
			key = there[0].key
		}
	}
	o.note("DeleteIf %s of %s has key %d", id, c.meta.Name, key)
	err := o.catalog.DeleteIf(o.ctx, c.meta.Name, id, key)
	switch {
	case key != 0 && (len(there) == 0 || there[0].key != key):
		o.same(err, store.ErrChanged)
		return
	case len(there) == 0:
		o.same(err, store.ErrInstance)
		return
	}
	o.same(err, nil)
	for _, i := range there {
		c.remove(i)
	}
}

func (o *operating) deleteAll(c *modelled) {
	var ids []string
	want := 0
	for range 1 + o.random.IntN(6) {
		ids = append(ids, o.id())
	}
	o.note("DeleteAll of %s: %v", c.meta.Name, ids)
	got, err := o.catalog.DeleteAll(o.ctx, c.meta.Name, ids, nil)
	o.same(err, nil)
	for _, id := range ids {
		for _, i := range c.of(id) {
			c.remove(i)
			want++
		}
	}
	if got != want {
		o.t.Errorf("DeleteAll: got %d, want %d", got, want)
	}
}

// erase erases a patient. How many entries that takes is the store's own.
func (o *operating) erase(c *modelled) {
	patient := fmt.Sprintf("p%d", o.random.IntN(6))
	var there []*held
	for _, i := range c.inOrder() {
		if i.record.Instance.Patient == patient {
			there = append(there, i)
		}
	}
	o.note("Erase %s of %s, %d instances", patient, c.meta.Name, len(there))
	erased, err := o.catalog.Erase(o.ctx, c.meta.Name, patient)
	if len(there) == 0 {
		o.same(err, store.ErrInstance)
		return
	}
	if o.same(err, nil); erased.Instances != len(there) {
		o.t.Errorf("Erase: got %+v, want %d instances", erased, len(there))
	}
	for _, i := range there {
		c.remove(i)
		for key, line := range c.log {
			if line.id == i.record.Instance.ID && key >= i.born { // what had its ID before is for Compact
				c.log[key] = logLine{kind: store.KindErased}
			}
		}
	}
	clear(c.derived)
	status, err := o.catalog.Status(o.ctx, c.meta.Name)
	o.same(err, nil)
	for c.head < status.Head {
		c.next(logLine{kind: store.KindErased})
	}
	if c.head != status.Head {
		o.t.Errorf("Erase: the head is %d, want %d or later", status.Head, c.head)
	}
	for _, i := range c.instances {
		i.thumbnail = nil
	}
}

func (o *operating) searchExact(c *modelled) {
	q := store.Query{Vector: unitOf(c.meta.Dimension, o.random.Uint64N(60)), K: 1 + o.random.IntN(12), Exact: true}
	if o.random.IntN(3) == 0 {
		q.Exclude.Patients = []string{fmt.Sprintf("p%d", o.random.IntN(6))}
	}
	if o.random.IntN(3) == 0 {
		q.Labelled = "finding"
	}
	o.note("Search %s for %d, labelled %q, without %v", c.meta.Name, q.K, q.Labelled, q.Exclude.Patients)
	got, err := o.catalog.Search(o.ctx, c.meta.Name, q)
	o.same(err, nil)
	var scores []float64
	for _, i := range c.inOrder() {
		if c.answers(i, q) {
			scores = append(scores, dot(q.Vector, i.record.Vector))
		}
	}
	slices.SortFunc(scores, func(a, b float64) int { return -sign(a - b) })
	if len(got) != min(q.K, len(scores)) {
		o.t.Errorf("Search: got %d cases, want %d", len(got), min(q.K, len(scores)))
		return
	}
	for n, g := range got {
		i := c.instances[g.Instance.ID]
		if i == nil || !c.answers(i, q) || math.Abs(float64(g.Score)-scores[n]) > 1e-5 || math.Abs(dot(q.Vector, i.record.Vector)-scores[n]) > 1e-5 {
			o.t.Errorf("Search: got %s with %g at %d, want one with %g", g.Instance.ID, g.Score, n, scores[n])
		}
		if n > 0 && got[n-1].Score == g.Score && got[n-1].Key > g.Key {
			o.t.Errorf("Search: got key %d before %d with the same score", got[n-1].Key, g.Key)
		}
	}
}

func (c *modelled) answers(i *held, q store.Query) bool {
	_, labelled := c.labels(i)[q.Labelled]
	return (q.Labelled == "" || labelled) && !(i.record.Instance.Patient != "" && slices.Contains(q.Exclude.Patients, i.record.Instance.Patient))
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func sign(x float64) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

// find reads a list page by page.
func (o *operating) find(c *modelled) {
	l := store.Listing{Sort: []string{"", store.ByID, store.ByPatient, store.BySize}[o.random.IntN(4)], Descending: o.random.IntN(2) == 0, Limit: 1 + o.random.IntN(9), Count: true}
	text := []string{"", `{"field":"patient","eq":"p1"}`, `{"task":"finding","labelled":true}`}[o.random.IntN(3)]
	o.note("Find in %s, filter %s, %+v", c.meta.Name, text, l)
	var f *store.Filter
	if text != "" {
		must(o.t, json.Unmarshal([]byte(text), &f))
	}
	var err error
	l.Filter, err = c.meta.Compile(f, nil)
	must(o.t, err)
	var want []*held
	for _, i := range c.inOrder() {
		_, labelled := c.labels(i)["finding"]
		if text == "" || strings.Contains(text, "p1") && i.record.Instance.Patient == "p1" || strings.Contains(text, "task") && labelled {
			want = append(want, i)
		}
	}
	slices.SortStableFunc(want, func(a, b *held) int {
		order := l.PlaceOf(a.key, &a.record.Instance, nil).Compare(l.PlaceOf(b.key, &b.record.Instance, nil))
		if l.Descending {
			return -order
		}
		return order
	})
	var got []string
	for {
		page, err := o.catalog.Find(o.ctx, c.meta.Name, l)
		if o.same(err, nil); err != nil {
			return
		}
		for _, i := range page.Cases {
			got = append(got, i.Instance.ID)
		}
		if page.Count != len(want) {
			o.t.Errorf("Find: counts %d, want %d", page.Count, len(want))
		}
		if l.After = page.Next; l.After == nil {
			break
		}
	}
	if !slices.EqualFunc(got, want, func(id string, i *held) bool { return id == i.record.Instance.ID }) {
		o.t.Errorf("Find: got %v, want %d others", got, len(want))
	}
}

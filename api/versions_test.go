package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nearcase/api"
	"nearcase/probe"
	"nearcase/store"
	"nearcase/store/local"
)

// patientsOf makes patients with two images each, of the classes of finding in
// turn, that a probe tells apart most of the time.
func patientsOf(fingerprint string, n int, seed uint64) []store.Record {
	rng := rand.New(rand.NewPCG(seed, 7))
	var records []store.Record
	for p := range n {
		class := p % len(finding.Classes)
		for i := range 2 {
			v := []float64{rng.NormFloat64() * .4, rng.NormFloat64() * .4, rng.NormFloat64() * .4, 1}
			v[class] += 1
			id := fmt.Sprintf("p%d-%d", p, i)
			records = append(records, store.Record{Vector: unit(v...), Fingerprint: fingerprint,
				Instance: store.Instance{ID: id, Patient: fmt.Sprint("p", p), Digest: fmt.Sprintf("%063d%d", p, i)},
				Labels:   []store.Label{{Task: "finding", Classes: []string{finding.Classes[class]}}}})
		}
	}
	return records
}

func retrain(t testing.TB, s *api.Service) api.ProbeVersion {
	t.Helper()
	v, err := s.Retrain(t.Context(), "c", "finding", nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAVersionStatesWhatAnAnswerCanBeTrustedWith(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, patientsOf(fingerprint, 90, 1)...)
	before := probeAnswer(t, s, "p0-0")
	if len(before.Probabilities) > 0 || before.Set != nil || before.Softmax.Problem == "" || len(before.Reasons) == 0 {
		t.Errorf("Classify without a version: got %+v, want no probabilities and why", before)
	}
	v := retrain(t, s)
	a, err := s.Classify(t.Context(), "c", api.Query{Vector: unit(1, 0, 0, 1), Fingerprint: fingerprint})
	if err != nil {
		t.Fatal(err)
	}
	got := a.Tasks[0]
	if !slices.Equal(got.Prediction, []string{"a"}) || len(got.Probabilities) != 3 || got.Set == nil || got.Coverage != 0.9 || len(got.Calls) != 3 {
		t.Errorf("Classify: got %+v, want a with probabilities, a set and calls", got)
	}
	if got.Softmax.Version != v.Version || got.Softmax.Problem != "" || len(got.Probe.Probabilities) != 3 {
		t.Errorf("Classify: got softmax %+v and ridge %+v, want both by version %d", got.Softmax, got.Probe, v.Version)
	}
	if got.Voting.Chosen != api.ByValidation || got.Counts.Patients != got.Counts.Neighbours || got.Counts.Neighbours != got.Voting.K {
		t.Errorf("Classify: got voting %+v of %+v, want a validated k, one vote for each patient", got.Voting, got.Counts)
	}
	if got.Disagreement == nil || got.Agree == nil || !*got.Agree {
		t.Errorf("Classify: got agree %v and %v, want both", got.Agree, got.Disagreement)
	}
	if a.Novelty.Percentile == nil || *a.Novelty.Percentile > 0.99 || a.Novelty.Reference != 90 {
		t.Errorf("Classify: got novelty %+v, want a percentile of 90 patients", a.Novelty)
	}
	far, err := s.Classify(t.Context(), "c", api.Query{Vector: unit(-1, -1, -1, -1), Fingerprint: fingerprint})
	if err != nil || *far.Novelty.Percentile < 0.98 {
		t.Errorf("Classify what is unlike all: got novelty %+v, %v", far.Novelty, err)
	}
}

// Law: whatever the own patient's labels say, and whether there are any, the
// answer to a stored instance is the same in every part, also by versions made
// with these labels, of a single-label task and of a multi-label one.
func TestOwnPatientsLabelsReachNothing(t *testing.T) {
	s, catalog := newService(t, false)
	for n := range 24 {
		rng := rand.New(rand.NewPCG(uint64(n), 8))
		task, patients := []store.Task{finding, devices}[n%2], 45
		if n%6 < 2 {
			patients = 12 // too few for probabilities
		}
		fingerprint := emptied(t, s, task)
		records := patientsOf(fingerprint, patients, uint64(n))
		for i, r := range records {
			class := slices.Index(finding.Classes, r.Labels[0].Classes[0])
			records[i].Labels = []store.Label{{Task: task.Name, Classes: []string{task.Classes[class]}}}
		}
		put(t, catalog, records...)
		own := rng.IntN(12)
		ask := func() api.Classification {
			t.Helper()
			_, err := s.Retrain(t.Context(), "c", task.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.Classify(t.Context(), "c", api.Query{Instance: fmt.Sprintf("p%d-0", own)})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		before := ask()
		if one := before.Tasks[0]; (len(one.Probabilities) > 0) != (patients == 45) {
			t.Errorf("Classify with %d patients: got probabilities %v, because %q", patients, one.Probabilities, one.Reasons)
		}
		for i := range 2 {
			r := otherwise(rng, task)
			r.Instance = fmt.Sprintf("p%d-%d", own, i)
			if _, err := s.Label(t.Context(), "c", []api.LabelRequest{r}); err != nil {
				t.Fatal(err)
			}
		}
		if b, a := comparable(t, before), comparable(t, ask()); b != a {
			t.Errorf("Classify for %s: answer changed with the own patient's labels\nbefore %s\nafter  %s", task.Name, b, a)
		}
	}
}

// otherwise draws a label for a task, or its removal.
func otherwise(rng *rand.Rand, task store.Task) api.LabelRequest {
	r := api.LabelRequest{Task: task.Name}
	switch class := rng.IntN(5); {
	case class < 3:
		r.Classes = []string{task.Classes[class]}
	case class == 3 && task.Multi:
		r.Classes, r.Uncertain, r.Partial = task.Classes[:1], task.Classes[2:], true
	default:
		r.Remove = true
	}
	return r
}

// comparable is an answer without what counts the labels and the log.
func comparable(t testing.TB, a api.Classification) string {
	t.Helper()
	a.Head, a.Watermark = 0, 0
	for i := range a.Tasks {
		one := &a.Tasks[i]
		one.Probe.Version, one.Softmax.Version, one.Counts.LeftOut = 0, 0, 0
		for _, scores := range [][]probe.Score{one.Probe.Scores, one.Softmax.Scores} {
			for j := range scores { // sums in another order
				scores[j].Score = round(scores[j].Score)
			}
		}
		for _, p := range [][]api.Probability{one.Probabilities, one.Probe.Probabilities, one.Softmax.Probabilities} {
			for j := range p {
				p[j].Probability = round(p[j].Probability)
			}
		}
		one.Disagreement = nil // made of these
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func round(x float64) float64 { return float64(int64(x*1e6)) / 1e6 }

func TestVersionsAreKeptComparedAndRolledBack(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	records := patientsOf(fingerprint, 40, 2)
	put(t, catalog, records...)
	first := retrain(t, s)
	var versions []store.Key
	for i := range 12 {
		r := api.LabelRequest{Instance: records[i].Instance.ID, Task: "finding", Classes: []string{finding.Classes[(i/2+1)%3]}}
		if _, err := s.Label(t.Context(), "c", []api.LabelRequest{r}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := s.Rollback(t.Context(), "c", "finding", first.Version); err != nil {
				t.Fatal(err)
			}
		}
		versions = append(versions, retrain(t, s).Version)
	}
	info := infoOf(t, s)
	if info.Answering != first.Version || info.Pinned != first.Version || len(info.Versions) != 11 || info.Versions[0] != first.Version {
		t.Errorf("Probes: got %+v, want the pinned version %d beside the ten newest", info, first.Version)
	}
	fresh := api.New(s.Options) // as after a restart
	defer fresh.Close()
	for _, service := range []*api.Service{s, fresh} {
		if a := probeAnswer(t, service, "p20-0"); a.Softmax.Version != first.Version {
			t.Errorf("Classify: got version %d, want the pinned %d", a.Softmax.Version, first.Version)
		}
	}
	newest := versions[len(versions)-1]
	compared, err := s.Compare(t.Context(), "c", "finding", first.Version, newest)
	if err != nil || len(compared.Versions) != 2 || compared.Heads[1].Instances != 80 || compared.Heads[1].Share == 0 {
		t.Errorf("Compare: got %+v, %v, want the agreement on 80 instances", compared.Heads, err)
	}
	if info, err := s.Rollback(t.Context(), "c", "finding", 0); err != nil || info.Answering != newest || info.Pinned != 0 {
		t.Errorf("Rollback to the newest: got %+v, %v, want %d", info, err, newest)
	}
	if _, err := s.Rollback(t.Context(), "c", "finding", newest+1000); !errors.Is(err, api.ErrVersion) {
		t.Errorf("Rollback to a version that never was: got %v, want ErrVersion", err)
	}
}

func infoOf(t testing.TB, s *api.Service) api.ProbeInfo {
	t.Helper()
	infos, err := s.Probes(t.Context(), "c")
	if err != nil || len(infos) != 1 {
		t.Fatalf("Probes: got %+v, %v", infos, err)
	}
	return infos[0]
}

func TestADamagedVersionIsPassedOver(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, patientsOf(fingerprint, 40, 3)...)
	old := retrain(t, s)
	if _, err := s.Label(t.Context(), "c", []api.LabelRequest{{Instance: "p0-0", Task: "finding", Classes: []string{"b"}}}); err != nil {
		t.Fatal(err)
	}
	retrain(t, s)
	names, err := catalog.DerivedNames(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "probe-") })
	for _, junk := range []string{"{", `{"task":"finding"}`, "null"} {
		if err := catalog.SaveDerived(t.Context(), "c", names[len(names)-1], []byte(junk)); err != nil {
			t.Fatal(err)
		}
		fresh := api.New(s.Options)
		if a := probeAnswer(t, fresh, "p9-0"); a.Softmax.Version != old.Version || len(a.Probabilities) != 3 {
			t.Errorf("Classify with a damaged newest version %q: got %+v, want version %d", junk, a.Softmax, old.Version)
		}
		if err := fresh.Close(); err != nil {
			t.Error(err)
		}
	}
}

// blocking is a catalog whose lists wait, as a refit that takes long does.
type blocking struct {
	*local.Catalog
	entered, goOn chan struct{}
}

func (b *blocking) List(ctx context.Context, name string, after store.Key, limit int) ([]store.Case, error) {
	select {
	case b.entered <- struct{}{}:
	default:
	}
	select {
	case <-b.goOn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return b.Catalog.List(ctx, name, after, limit)
}

func TestAnswersGoOnWhileARefitRuns(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, patientsOf(fingerprint, 40, 4)...)
	old := retrain(t, s)
	b := &blocking{Catalog: catalog, entered: make(chan struct{}, 1), goOn: make(chan struct{})}
	o := s.Options
	o.Catalog, o.Refit = b, api.Refit{Labels: 2}
	busy := api.New(o)
	for i := range 3 {
		r := api.LabelRequest{Instance: fmt.Sprintf("p%d-0", i), Task: "finding", Classes: []string{finding.Classes[(i+1)%3]}}
		if _, err := busy.Label(t.Context(), "c", []api.LabelRequest{r}); err != nil {
			t.Fatal(err)
		}
	}
	probeAnswer(t, busy, "p9-0") // which begins to look for refits
	<-b.entered
	a := probeAnswer(t, busy, "p9-0")
	if info := infoOf(t, busy); !info.Running || a.Softmax.Version != old.Version || len(a.Probabilities) == 0 {
		t.Errorf("while a refit runs: got %+v and %+v, want it running and version %d to answer", info, a.Softmax, old.Version)
	}
	close(b.goOn)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if a := probeAnswer(t, busy, "p9-0"); a.Softmax.Version > old.Version {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("after the refit: got version %d, want a newer one", a.Softmax.Version)
		}
	}
	if info := infoOf(t, busy); info.Changed != 0 || info.Due {
		t.Errorf("after the refit: got %+v, want nothing changed since", info)
	}
	if err := busy.Close(); err != nil {
		t.Error(err)
	}
}

func TestClosingEndsARefit(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, patientsOf(fingerprint, 40, 5)...)
	b := &blocking{Catalog: catalog, entered: make(chan struct{}, 1), goOn: make(chan struct{})}
	o := s.Options
	o.Catalog, o.Refit = b, api.Refit{}
	busy := api.New(o)
	probeAnswer(t, busy, "p9-0")
	<-b.entered
	if err := busy.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnAnswerMakesTheVersionItNeedsWhenAsked(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, patientsOf(fingerprint, 40, 6)...)
	o, steps := s.Options, make(chan struct{}, 1000)
	o.Refit = api.Refit{When: api.Asked, Progress: func(int, int) {
		select {
		case steps <- struct{}{}:
		default:
		}
	}}
	once := api.New(o)
	defer once.Close()
	if a := probeAnswer(t, once, "p9-0"); len(a.Probabilities) != 3 || len(steps) == 0 {
		t.Errorf("Classify: got %+v after %d steps, want probabilities after some", a, len(steps))
	}
}

func TestTooFewLabelsAreRefused(t *testing.T) {
	s, catalog := newService(t, false)
	marks := store.Task{Name: "marks", Multi: true, Classes: []string{"line", "tube"}}
	fingerprint := emptied(t, s, finding, marks)
	for i := range 12 {
		r := store.Record{Vector: unit(float64(i%2), 1, float64(i)/12, .5), Fingerprint: fingerprint,
			Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i)}}
		class := "a"
		if i == 0 {
			class = "b"
		}
		r.Labels = []store.Label{{Task: "finding", Classes: []string{class}}}
		if i < 6 {
			r.Labels = append(r.Labels, store.Label{Task: "marks", Classes: []string{"line"}[:i%2]})
		}
		put(t, catalog, r)
	}
	a, err := s.Classify(t.Context(), "c", api.Query{Vector: unit(1, 1, 0, .5), Fingerprint: fingerprint})
	if err != nil {
		t.Fatal(err)
	}
	one, marked := a.Tasks[0], a.Tasks[1]
	if one.Refused == "" || len(one.Prediction)+len(one.Vote)+len(one.Probe.Prediction)+len(one.Probabilities) > 0 || len(one.Votes) != 3 || one.Agree != nil {
		t.Errorf("with one patient of a class: got %+v, want votes shown and nothing predicted", one)
	}
	if !strings.Contains(one.Refused, "b 1") {
		t.Errorf("refused: got %q, want the patients of each class in it", one.Refused)
	}
	if marked.Refused != "" || len(marked.Reasons) == 0 || !strings.Contains(strings.Join(marked.Reasons, "\n"), "tube") {
		t.Errorf("with one finding labelled enough: got %q for %v, want the other refused alone", marked.Refused, marked.Reasons)
	}
	if _, err := s.Retrain(t.Context(), "c", "finding", nil); !errors.Is(err, api.ErrNotEnough) {
		t.Errorf("Retrain: got %v, want ErrNotEnough", err)
	}
	if _, err := s.Probe(t.Context(), "c", "finding", 0); !errors.Is(err, api.ErrVersion) {
		t.Errorf("Probe without a version: got %v, want ErrVersion", err)
	}
	if _, err := s.Retrain(t.Context(), "c", "age", nil); !errors.Is(err, store.ErrTask) {
		t.Errorf("Retrain an unknown task: got %v, want ErrTask", err)
	}
	// The last patient of class b asks by its own image: nothing of b is left.
	if own := probeAnswer(t, s, "i0"); own.Probe.Problem == "" || own.Refused == "" {
		t.Errorf("Classify the only one of its class: got %+v, want it refused", own)
	}
}

// Law: no answer has a probability that is not one, however few, constant or many
// dimensional the examples are.
func TestProbabilitiesAreNeverMadeOfNothing(t *testing.T) {
	s, catalog := newService(t, false)
	for at := range 36 {
		rng := rand.New(rand.NewPCG(uint64(at), 3))
		constant, classes, n := at%2 == 0, 1+at/2%3, 1+rng.IntN(70)
		fingerprint := emptied(t, s, finding)
		records := make([]store.Record, n)
		for i := range records {
			v := unit(rng.Float64(), rng.Float64(), rng.Float64(), .5)
			if constant {
				v = unit(1, 0, 0, 0)
			}
			records[i] = store.Record{Vector: v, Fingerprint: fingerprint,
				Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", rng.IntN(n))},
				Labels:   []store.Label{{Task: "finding", Classes: []string{finding.Classes[rng.IntN(classes)]}}}}
		}
		put(t, catalog, records...)
		if _, err := s.Retrain(t.Context(), "c", "finding", nil); err != nil && !errors.Is(err, api.ErrNotEnough) {
			t.Fatal(err)
		}
		for _, q := range []api.Query{{Instance: "i0"}, {Vector: unit(1, 1, 1, 1), Fingerprint: fingerprint}} {
			a, err := s.Classify(t.Context(), "c", q)
			if err != nil {
				t.Fatal(err)
			}
			checkProbabilities(t, a.Tasks[0], constant)
			if _, err := json.Marshal(a); err != nil {
				t.Error(err)
			}
		}
	}
}

func checkProbabilities(t *testing.T, a api.TaskAnswer, constant bool) {
	t.Helper()
	sum := 0.0
	for _, p := range a.Probabilities {
		if !(p.Probability > 0 && p.Probability < 1) {
			t.Errorf("Classify: got probability %v", p)
		}
		sum += p.Probability
	}
	if len(a.Probabilities) > 0 && (sum < 1-1e-9 || sum > 1+1e-9 || a.Refused != "" || constant) {
		t.Errorf("Classify: got %+v, refused %q, constant %v", a.Probabilities, a.Refused, constant)
	}
}

func TestPriorsMoveProbabilitiesAlone(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, patientsOf(fingerprint, 90, 8)...)
	retrain(t, s)
	q := api.Query{Vector: unit(1, .8, 0, 1), Fingerprint: fingerprint}
	before, err := s.Classify(t.Context(), "c", q)
	if err != nil {
		t.Fatal(err)
	}
	settings := store.Settings{Priors: map[string]float64{"a": .001, "b": .998, "c": .001}}
	if err := s.Configure(t.Context(), "c", "finding", settings); err != nil {
		t.Fatal(err)
	}
	after, err := s.Classify(t.Context(), "c", q)
	if err != nil {
		t.Fatal(err)
	}
	b, a := before.Tasks[0], after.Tasks[0]
	if !slices.Equal(b.Prediction, []string{"a"}) || !slices.Equal(a.Prediction, []string{"b"}) || a.Probabilities[0].Class != "b" {
		t.Errorf("Classify: got %v before and %v with priors, %v", b.Prediction, a.Prediction, a.Probabilities)
	}
	if !reflect.DeepEqual(b.Set, a.Set) || !reflect.DeepEqual(b.Probe.Scores, a.Probe.Scores) {
		t.Errorf("Classify: got set %v and scores %v with priors, want %v and %v", a.Set, a.Probe.Scores, b.Set, b.Probe.Scores)
	}
}

// A task whose priors say nothing of a class that was declared later answers
// as before while the class has no labels, and once it has some without
// correction, and says so.
func TestPriorsThatAClassLacksLeaveTheAnswer(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	records := patientsOf(fingerprint, 90, 9)
	put(t, catalog, records...)
	if err := s.Configure(t.Context(), "c", "finding", store.Settings{Priors: map[string]float64{"a": .001, "b": .998, "c": .001}}); err != nil {
		t.Fatal(err)
	}
	retrain(t, s)
	if _, err := s.Declare(t.Context(), "c", []store.Task{{Name: "finding", Classes: []string{"d"}}}); err != nil {
		t.Fatal(err)
	}
	ask := func() api.TaskAnswer {
		t.Helper()
		a, err := s.Classify(t.Context(), "c", api.Query{Vector: unit(1, .8, 0, 1), Fingerprint: fingerprint})
		if err != nil {
			t.Fatal(err)
		}
		return a.Tasks[0]
	}
	if _, err := s.Rollback(t.Context(), "c", "finding", 0); err != nil {
		t.Errorf("Rollback while the priors lack a class: %v", err)
	}
	for range 2 { // by the version before and one after
		if a := ask(); !slices.Equal(a.Prediction, []string{"b"}) || len(a.Probabilities) != 3 {
			t.Errorf("Classify while d has no labels: got %v, %v, want b by priors", a.Prediction, a.Probabilities)
		}
		retrain(t, s)
	}
	for i := range 24 {
		put(t, catalog, store.Record{Vector: unit(.1, .1, float64(i)/24, -1), Fingerprint: fingerprint,
			Instance: store.Instance{ID: fmt.Sprint("d", i), Patient: fmt.Sprint("d", i)},
			Labels:   []store.Label{{Task: "finding", Classes: []string{"d"}}}})
	}
	if a := ask(); len(a.Probabilities) > 0 || !strings.Contains(strings.Join(a.Reasons, "\n"), "classes have changed") {
		t.Errorf("Classify before a version knows d: got %v because %q", a.Probabilities, a.Reasons)
	}
	retrain(t, s)
	if a := ask(); !slices.Equal(a.Prediction, []string{"a"}) || len(a.Probabilities) != 4 || !strings.Contains(strings.Join(a.Reasons, "\n"), `class "d" has no stated prior`) {
		t.Errorf("Classify with a class that has no prior: got %v, %v because %q, want a, not corrected, and why", a.Prediction, a.Probabilities, a.Reasons)
	}
}

// Votes and probe are compared where both know the labels' shares of classes alone.
func TestPriorsMakeNoDisagreement(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, finding)
	put(t, catalog, patientsOf(fingerprint, 90, 8)...)
	retrain(t, s)
	q := api.Query{Vector: unit(1, 0, 0, 1), Fingerprint: fingerprint}
	before, err := s.Classify(t.Context(), "c", q)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Configure(t.Context(), "c", "finding", store.Settings{Priors: map[string]float64{"a": .0001, "b": .9998, "c": .0001}}); err != nil {
		t.Fatal(err)
	}
	after, err := s.Classify(t.Context(), "c", q)
	if err != nil {
		t.Fatal(err)
	}
	b, a := before.Tasks[0], after.Tasks[0]
	if slices.Equal(a.Prediction, b.Prediction) || !*b.Agree || !*a.Agree || !reflect.DeepEqual(a.Disagreement, b.Disagreement) {
		t.Errorf("Classify: got %v, agree %v, %+v with priors and %v, %v, %+v without; want another prediction and nothing else",
			a.Prediction, *a.Agree, a.Disagreement, b.Prediction, *b.Agree, b.Disagreement)
	}
}

// A name that is used again brings nothing of the collection that had it.
func TestACollectionMadeAnewHasNoVersions(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patientsOf(emptied(t, s, finding), 40, 5)...)
	b := &blocking{Catalog: catalog, entered: make(chan struct{}, 1), goOn: make(chan struct{})}
	o := s.Options
	o.Catalog = b
	busy := api.New(o)
	defer busy.Close()
	made := make(chan error, 1)
	go func() {
		_, err := busy.Retrain(context.Background(), "c", "finding", nil)
		made <- err
	}()
	<-b.entered
	put(t, catalog, patientsOf(emptied(t, s, finding), 40, 6)...)
	close(b.goOn)
	if err := <-made; !errors.Is(err, store.ErrCollection) {
		t.Errorf("Retrain of a collection that is dropped and made anew meanwhile: got %v, want ErrCollection", err)
	}
	for _, service := range []*api.Service{s, busy} {
		if i := infoOf(t, service); len(i.Versions) > 0 || i.Answering != 0 {
			t.Errorf("Probes of the new one: got %+v, want no versions", i)
		}
	}
}

// What a refit that is cancelled would have known counts as changed still.
func TestACancelledRefitForgetsNoChange(t *testing.T) {
	s, catalog := newService(t, false)
	put(t, catalog, patientsOf(emptied(t, s, finding), 40, 5)...)
	retrain(t, s)
	says := []api.LabelRequest{{Instance: "p0-0", Task: "finding", Classes: []string{"b"}}}
	if _, err := s.Label(t.Context(), "c", says); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Retrain(ctx, "c", "finding", func(int, int) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatalf("Retrain: got %v, want it cancelled", err)
	}
	if i := infoOf(t, s); i.Changed != 1 || i.Running {
		t.Errorf("Probes: got %d changed, running %v; want 1 and not", i.Changed, i.Running)
	}
}

// A class that is declared when images are labelled already is one that they lack.
func TestAClassDeclaredLaterIsLackedByThoseBefore(t *testing.T) {
	s, catalog := newService(t, false)
	fingerprint := emptied(t, s, devices)
	says := func(i int, classes ...string) store.Record {
		return store.Record{Vector: unit(float64(i%5), 1, float64(i%3), .5), Fingerprint: fingerprint,
			Instance: store.Instance{ID: fmt.Sprint("i", i), Patient: fmt.Sprint("p", i)},
			Labels:   []store.Label{{Task: "devices", Classes: classes}}}
	}
	for i := range 8 {
		put(t, catalog, says(i, devices.Classes[:i%2]...))
	}
	infoOf(t, s)
	if _, err := s.Declare(t.Context(), "c", []store.Task{{Name: "devices", Multi: true, Classes: []string{"wire"}}}); err != nil {
		t.Fatal(err)
	}
	put(t, catalog, says(8, "wire"), says(9, "wire"))
	fresh := api.New(s.Options)
	defer fresh.Close()
	for _, service := range []*api.Service{s, fresh} {
		a, err := service.Classify(t.Context(), "c", api.Query{Vector: unit(1, 1, 1, 1), Fingerprint: fingerprint})
		if err != nil {
			t.Fatal(err)
		}
		if reasons := strings.Join(a.Tasks[0].Reasons, "\n"); strings.Contains(reasons, "wire") {
			t.Errorf("Classify: got %q, want wire known in 2 and lacked by 8", reasons)
		}
	}
}

package crash

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"nearcase/store"
)

// instance is what is known of one that is stored. It is never changed: a change
// makes another.
type instance struct {
	id, patient, study string
	key                store.Key // 0 while it is not known
	vector             []float32
	content            *picture // of the original; nil for a vector that came alone
	history            []store.Label
}

// labelled returns the instance with a label said, and whether that says anything.
func (i *instance) labelled(l store.Label) (*instance, bool) {
	for _, was := range slices.Backward(i.history) {
		if was.Task == l.Task && was.Reader == l.Reader {
			if was.Says(l) || was.Removed && l.Removed {
				return i, false
			}
			return i.saying(l), true
		}
	}
	if l.Removed {
		return i, false
	}
	return i.saying(l), true
}

func (i *instance) saying(l store.Label) *instance {
	next := *i
	next.history = append(slices.Clip(i.history), l)
	return &next
}

// current returns what the instance's labels say for a task.
func (i *instance) current(t store.Task) (store.Label, bool) {
	said := map[string]store.Label{}
	for _, l := range i.history {
		if l.Task == t.Name {
			said[l.Reader] = l
		}
	}
	return store.Resolve(t, slices.Collect(maps.Values(said)))
}

// step is what a request does to one instance; nil is one that is not there.
type step struct {
	id            string
	before, after *instance
}

// pending is a request that got no answer. It has happened or it has not: step by
// step, or as a whole.
type pending struct {
	what  string
	whole bool
	steps []step
}

// model is what the store must have.
type model struct {
	mu        sync.Mutex
	instances map[string]*instance
	pending   []pending
	// gone are the patients that were erased, by the IDs of their instances: nothing
	// may name them again.
	gone     map[string]bool
	called   map[string]string // patients by what the store calls them
	pictures []*picture
	// touched are the instances that something was asked about since the last check.
	touched map[string]bool
}

func newModel() *model {
	return &model{instances: map[string]*instance{}, gone: map[string]bool{}, called: map[string]string{}, touched: map[string]bool{}}
}

// picture is an image that clients store, with the vector that the model makes of it.
type picture struct {
	digest  string
	content []byte
	vector  []float32
	class   string
}

func (m *model) find(id string) *instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.instances[id]
}

// done takes in what is known to have happened.
func (m *model) done(steps ...step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range steps {
		m.set(s.id, s.after)
	}
}

// set is the caller's who has the lock.
func (m *model) set(id string, i *instance) {
	m.touched[id] = true
	if i == nil {
		delete(m.instances, id)
		return
	}
	m.instances[id] = i
}

// unknown takes in a request that got no answer.
func (m *model) unknown(p pending) {
	if len(p.steps) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = append(m.pending, p)
	for _, s := range p.steps {
		m.touched[s.id] = true
	}
}

// erased notes that nothing may name instances any more.
func (m *model) erased(ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.gone[id] = true
	}
}

func (m *model) count() int { return len(m.instances) }

func (m *model) labels() (n int) {
	for _, i := range m.instances {
		n += len(i.history)
	}
	return n
}

// inOrder returns the instances in the order of their keys.
func (m *model) inOrder() []*instance {
	return slices.SortedFunc(maps.Values(m.instances), func(a, b *instance) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
}

// checkCalled holds what the store calls a patient to what it did before.
func (m *model) checkCalled(patient, called string) error {
	if was, known := m.called[patient]; known && was != called {
		return fmt.Errorf("%w: a patient is called %q and was called %q", ErrViolated, called, was)
	}
	m.called[patient] = called
	return nil
}

const dimension = 808 // of the built-in model

// vectorOf draws a vector of unit length near the centre of one of the classes.
func vectorOf(r *rand.Rand, class string) []float32 {
	centre := rand.New(rand.NewPCG(uint64(slices.Index(classes, class)), 9))
	v, square := make([]float32, dimension), 0.0
	for i := range v {
		x := centre.NormFloat64() + 1.5*r.NormFloat64()
		v[i] = float32(x)
		square += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(square))
	}
	return v
}

// clock gives labels their times, a second after each other.
func clock(n int) time.Time {
	return time.Date(2024, 1, 1, 0, 0, n, 0, time.UTC)
}

func ids(steps []step) string {
	var all []string
	for _, s := range steps {
		all = append(all, s.id)
	}
	return strings.Join(all, " ")
}

// goneBefore returns the instances that were erased before the call.
func (m *model) goneBefore() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.gone)
}

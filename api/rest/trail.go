package rest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/audit"
	"nearcase/api/problem"
)

// trail is what the audit log is to have of a request. Handlers add to it.
type trail struct {
	seal     *audit.Seal
	mu       sync.Mutex
	object   string
	subjects []string
	counts   map[string]int
	added    bool // since it was recorded last
}

// maxNamed is how many instances a line of the audit log names.
const maxNamed = 100

type trailKey struct{}

// saw tells the audit log which instances a request shows or changes.
func saw(ctx context.Context, instances ...string) {
	t, ok := ctx.Value(trailKey{}).(*trail)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range instances {
		if id == "" {
			continue // it has none
		}
		if len(t.subjects) < maxNamed {
			t.subjects = append(t.subjects, t.seal.Instance(id))
		}
		t.add("instances", 1)
	}
}

// sawPatient tells the audit log which patient a request concerns.
func sawPatient(ctx context.Context, patient string) {
	t, ok := ctx.Value(trailKey{}).(*trail)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.subjects) < maxNamed {
		t.subjects = append(t.subjects, t.seal.Patient(patient))
	}
	t.add("patients", 1)
}

// sawStudy tells the audit log which study a request concerns.
func sawStudy(ctx context.Context, uid string) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		if len(t.subjects) < maxNamed {
			t.subjects = append(t.subjects, t.seal.Study(uid))
		}
		t.add("studies", 1)
	}
}

// sawAnswer tells the audit log which cases an answer shows.
func sawAnswer(ctx context.Context, answer any) {
	switch a := answer.(type) {
	case api.Similar:
		for _, one := range a.Cases {
			saw(ctx, one.ID)
		}
	case api.Classification:
		for _, task := range a.Tasks {
			for _, one := range task.Neighbours {
				saw(ctx, one.ID)
			}
		}
	case api.Evaluation:
		saw(ctx, shownBy(a)...)
	}
}

// shownBy are the instances that an evaluation names, each once.
func shownBy(e api.Evaluation) []string {
	all := map[string]bool{}
	for _, c := range e.Cells {
		for _, one := range c.Cases {
			all[one.ID] = true
		}
	}
	for _, m := range e.Mistakes {
		all[m.ID] = true
		for _, n := range m.Neighbours {
			all[n.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// concerns tells the audit log what else a request is about, by an identifier
// that is of no patient: that of a key, for example.
func concerns(ctx context.Context, object string) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.object = object
	}
}

// counted tells the audit log how many of something a request concerns.
func counted(ctx context.Context, what string, n int) {
	if t, ok := ctx.Value(trailKey{}).(*trail); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.add(what, n)
	}
}

func (t *trail) add(what string, n int) {
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[what] += n
	t.added = true
}

// into completes an entry with what there is to record so far, and reports
// whether there is more than the last time.
func (t *trail) into(e *audit.Entry) (added bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Object, e.Subjects, e.Counts = t.object, slices.Clone(t.subjects), maps.Clone(t.counts)
	added, t.added = t.added, false
	return added
}

// note records something that need not be durable before an answer. What cannot
// be recorded is in the server's log.
func (g *gatekeeper) note(c echo.Context, e audit.Entry) {
	if g.Audit == nil {
		return
	}
	if err := g.Audit.Note(c.Request().Context(), filled(c, e)); err != nil {
		g.logger.Error("not recorded in the audit log", "error", err, "operation", e.Operation)
	}
}

// filled is an entry with what every one has.
func filled(c echo.Context, e audit.Entry) audit.Entry {
	e.Time, e.Remote = time.Now(), c.RealIP()
	e.Request, _ = c.Get(requestKey).(string)
	return e
}

// refused records who was not let in. Strangers are recorded once a second at
// most, so that they cannot fill a disk.
func (g *gatekeeper) refused(c echo.Context, who caller, o *operation, err error) {
	if who.name != "" || g.denials.Allow() {
		collection, _ := collectionOf(c)
		g.note(c, audit.Entry{Operation: o.OperationID, Collection: collection, Key: who.name, Status: toProblem(err).Status})
	}
}

// witness writes the answer to a change only once the change is recorded.
type witness struct {
	http.ResponseWriter
	c      echo.Context
	keeper *gatekeeper
	entry  audit.Entry // who and what
	trail  *trail

	status  int // that was recorded; 0: none yet
	refused bool
}

// Unwrap is for http.ResponseController.
func (r *witness) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *witness) WriteHeader(status int) {
	if r.status != 0 {
		return
	}
	if err := r.record(status); err != nil {
		r.refuse(err)
		return
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer. What comes after a refusal is of the answer that
// it took the place of.
func (r *witness) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.refused {
		return len(p), nil
	}
	return r.ResponseWriter.Write(p)
}

// record makes durable what was done.
func (r *witness) record(status int) error {
	r.status, r.entry.Status = status, status
	r.trail.into(&r.entry)
	return r.keeper.Audit.Commit(context.WithoutCancel(r.c.Request().Context()), filled(r.c, r.entry))
}

// finish records what was added after the answer began, as in streams, and what was
// done for a sender who has left before it did.
func (r *witness) finish() error {
	e := r.entry
	if added := r.trail.into(&e); r.status != 0 && !added {
		return nil
	}
	return r.record(cmp.Or(r.status, statusGone))
}

// refuse answers that the change is not recorded, in place of what was to be
// answered.
func (r *witness) refuse(err error) {
	r.refused = true
	r.keeper.logger.Error("a change was made and is not recorded in the audit log", "error", err, "operation", r.entry.Operation, "request", r.entry.Request)
	p := unrecorded("the change was made and could not be recorded")
	p.RequestID, _ = r.c.Get(requestKey).(string)
	body := fmt.Appendf(nil, `{"type":%q,"title":%q,"status":%d,"detail":%q,"code":%q,"request_id":%q}`+"\n", p.Type, p.Title, p.Status, p.Detail, p.Code, p.RequestID)
	h := r.Header()
	h.Set(echo.HeaderContentType, problem.MediaType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	h.Set(echo.HeaderRetryAfter, "5")
	h.Del(echo.HeaderContentEncoding)
	r.ResponseWriter.WriteHeader(p.Status)
	_, _ = r.ResponseWriter.Write(body)
	r.c.Response().Status = p.Status
}

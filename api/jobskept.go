package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/store"
)

// jobKind is the kind of document that a job is.
const jobKind = "job"

// maxKept is how many bytes of a result are kept beyond the end of the program.
const maxKept = 48 << 20

// newID returns a name that cannot be guessed.
func newID() string { return rand.Text() }

// jobDocument is a job as it is kept.
type jobDocument struct {
	Job
	Of      time.Time       `json:"of,omitzero"`
	Lasting bool            `json:"lasting,omitempty"`
	Bare    bool            `json:"bare,omitempty"`
	Kept    json.RawMessage `json:"kept,omitempty"`
	Failure *failure        `json:"failure,omitempty"`
}

// failure is an error as it is kept: what it says, and what it is.
type failure struct {
	Text string   `json:"text"`
	Is   []string `json:"is,omitempty"`
}

// Error returns what the error said.
func (f *failure) Error() string { return f.Text }

// Unwrap returns what the error was.
func (f *failure) Unwrap() (is []error) {
	for _, sentinel := range jobErrors() {
		if slices.Contains(f.Is, sentinel.Error()) {
			is = append(is, sentinel)
		}
	}
	return is
}

// jobErrors are the errors that are told from others after a restart, by what they
// say.
func jobErrors() []error {
	return []error{
		ErrCancelled, ErrInterrupted, ErrQuery, ErrModel, ErrUnusable, ErrRuntime, ErrNotEnough, ErrSource, ErrChanged, ErrVersion, ErrKey, ErrNotErased, ErrExpected, ErrReembedding, ErrNotKept, ErrNoBackup, ErrNoFolder,
		store.ErrCollection, store.ErrInstance, store.ErrFingerprint, store.ErrTask, store.ErrClass, store.ErrInvalid,
		store.ErrExists, store.ErrShadow, store.ErrBehind, store.ErrRecall, store.ErrDamaged, store.ErrFull, store.ErrQuota, store.ErrBackup, probe.ErrNotEnough, eval.ErrFolds, eval.ErrEmpty, eval.ErrOneClass, syscall.ENOSPC,
	}
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error()}
	for _, sentinel := range jobErrors() {
		if errors.Is(err, sentinel) {
			f.Is = append(f.Is, sentinel.Error())
		}
	}
	return f
}

// retold is an error without what its text may name.
func retold(err error) error {
	f := failureOf(err)
	if f.Text = "the reason was erased"; len(f.Is) > 0 {
		f.Text = f.Is[0]
	}
	return f
}

// load reads the jobs that are kept, unless that is done.
func (j *jobs) load(ctx context.Context) error {
	j.loading.Lock()
	defer j.loading.Unlock()
	if j.loaded {
		return nil
	}
	found, err := j.catalog.Documents(context.WithoutCancel(ctx), jobKind)
	if errors.Is(err, store.ErrDamaged) {
		j.logger.Error("jobs cannot be read", "error", err)
	} else if err != nil {
		return fmt.Errorf("read jobs: %w", err)
	}
	var all []*job
	for _, d := range found {
		one, err := j.read(d.Data)
		if err != nil {
			j.logger.Error("a job cannot be read", "job", d.Name, "error", err)
			continue
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b *job) int { return a.Created.Compare(b.Created) })
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all, j.loaded = all, true
	return nil
}

// read returns a job that is kept. One that has not ended waits.
func (j *jobs) read(data []byte) (*job, error) {
	var d jobDocument
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, err
	}
	one := &job{Job: d.Job, of: d.Of, lasting: d.Lasting, bare: d.Bare, kept: d.Kept}
	if d.Failure != nil {
		one.Err = d.Failure
	}
	j.prepare(one)
	if one.HasEnded() {
		close(one.ended)
		return one, nil
	}
	one.State, one.Started, one.waiting, one.resuming = JobQueued, time.Time{}, true, true
	return one, nil
}

// save keeps a job as it is.
func (j *jobs) save(one *job) error {
	one.keeping.Lock() // so that what is newer is written later
	defer one.keeping.Unlock()
	j.mu.Lock()
	d := jobDocument{Job: one.Job, Of: one.of, Lasting: one.lasting, Bare: one.bare, Kept: one.kept, Failure: failureOf(one.Err)}
	one.savedAt = time.Now()
	j.mu.Unlock()
	if len(d.Result) > maxKept {
		d.Result, d.Dropped = nil, true
	}
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode job %s: %w", d.ID, err)
	}
	return j.catalog.SaveDocument(context.Background(), jobKind, d.ID, data)
}

// saveLogged is save where nobody waits for it: the job goes on.
func (j *jobs) saveLogged(one *job) {
	if err := j.save(one); err != nil {
		j.logger.Error("job not kept: a restart will not know how it went", "job", one.ID, "error", err)
	}
}

// dropAll removes jobs that are forgotten.
func (j *jobs) dropAll(ids []string) {
	for _, id := range ids {
		if err := j.catalog.DropDocument(context.Background(), jobKind, id); err != nil {
			j.logger.Error("job not removed", "job", id, "error", err)
		}
	}
}

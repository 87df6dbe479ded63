// Package problem is how an error of nearcase travels over HTTP: as a problem
// document of RFC 9457. One table ties each condition a caller can act on to
// its code and status, so that the server which answers with a problem and the
// client which reads it agree on what it means.
package problem

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
)

// MediaType of a problem document.
const MediaType = "application/problem+json"

// Problem is a problem document. As an error it matches the sentinel that its
// code stands for: errors.Is(p, store.ErrCollection).
type Problem struct {
	// Type is a URI for the kind of problem; it ends in the code.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Instance is the path that was asked for.
	Instance string `json:"instance,omitempty"`
	Code     Code   `json:"code"`
	// RequestID is the one under which the server's log has the request.
	RequestID string `json:"request_id,omitempty"`
	// Errors are the parts of the request that failed, where it has parts.
	Errors []Item `json:"errors,omitempty"`
}

// Item is what became of one part of a request, such as one image of many.
type Item struct {
	// Index counts the parts from 0.
	Index int    `json:"index"`
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	// ETag of the instance that the part has become, if it is one.
	ETag string `json:"etag,omitempty"`
	// Instances that an image with several frames became, if more than one.
	Instances int `json:"instances,omitempty"`
	// Status is failed, or says how the part was stored.
	Status  string   `json:"status"`
	Problem *Problem `json:"problem,omitempty"`
}

// Batch is the answer to a request of many parts.
type Batch struct {
	Counts Counts `json:"counts"`
	Items  []Item `json:"items"`
}

// Counts of a Batch.
type Counts struct {
	OK     int `json:"ok"`
	Failed int `json:"failed"`
}

// Add appends an item and counts it.
func (b *Batch) Add(i Item) {
	b.Counts.Add(i)
	b.Items = append(b.Items, i)
}

// Add counts an item.
func (c *Counts) Add(i Item) {
	if i.Problem != nil {
		c.Failed++
	} else {
		c.OK++
	}
}

// Error returns the detail, after the title where the detail does not already
// say it. Of the server's own failures it names the request.
func (p *Problem) Error() string {
	text := p.Title + ": " + p.Detail
	if p.Detail == "" || strings.Contains(p.Detail, p.Title) {
		text = cmp.Or(p.Detail, p.Title)
	}
	if p.Status >= http.StatusInternalServerError && p.RequestID != "" {
		text += " (request " + p.RequestID + ")"
	}
	return text
}

// Unwrap returns the sentinel of the problem's code, nil if it has none.
func (p *Problem) Unwrap() error { return p.Code.row().err }

// New returns a problem with a code of the table.
func New(code Code, detail string) *Problem {
	r := code.row()
	return r.problem(r.status, detail)
}

// Of returns the problem that an error is. A Problem is returned as it is. What
// the table does not know is a problem of the server, and the detail of those
// is left out: it concerns the server's log alone.
func Of(err error) *Problem {
	p, _ := of(err)
	return p
}

// InBody is Of for an error about what the body of a request names: what is
// not there is then a fault of the content, not of the address.
func InBody(err error) *Problem {
	p, r := of(err)
	if r.inBody != 0 {
		return r.problem(r.inBody, err.Error())
	}
	return p
}

// of is the problem that an error of the row is. What the system says stays in the
// log: it names files.
func (r row) of(err error) *Problem {
	p := r.problem(r.status, err.Error())
	if r.told && !errors.Is(err, r.also) {
		p.Detail = err.Error()
	}
	return p
}

func (r row) matches(err error) bool {
	return r.err != nil && (errors.Is(err, r.err) || r.also != nil && errors.Is(err, r.also))
}

func of(err error) (*Problem, row) {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p, row{}
	}
	for _, r := range table {
		if r.matches(err) {
			return r.of(err), r
		}
	}
	return New(Internal, ""), row{}
}

package rest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/api/problem"
)

// labelsAtOnce is how many lines are stored together, and maxLabelLine how many
// bytes one may have.
const (
	labelsAtOnce = 1000
	maxLabelLine = 64 << 10
)

// labelledLines is the answer to labels that come as lines: the items are those
// that could not be stored.
type labelledLines struct {
	problem.Batch
	api.Labelled
}

// labelLines stores the labels of a body of lines, each that can be. What stops it
// once some are stored is the last item of the answer, and not the answer.
func (s *Server) labelLines(c echo.Context, name string) error {
	lines := newLineReader(limited(c, s.MaxBody), maxLabelLine)
	answer := labelledLines{Batch: problem.Batch{Items: []problem.Item{}}}
	for n := 0; ; n += labelsAtOnce {
		more, err := s.labelNext(c, name, n, lines, &answer)
		switch {
		case err != nil && (answer.Counts.OK == 0 || gone(c)):
			return err
		case err != nil:
			answer.Batch.Add(s.unlabelled(c, n, api.LabelRequest{}, err))
			return s.labelled(c, answer)
		case !more:
			return s.labelled(c, answer)
		}
	}
}

// labelNext stores the next labels, the first of which is line n, and reports whether
// there may be more.
func (s *Server) labelNext(c echo.Context, name string, n int, lines *lineReader, answer *labelledLines) (more bool, err error) {
	requests, unread, err := readLabels(lines)
	if err == nil && n+len(requests) > maxLines {
		err = problem.New(problem.BodyTooLarge, fmt.Sprintf("the limit is %d lines", maxLines))
	}
	if err != nil {
		return false, err
	}
	return len(requests) == labelsAtOnce, s.labelSome(c, name, n, requests, unread, answer)
}

// unlabelled is what is told of a label that is not stored.
func (s *Server) unlabelled(c echo.Context, line int, r api.LabelRequest, err error) problem.Item {
	i := problem.Item{Index: line, ID: r.Instance, Status: "failed", Problem: problem.InBody(err)}
	if i.Problem.Status >= http.StatusInternalServerError {
		s.failed(c, err)
	}
	return i
}

// readLabels reads the next labels, and what is wrong with lines that are none, by
// line.
func readLabels(lines *lineReader) (requests []api.LabelRequest, unread map[int]error, err error) {
	unread = map[int]error{}
	for len(requests) < labelsAtOnce {
		text, large, err := lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		var r api.LabelRequest
		if large {
			unread[len(requests)] = problem.New(problem.JSONInvalid, fmt.Sprintf("a line of more than %d bytes, which is the limit", lines.most))
		} else if err := decodeJSON(bytes.NewReader(text), &r); err != nil {
			unread[len(requests)] = err
		}
		requests = append(requests, r)
	}
	return requests, unread, nil
}

// labelSome stores what can be stored of some labels, the first of which is line n.
func (s *Server) labelSome(c echo.Context, name string, n int, requests []api.LabelRequest, unread map[int]error, answer *labelledLines) error {
	var some []api.LabelRequest
	var places []int
	for i, r := range requests {
		if unread[i] == nil {
			some, places = append(some, r), append(places, i)
		}
	}
	for _, r := range some {
		saw(c.Request().Context(), r.Instance)
	}
	done, refused, err := s.service.LabelEach(c.Request().Context(), name, some)
	answer.Labelled.Add(done)
	answer.Counts.OK += done.Labels
	if err != nil {
		return err
	}
	for i, at := range places {
		if refused[i] != nil {
			unread[at] = refused[i]
		}
	}
	for i, r := range requests {
		if unread[i] != nil {
			answer.Batch.Add(s.unlabelled(c, n+i, r, unread[i]))
		}
	}
	return nil
}

func (s *Server) labelled(c echo.Context, answer labelledLines) error {
	switch {
	case answer.Counts.OK == 0 && answer.Counts.Failed == 0:
		return problem.New(problem.JSONInvalid, "no lines; each is a label")
	case answer.Counts.OK == 0:
		first := *answer.Items[0].Problem
		first.Errors = answer.Items
		return &first
	case answer.Counts.Failed > 0:
		return reply(c, http.StatusMultiStatus, answer)
	}
	return reply(c, http.StatusOK, answer)
}

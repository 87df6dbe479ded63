package rest

import (
	"time"

	"github.com/labstack/echo/v4"
)

// Ended is what is told of a request that has ended. Nothing of it can name a
// patient or an instance.
type Ended struct {
	// Operation is its ID in the contract; empty where there is no such.
	Operation string
	// Collection that it is about, if that is one there is.
	Collection string
	Status     int
	Took       time.Duration
	// Received and Sent are the bytes of its bodies.
	Received, Sent int64
	// Key is the ID of the API key, or what stands for a token; empty without.
	Key string
}

// observed tells who observes that a request begins, and returns what tells how it
// ended.
func (s *Server) observed(c echo.Context, id string) func(Ended) {
	if s.Observe == nil {
		return func(Ended) {}
	}
	ctx, end := s.Observe(c.Request(), id)
	c.SetRequest(c.Request().WithContext(ctx))
	return end
}

// ended is what there is to tell of a request.
func (s *Server) ended(c echo.Context, took time.Duration) Ended {
	e := Ended{Status: c.Response().Status, Took: took, Sent: c.Response().Size}
	if o := asked(c); o != nil {
		e.Operation = o.OperationID
	}
	if b, ok := c.Get(bodyKey).(*pacedBody); ok {
		e.Received = b.taken.Load()
	}
	ctx := c.Request().Context()
	if who, ok := ctx.Value(callerKey{}).(caller); ok {
		e.Key = who.name
	}
	if name, is := collectionOf(c); is && s.begun.Load() {
		if known, err := s.service.Catalog.Collection(ctx, name); err == nil {
			e.Collection = known.Name
		}
	}
	return e
}

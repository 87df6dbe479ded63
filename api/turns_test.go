package api

import (
	"context"
	"errors"
	"testing"
)

// waits begins to wait for a turn, and returns what tells that it has one. It returns
// once the wait has begun.
func waits(t *testing.T, of *turns, last bool) <-chan struct{} {
	t.Helper()
	has, take, queue := make(chan struct{}), of.take, &of.first
	if last {
		take, queue = of.takeLast, &of.last
	}
	length := func() int {
		of.mu.Lock()
		defer of.mu.Unlock()
		return len(*queue)
	}
	before := length()
	go func() {
		if err := take(context.Background()); err == nil {
			close(has)
		}
	}()
	for length() == before {
	}
	return has
}

// Who cannot wait has the next turn, whoever came first; but who can has one in so many,
// and no turn is lost when somebody gives up the wait.
func TestWhoCannotWaitGoesFirst(t *testing.T) {
	of := newTurns(1)
	if err := of.take(t.Context()); err != nil || of.taken() != 1 {
		t.Fatal(err, of.taken())
	}
	patient := waits(t, of, true)
	for n := range patience {
		first := waits(t, of, false)
		of.leave()
		<-first
		select {
		case <-patient:
			t.Fatalf("turn %d went to who can wait", n+1)
		default:
		}
	}
	first := waits(t, of, false)
	of.leave()
	<-patient
	of.leave()
	<-first
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- of.take(ctx) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("take of a context that ends: got %v", err)
	}
	of.leave()
	if of.taken() != 0 {
		t.Errorf("taken in the end: got %d, want 0", of.taken())
	}
}

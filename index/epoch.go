package index

import "sync/atomic"

// epochs tells when everything that was reachable at some moment has become
// unreachable: the part of read-copy-update that Go's garbage collector does
// not do for rows of an array (Fraser, "Practical lock-freedom", 2004).
//
// Readers enter and leave; nobody ever waits. What is unlinked in epoch e can
// be used again from epoch e+2 on, because advancing to it needs every reader
// that entered in e to have left.
type epochs struct {
	now     atomic.Uint64
	readers [2]atomic.Int64 // of the epochs with this parity
}

// enter notes a reader and returns the ticket to leave with.
func (e *epochs) enter() (ticket uint64) {
	for {
		now := e.now.Load()
		e.readers[now&1].Add(1)
		if e.now.Load() == now {
			return now & 1
		}
		e.readers[now&1].Add(-1)
	}
}

func (e *epochs) leave(ticket uint64) { e.readers[ticket].Add(-1) }

// advance begins the next epoch if no reader of the one before this is left,
// and returns the present epoch. Only one goroutine at a time may call it.
func (e *epochs) advance() uint64 {
	now := e.now.Load()
	if e.readers[(now+1)&1].Load() == 0 {
		now++
		e.now.Store(now)
	}
	return now
}

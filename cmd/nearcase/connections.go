package main

import (
	"net"
	"sync"
)

// Descriptors that are not for connections: those that the store and the models have
// open, and those that are needed to answer.
const (
	ownDescriptors = 96
	// perConnection is how many one may need: itself, a body on the disk, an image
	// that is written or read.
	perConnection   = 3
	leastConnection = 4
	mostConnections = 10_000
)

// connections is how many there may be at a time: what is configured, or what the
// descriptors of the process leave.
func (c config) connections() int {
	if c.Limits.Connections > 0 {
		return c.Limits.Connections
	}
	n, err := descriptors()
	if err != nil {
		return mostConnections
	}
	return connectionsOf(n)
}

// connectionsOf leaves to the store what it needs of n descriptors.
func connectionsOf(n uint64) int {
	left := int(min(n, 1<<30)) - ownDescriptors
	return min(max(left/perConnection, leastConnection), mostConnections)
}

// tellDescriptors warns where the limit of open files is so low that requests may be
// refused for it.
func (r *running) tellDescriptors() {
	if n, err := descriptors(); err == nil && n < leastDescriptors {
		r.logger.Warn("few files and connections may be open: raise the limit", "limit", n, "enough", leastDescriptors, "connections", r.c.connections())
	}
}

// limitedListener accepts no more connections at a time than it has places for;
// others wait until one ends.
type limitedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limitListener(l net.Listener, n int) *limitedListener {
	return &limitedListener{Listener: l, places: make(chan struct{}, n), closed: make(chan struct{})}
}

// isCrowded reports whether more than half of the places are taken.
func (l *limitedListener) isCrowded() bool { return 2*len(l.places) > cap(l.places) }

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placedConn{Conn: c, free: func() { <-l.places }}, nil
}

// Close implements net.Listener.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// placedConn gives its place back when it is closed.
type placedConn struct {
	net.Conn
	once sync.Once
	free func()
}

// Close implements net.Conn.
func (c *placedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.free)
	return err
}

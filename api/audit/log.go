package audit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"nearcase/store/disk"
)

// Options of Open. The zero value works.
type Options struct {
	// MaxFile is how many bytes a file may have before the next is begun; 0
	// means 64 MiB.
	MaxFile int64
	// Queue is how many entries may wait to be written; 0 means 4096.
	Queue int
	// Delay is how long an entry of Note may not be durable yet; 0 means one
	// second.
	Delay time.Duration
	// Files is where the folder is; nil is the operating system's file system.
	Files disk.FS
}

func (o Options) filled() Options {
	if o.MaxFile <= 0 {
		o.MaxFile = 64 << 20
	}
	if o.Queue <= 0 {
		o.Queue = 4096
	}
	if o.Delay <= 0 {
		o.Delay = time.Second
	}
	if o.Files == nil {
		o.Files = disk.System{}
	}
	return o
}

// Log is a record that is being written. Its methods are safe for concurrent
// use.
type Log struct {
	*Seal
	options Options
	dir     string

	mu     sync.RWMutex // read by those who send to queue
	closed bool
	queue  chan queued
	ended  chan struct{}

	fails atomic.Pointer[error] // why the last entries were not written; nil: they were

	// Of the goroutine that writes.
	w    writer
	lost int // entries of Note that were not written
}

// queued is an entry that waits to be written.
type queued struct {
	Entry
	done chan error // told when the entry is durable; nil if nobody waits
}

// Open opens the record in a folder, which it makes if there is none; one
// process at a time may. What a crash left at the end, beyond what was durable,
// is cut off and the record says so. It is ErrTampered if the newest file or
// the head is not as it was written; Verify looks at all files.
func Open(dir string, s *Seal, o Options) (*Log, error) {
	o = o.filled()
	l := &Log{Seal: s, options: o, dir: dir, queue: make(chan queued, o.Queue), ended: make(chan struct{})}
	cut, err := l.w.open(dir, s, o)
	if err != nil {
		return nil, fmt.Errorf("open audit log %s: %w", dir, err)
	}
	go l.write()
	if cut > 0 {
		e := Entry{Time: time.Now(), Operation: "audit.cut", Counts: map[string]int{"bytes": int(cut)}}
		if err := l.Commit(context.Background(), e); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// Note adds an entry that need not be durable at once. It waits while the queue
// is full. An entry that cannot be written later is counted, and the count is
// written when that is possible again.
func (l *Log) Note(ctx context.Context, e Entry) error {
	return l.send(ctx, queued{Entry: e})
}

// Commit adds an entry and returns when it is durable. Those who commit at the
// same time share what that takes.
func (l *Log) Commit(ctx context.Context, e Entry) error {
	q := queued{Entry: e, done: make(chan error, 1)}
	if err := l.send(ctx, q); err != nil {
		return err
	}
	return <-q.done
}

func (l *Log) send(ctx context.Context, q queued) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return ErrClosed
	}
	select {
	case l.queue <- q:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("audit log: %w", ctx.Err())
	}
}

// Ready returns nil if entries are being written. After a failure it tries
// whether they can be again.
func (l *Log) Ready(ctx context.Context) error {
	l.mu.RLock()
	closed := l.closed
	l.mu.RUnlock()
	if closed {
		return ErrClosed
	}
	if l.fails.Load() == nil {
		return nil
	}
	return l.Commit(ctx, Entry{Time: time.Now(), Operation: "audit.resumed"})
}

// Close writes what waits. Calls after it return ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.queue)
	l.mu.Unlock()
	<-l.ended
	return l.w.close()
}

// write writes what is queued until Close.
func (l *Log) write() {
	defer close(l.ended)
	var later <-chan time.Time
	for {
		select {
		case q, ok := <-l.queue:
			if !ok {
				return
			}
			l.add(l.gather(q))
			if later == nil {
				later = time.After(l.options.Delay)
			}
		case <-later:
			later = nil
			if err := l.w.sync(); err != nil {
				l.failed(err)
			}
		}
	}
}

// gather returns an entry and those that wait already, up to a megabyte or so.
func (l *Log) gather(first queued) []queued {
	batch := []queued{first}
	for len(batch) < 512 {
		select {
		case q, ok := <-l.queue:
			if !ok {
				return batch
			}
			batch = append(batch, q)
		default:
			return batch
		}
	}
	return batch
}

// add writes a batch, durably if somebody waits for one of it, and before it
// how many entries were lost.
func (l *Log) add(batch []queued) {
	var entries []Entry
	if l.lost > 0 {
		entries = append(entries, Entry{Time: time.Now(), Operation: "audit.lost", Counts: map[string]int{"entries": l.lost}})
	}
	waited := 0
	for _, q := range batch {
		entries = append(entries, q.Entry)
		if q.done != nil {
			waited++
		}
	}
	err := l.w.add(entries, waited > 0)
	if err == nil {
		l.lost = 0
	} else {
		l.lost += len(batch) - waited
	}
	if err == nil && waited > 0 {
		err = l.w.sync()
	}
	l.failed(err)
	for _, q := range batch {
		if q.done != nil {
			q.done <- err
		}
	}
}

// failed remembers whether entries are being written.
func (l *Log) failed(err error) {
	if err == nil {
		l.fails.Store(nil)
		return
	}
	err = fmt.Errorf("write audit log %s: %w", filepath.Base(l.dir), err)
	l.fails.Store(&err)
}

// makeDir makes a folder that only this user can read.
func makeDir(in disk.FS, dir string) error {
	if err := in.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return in.SyncDir(filepath.Dir(dir))
}

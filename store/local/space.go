package local

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"nearcase/store"
)

// Space is how much of the disk a catalog leaves, and what it keeps for itself. The
// zero value leaves no more than it needs to go on.
type Space struct {
	// Floor is how many bytes stay free: nothing that makes the store larger is
	// taken below it (store.ErrFull). Deletions, erasures and all reading go on.
	Floor int64
	// Ballast is the size of a file that only takes room. It is removed where there
	// is too little left for what must go on, and made again when there is enough.
	Ballast int64
}

// ballastFile takes the room of Space.Ballast.
const ballastFile = "ballast"

// freshFor is how long a measurement of the disk counts; what is written meanwhile
// is subtracted.
const freshFor = 20 * time.Millisecond

// ballastEvery is how often it is looked whether the ballast is to go or to come.
const ballastEvery = time.Second

// space is what is left of the disk. Its methods are safe for concurrent use.
type space struct {
	Space
	files  files
	dir    string
	needs  int64 // what the log may take of a sudden: tables, and merging some
	logger *slog.Logger

	mu       sync.Mutex
	measured time.Time
	free     int64
	unknown  bool  // the system does not say
	short    bool  // something was refused, and there is not more since
	held     int64 // bytes of the ballast that is there
	barren   bool  // a ballast cannot be made on this file system
	refused  atomic.Int64
}

// take takes n bytes of the disk for what makes the store larger, or refuses with
// store.ErrFull. Once it has refused there must be a sixteenth more.
func (s *space) take(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measure(freshFor)
	need := max(s.Floor, s.needs) + s.Ballast - s.held
	if s.barren {
		need = max(s.Floor, s.needs)
	}
	if s.short {
		need += need / 16
	}
	if s.unknown || s.free-n >= need {
		s.free -= n
		s.turn(false)
		return nil
	}
	s.refused.Add(1)
	s.turn(true)
	return fmt.Errorf("%w: %d bytes are free and %d are to stay so: make room, or delete images and compact", store.ErrFull, max(0, s.free), need)
}

// turn notes whether there is too little, and tells the log of a change.
func (s *space) turn(short bool) {
	if s.short == short {
		return
	}
	if s.short = short; short {
		s.logger.Warn("too little of the disk is free: nothing is stored until there is more", "free", s.free, "floor", s.Floor)
	} else {
		s.logger.Info("enough of the disk is free again", "free", s.free)
	}
}

// isShort reports whether what can be made again is better not stored.
func (s *space) isShort(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measure(freshFor)
	return !s.unknown && s.free-n < max(s.Floor, s.needs)
}

// spare makes sure of n bytes for what must go on, and gives the ballast for it.
func (s *space) spare(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.measure(0); s.unknown || s.free >= n {
		return nil
	}
	if err := s.drop(); err != nil {
		return err
	}
	if s.measure(0); s.unknown || s.free >= n {
		return nil
	}
	return fmt.Errorf("%w: %d bytes are free, and the log needs %d", store.ErrFull, max(0, s.free), n)
}

// has refuses what needs n bytes and can be done later: the ballast stays.
func (s *space) has(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.measure(freshFor); s.unknown || s.free >= n {
		return nil
	}
	return fmt.Errorf("%w: %d bytes are free, and this needs %d", store.ErrFull, max(0, s.free), n)
}

// measure asks the system unless it has been asked since.
func (s *space) measure(since time.Duration) {
	if since > 0 && time.Since(s.measured) < since {
		return
	}
	free, err := s.files.Free(s.dir)
	s.free, s.unknown, s.measured = int64(min(free, 1<<62)), err != nil, time.Now()
}

// watchSpace keeps the ballast, and lets the log merge tables again once there is room
// for it, until the catalog is closed.
func (l *Catalog) watchSpace() {
	every := time.NewTicker(ballastEvery)
	defer every.Stop()
	for {
		l.space.balance()
		if err := l.awaken(); err != nil && l.ctx.Err() == nil {
			l.Logger.Warn("the log does not merge tables", "reason", err)
		}
		select {
		case <-l.ctx.Done():
			return
		case <-every.C:
		}
	}
}

// awaken opens a log again that does not merge tables for want of room, where there
// is enough now.
func (l *Catalog) awaken() error {
	isStill := false
	if err := l.using(func() error { isStill = l.isStill(); return nil }); err != nil || !isStill || l.failed.Load() != nil || l.space.has(2*l.space.needs) != nil {
		return nil // it is being opened or closed, or there is nothing to do
	}
	return l.alone(l.ctx, func() error {
		l.lockReading()
		defer l.reading.Unlock()
		err := l.closeLog()
		if err == nil {
			err = l.openAgain()
		}
		if err != nil {
			err = l.stop("open the log again", err)
			l.away = err
		}
		return err
	})
}

// isStill reports whether the log was opened where there was no room to merge tables.
func (l *Catalog) isStill() bool { return l.db.Opts().NumCompactors == 0 }

// balance makes the ballast where there is room for it.
func (s *space) balance() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found()
	if s.measure(freshFor); s.unknown || s.barren || s.held >= s.Ballast || s.free < s.needs+2*s.Ballast {
		return
	}
	if err := s.load(); err != nil {
		s.logger.Warn("the ballast is not as it should be", "reason", err)
	}
}

// drop removes the ballast. The caller holds the lock.
func (s *space) drop() error {
	if err := s.files.remove(filepath.Join(s.dir, ballastFile)); err != nil {
		return fmt.Errorf("remove ballast: %w", err)
	}
	if s.held > 0 {
		s.logger.Warn("the ballast is given up: the disk is full", "bytes", s.held)
	}
	s.held, s.measured = 0, time.Time{}
	return nil
}

// load makes the ballast. The caller holds the lock.
func (s *space) load() error {
	err := reserve(filepath.Join(s.dir, ballastFile), s.Ballast)
	if errors.Is(err, errors.ErrUnsupported) {
		s.barren = true
		return s.drop()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make ballast: %w", err), s.drop())
	}
	s.held, s.measured = s.Ballast, time.Time{}
	return nil
}

// found notes the ballast that is there, from before or after a log was opened.
func (s *space) found() {
	s.held = 0
	if info, err := s.files.Stat(filepath.Join(s.dir, ballastFile)); err == nil {
		s.held = min(occupied(info), s.Ballast)
	}
}

// Room is what is left of the disk of a catalog.
type Room struct {
	// Free bytes; -1 where the system does not say.
	Free int64 `json:"free"`
	// Floor below which nothing is stored, and Ballast that is there.
	Floor   int64 `json:"floor"`
	Ballast int64 `json:"ballast"`
	// Short tells that something was refused, and Refused how often since the start.
	Short   bool  `json:"short"`
	Refused int64 `json:"refused"`
}

// Room says what is left of the disk.
func (l *Catalog) Room() Room {
	s := &l.space
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measure(freshFor)
	r := Room{Free: s.free, Floor: max(s.Floor, s.needs), Ballast: s.held, Short: s.short, Refused: s.refused.Load()}
	if s.unknown {
		r.Free = -1
	}
	return r
}

// smallDocument is how large one may be that is taken whatever is left: jobs and
// receipts of what is deleted are.
const smallDocument = 1 << 20

// takesDocument refuses a document for which there is no room.
func (l *Catalog) takesDocument(bytes int) error {
	if bytes > smallDocument {
		return l.space.take(int64(bytes))
	}
	return l.space.spare(int64(bytes) + 64<<10)
}

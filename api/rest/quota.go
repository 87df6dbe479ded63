package rest

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Quota is what one caller may ask: one API key, one subject of tokens, or one
// address of those who need neither. Zero means no limit.
type Quota struct {
	// Requests a second, and how many at once after a while without.
	Requests float64
	Burst    int
	// Bytes a second of bodies and answers, over ten seconds.
	Bytes int64
	// Concurrent is how many requests may be under way.
	Concurrent int
}

// Limits on what is kept of callers. Those beyond share one quota until others
// have been away for a while, so that many addresses are not many quotas.
const (
	maxMeters    = 10_000
	forgetAfter  = time.Minute
	sweepEvery   = time.Second
	bytesSeconds = 10
)

// meters hold what callers have used of their quotas.
type meters struct {
	quota Quota

	mu    sync.Mutex
	all   map[string]*meter
	many  *meter // of all beyond maxMeters
	swept time.Time
}

type meter struct {
	requests *rate.Limiter // nil: no limit
	bytes    *rate.Limiter
	underWay int
	last     time.Time
}

func newMeters(q Quota) *meters {
	return &meters{quota: q, all: map[string]*meter{}, many: newMeter(q)}
}

func newMeter(q Quota) *meter {
	m := &meter{}
	if q.Requests > 0 {
		m.requests = rate.NewLimiter(rate.Limit(q.Requests), max(q.Burst, 1))
	}
	if q.Bytes > 0 {
		m.bytes = rate.NewLimiter(rate.Limit(q.Bytes), int(min(bytesSeconds*q.Bytes, math.MaxInt32)))
	}
	return m
}

// refusedFor says which quota is used up and for how long.
type refusedFor struct {
	what  string
	again time.Duration
}

// enter counts a request of a caller. If it may go on, leave is to be called
// with the bytes it took; otherwise it is refused.
func (m *meters) enter(caller string, now time.Time) (leave func(bytes int64), refused *refusedFor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	used := m.of(caller, now)
	used.last = now
	if m.quota.Concurrent > 0 && used.underWay >= m.quota.Concurrent {
		return nil, &refusedFor{"requests under way", time.Second}
	}
	if used.bytes != nil {
		if left := used.bytes.TokensAt(now); left < 0 {
			return nil, &refusedFor{"bytes", time.Duration(-left / float64(used.bytes.Limit()) * float64(time.Second))}
		}
	}
	if used.requests != nil && !used.requests.AllowN(now, 1) {
		missing := 1 - used.requests.TokensAt(now)
		return nil, &refusedFor{"requests", time.Duration(missing / float64(used.requests.Limit()) * float64(time.Second))}
	}
	used.underWay++
	return func(bytes int64) { m.leave(used, bytes) }, nil
}

// leave counts the bytes of a request that is over. What is beyond the quota is
// owed: later requests wait for it.
func (m *meters) leave(used *meter, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	used.underWay--
	if used.bytes == nil {
		return
	}
	now := time.Now()
	for most := int64(used.bytes.Burst()); bytes > 0; bytes -= most {
		used.bytes.ReserveN(now, int(min(bytes, most)))
	}
}

// of returns the meter of a caller.
func (m *meters) of(caller string, now time.Time) *meter {
	if used, ok := m.all[caller]; ok {
		return used
	}
	if len(m.all) >= maxMeters && now.Sub(m.swept) >= sweepEvery {
		m.sweep(now)
	}
	if len(m.all) >= maxMeters {
		return m.many
	}
	used := newMeter(m.quota)
	m.all[caller] = used
	return used
}

// sweep forgets callers that have been away so long that their quotas are whole.
func (m *meters) sweep(now time.Time) {
	m.swept = now
	for caller, used := range m.all {
		if used.underWay == 0 && now.Sub(used.last) >= forgetAfter && isFull(used.requests, now) && isFull(used.bytes, now) {
			delete(m.all, caller)
		}
	}
}

func isFull(l *rate.Limiter, now time.Time) bool {
	return l == nil || l.TokensAt(now) >= float64(l.Burst())
}

// neighbourhood is the part of an address by which quotas go: all of it, or the
// network of IPv6, of which one sender has all addresses.
func neighbourhood(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	network, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

// gate lets so many of the requests that take much in at a time.
type gate struct {
	slots   chan struct{} // nil: no limit
	waiting chan struct{}
}

// newGate lets n in and as many wait for each.
func newGate(n, waiting int) gate {
	if n <= 0 {
		return gate{}
	}
	return gate{make(chan struct{}, n), make(chan struct{}, waiting)}
}

// enter waits for a place, and reports false if there is none in time or too
// many wait. Call leave once if there was.
func (g gate) enter(done <-chan struct{}, patience time.Duration) bool {
	if g.slots == nil {
		return true
	}
	select {
	case g.slots <- struct{}{}:
		return true
	default:
	}
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		return false
	}
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case g.slots <- struct{}{}:
		return true
	case <-over.C:
		return false
	case <-done:
		return false
	}
}

func (g gate) leave() {
	if g.slots != nil {
		<-g.slots
	}
}

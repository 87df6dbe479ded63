package crash

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Report is what a run has found.
type Report struct {
	mu       sync.Mutex
	kills    int
	ways     map[string]int
	requests map[string]int // that were acknowledged
	// unanswered counts the requests that got no answer, and happened those of them
	// that had happened.
	unanswered, happened int
	compared             int
	longest, took        time.Duration
	restarts             []time.Duration
	// recall of the index before a kill and after, when all was compared.
	before, after []float64
}

func newReport() *Report { return &Report{ways: map[string]int{}, requests: map[string]int{}} }

func (r *Report) counted(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests[what]++
}

func (r *Report) killed(way string, restart time.Duration) {
	r.kills++
	r.ways[way]++
	if restart > 0 {
		r.restarts = append(r.restarts, restart)
	}
	r.longest = max(r.longest, restart)
}

// acknowledged is a short text with what was acknowledged.
func (r *Report) acknowledged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	parts := make([]string, 0, len(r.requests))
	for _, what := range slices.Sorted(maps.Keys(r.requests)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, r.requests[what]))
	}
	return strings.Join(parts, ", ")
}

// Print writes the report as tables. lost is how many acknowledgements were.
func (r *Report) Print(out io.Writer, lost int) {
	slices.Sort(r.restarts)
	median := time.Duration(0)
	if len(r.restarts) > 0 {
		median = r.restarts[len(r.restarts)/2]
	}
	fmt.Fprintf(out, "\n| | |\n| --- | ---: |\n")
	for _, row := range []struct {
		what  string
		value any
	}{
		{"time", r.took.Round(time.Second)}, {"kills", r.kills}, {"acknowledged and lost", lost},
		{"unanswered requests with changes", r.unanswered}, {"of these had happened", r.happened},
		{"median restart", median.Round(time.Millisecond)}, {"longest restart", r.longest.Round(time.Millisecond)},
		{"comparisons with a store never killed", r.compared},
		{"recall before kills, mean", mean(r.before)}, {"recall after them, mean", mean(r.after)},
	} {
		fmt.Fprintf(out, "| %s | %v |\n", row.what, row.value)
	}
	printCounts(out, "way to end", "times", r.ways)
	printCounts(out, "acknowledged", "times", r.requests)
}

func printCounts(out io.Writer, what, times string, counts map[string]int) {
	fmt.Fprintf(out, "\n| %s | %s |\n| --- | ---: |\n", what, times)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "| %s | %d |\n", name, counts[name])
	}
}

func mean(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return fmt.Sprintf("%.4f", sum/float64(len(values)))
}

// WasKilled reports whether the server was killed at all.
func (r *Report) WasKilled() bool { return r.kills > 0 }

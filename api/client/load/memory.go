package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// memory is that of the server's process over time, on Linux.
type memory struct {
	pid     int
	every   time.Duration
	samples []sample
}

// sample is the resident memory at a time.
type sample struct {
	at    time.Duration
	bytes int64
}

func newMemory(pid int) *memory { return &memory{pid: pid, every: time.Second} }

// watch samples until the time is over, and then closes the channel.
func (m *memory) watch(ctx context.Context, d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		began, end, tick := time.Now(), time.After(d), time.NewTicker(m.every)
		defer tick.Stop()
		for {
			if n, err := resident(m.pid); err == nil && m.pid != 0 {
				m.samples = append(m.samples, sample{time.Since(began), n})
			}
			select {
			case <-tick.C:
			case <-end:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return done
}

// resident reads how many bytes a process has in memory.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d tells nothing of its memory", pid)
}

// parts returns the median memory of each fifth of the time.
func (m *memory) parts() (medians []int64) {
	for part := range slices.Chunk(m.samples, max(1, (len(m.samples)+4)/5)) {
		bytes := make([]int64, len(part))
		for i, s := range part {
			bytes[i] = s.bytes
		}
		slices.Sort(bytes)
		medians = append(medians, bytes[len(bytes)/2])
	}
	return medians
}

func (m *memory) print(out io.Writer) {
	parts := m.parts()
	if len(parts) == 0 {
		return
	}
	fmt.Fprint(out, "\nresident memory of the server, the median of each fifth of the time, MB:")
	for _, n := range parts {
		fmt.Fprintf(out, " %d", n/1e6)
	}
	fmt.Fprintln(out)
}

// fewSamples say nothing: what is made on first requests may still be in the making.
const fewSamples = 120

// verdict is an error if the last fifth has much more memory than the second.
func (m *memory) verdict(growth float64) error {
	parts := m.parts()
	if len(m.samples) < fewSamples {
		return nil
	}
	if ratio := float64(parts[4]) / float64(parts[1]); ratio > growth {
		return fmt.Errorf("memory grew: the last fifth of the time has %.2f times that of the second", ratio)
	}
	return nil
}

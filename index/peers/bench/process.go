package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// event is a line that a driver prints: of a build, or of the searches of one
// width on one number of threads.
type event struct {
	Event      string  `json:"event"`
	Threads    int     `json:"threads"`
	Vectors    int     `json:"vectors,omitempty"`
	Seconds    float64 `json:"seconds"`
	Saved      float64 `json:"save_seconds,omitempty"`
	Opened     float64 `json:"open_seconds,omitempty"`
	Before     int64   `json:"rss_bytes_before"`
	After      int64   `json:"rss_bytes_after"`
	FileBefore int64   `json:"file_bytes_before"`
	FileAfter  int64   `json:"file_bytes_after"`
	Ef         int     `json:"ef"`
	Queries    int     `json:"queries"`
	Single     float64 `json:"qps_single"`
	Batch      float64 `json:"qps_batch"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	CPU        float64 `json:"cpu"`
}

// engine is one line of the comparison: a driver, the name it knows its engine
// by, and the file that must exist for it to run, if any. Only engines with
// widths are searched with several; scans find everything.
type engine struct {
	label, name        string
	command            []string
	file               string
	ours, scan, widths bool
}

// engines returns all engines; peers is the folder of the peers' drivers.
func engines(peers string) []engine {
	// Without a name of its own the program cannot be run; present tells.
	self, _ := os.Executable()
	own := []string{self, "driver"}
	faiss, hnswlib := filepath.Join(peers, "faiss"), filepath.Join(peers, "hnswlib")
	script, module := filepath.Join(peers, "usearch", "driver.js"), filepath.Join(peers, "usearch", "node_modules", "usearch")
	node := []string{"node", "--expose-gc", script}
	return []engine{
		{label: "nearcase graph", name: "graph", command: own, ours: true, widths: true},
		{label: "hnswlib", name: "hnsw", command: []string{hnswlib}, file: hnswlib, widths: true},
		{label: "faiss HNSW", name: "hnsw", command: []string{faiss}, file: faiss, widths: true},
		{label: "usearch f32", name: "f32", command: node, file: module, widths: true},
		{label: "usearch i8", name: "i8", command: node, file: module, widths: true},
		{label: "coder/hnsw", name: "coder", command: own, ours: true},
		{label: "nearcase exact", name: "exact", command: own, ours: true, scan: true},
		{label: "faiss flat", name: "flat", command: []string{faiss}, file: faiss, scan: true},
	}
}

// present says whether the engine's driver can be run.
func (e engine) present() bool {
	if e.file != "" {
		if _, err := os.Stat(e.file); err != nil {
			return false
		}
	}
	_, err := exec.LookPath(e.command[0])
	return err == nil
}

// task is what a driver is asked to do: build on threads, then search with
// every width of ef on every number of searchThreads.
type task struct {
	vectors, queries, out      string
	dim, threads               int
	searchThreads, ef          []int
	k, m, efConstruction, reps int
}

func (t task) arguments(e engine) []string {
	number := strconv.Itoa
	return []string{
		"--engine", e.name, "--vectors", t.vectors, "--queries", t.queries, "--out", t.out,
		"--dim", number(t.dim), "--k", number(t.k), "--threads", number(t.threads),
		"--m", number(t.m), "--ef-construction", number(t.efConstruction), "--repetitions", number(t.reps),
		"--ef", list(t.ef), "--search-threads", list(t.searchThreads),
	}
}

func list(numbers []int) string {
	var parts []string
	for _, n := range numbers {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ",")
}

// run runs the engine's driver, tells of every event as it comes, and returns
// them with the ids found: for each event of a search those of all its queries,
// k for each, MaxUint32 where fewer were found.
func (e engine) run(ctx context.Context, t task, tell func(event)) ([]event, [][]uint32, error) {
	var said bytes.Buffer
	args := slices.Concat(e.command[1:], t.arguments(e))
	c := exec.CommandContext(ctx, e.command[0], args...)
	c.Stderr, c.Env = &said, environment()
	stdout, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(); err != nil {
		return nil, nil, err
	}
	events, err := readEvents(stdout, tell)
	if waited := c.Wait(); waited != nil {
		err = waited
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %s", e.label, err, lastLine(said.String()))
	}
	ids, err := readIDs(t.out, t.k, events)
	return events, ids, err
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// environment is the process's own without what slows libraries down or sets
// their threads, and with large allocations on huge pages, as our own graph has
// them.
func environment() []string {
	unset := []string{"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
		"GOMAXPROCS", "GOGC", "GODEBUG", "GLIBC_TUNABLES"}
	kept := slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains(unset, name)
	})
	return append(kept, "GLIBC_TUNABLES=glibc.malloc.hugetlb=1")
}

func readEvents(r io.Reader, tell func(event)) ([]event, error) {
	var events []event
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		tell(e)
		events = append(events, e)
	}
	return events, nil
}

// readIDs reads the ids of each event of a search.
func readIDs(path string, k int, events []event) ([][]uint32, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := bytes.NewReader(data)
	var all [][]uint32
	for _, e := range events {
		if e.Event != "search" {
			continue
		}
		ids := make([]uint32, k*e.Queries)
		if err := binary.Read(r, binary.LittleEndian, ids); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, ids)
	}
	if r.Len() > 0 {
		return nil, fmt.Errorf("%s: %d bytes too many", path, r.Len())
	}
	return all, nil
}

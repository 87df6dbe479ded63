package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// rows are the vectors of a mapped file.
type rows struct {
	data []byte
	rows [][]float32
}

// mapped maps the little-endian float32 of a file, as this machine has them,
// and reads nothing yet.
func mapped(path string, dim int) (*rows, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := 4 * dim
	if info.Size() == 0 || info.Size()%int64(size) != 0 {
		return nil, fmt.Errorf("%s: %d bytes are no vectors of %d numbers", path, info.Size(), dim)
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	r := &rows{data: data, rows: make([][]float32, len(data)/size)}
	values := unsafe.Slice((*float32)(unsafe.Pointer(&data[0])), len(data)/4)
	for i := range r.rows {
		r.rows[i] = values[i*dim : (i+1)*dim : (i+1)*dim]
	}
	return r, nil
}

// close unmaps the vectors, which must not be used any more. Closing again does
// nothing.
func (r *rows) close() {
	if r.data != nil {
		syscall.Munmap(r.data)
	}
	r.data, r.rows = nil, nil
}

// resident is how much of a process's memory is resident: anonymous, and of
// mapped files.
type resident struct{ anonymous, file int64 }

// memory returns what is resident when the garbage is gone and what the runtime
// holds in vain is given back; 0 where the system does not say.
func memory() (r resident) {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return r
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		switch name {
		case "RssAnon":
			r.anonymous = kb << 10
		case "RssFile":
			r.file = kb << 10
		}
	}
	return r
}

// processor is how many seconds the process had a processor so far, on all its
// threads.
func processor() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearcase/index/simd"
)

// machine is where and with what was measured. What cannot be told is empty.
type machine struct {
	Date      string            `json:"date"`
	Processor string            `json:"processor"`
	Cores     int               `json:"cores"`
	Features  string            `json:"features"`
	Memory    string            `json:"memory"`
	System    string            `json:"system"`
	Load      string            `json:"load_average"`
	Kernel    string            `json:"kernel"`
	Versions  map[string]string `json:"versions"`
}

func describe(ctx context.Context, peers string) machine {
	first := func(name string, args ...string) string { return firstLine(ctx, name, args...) }
	debian := func(name string) string { return first("dpkg-query", "-W", "-f", "${Version}", name) }
	return machine{
		Date:      time.Now().UTC().Format(time.DateOnly),
		Processor: field("/proc/cpuinfo", "model name"),
		Cores:     runtime.NumCPU(),
		Features:  features(field("/proc/cpuinfo", "flags")),
		Memory:    gibibytes(field("/proc/meminfo", "MemTotal")),
		System:    field("/etc/os-release", "PRETTY_NAME"),
		Load:      strings.Join(first3(strings.Fields(content("/proc/loadavg"))), " "),
		Kernel:    simd.Kernel(),
		Versions: map[string]string{
			"nearcase": first("git", "describe", "--always", "--dirty"),
			"Go":       runtime.Version(),
			"g++":      first("g++", "-dumpfullversion"),
			"node":     first("node", "--version"),
			"hnswlib":  debian("libhnswlib-dev"),
			"FAISS":    debian("libfaiss-dev"),
			"OpenBLAS": debian("libopenblas0-pthread"),
			"usearch":  packageVersion(filepath.Join(peers, "usearch", "node_modules", "usearch", "package.json")),
		},
	}
}

func firstLine(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

func content(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// field is the first value of a name in a file of names and values with : or =.
func field(path, name string) string {
	for line := range strings.Lines(content(path)) {
		at := strings.IndexAny(line, ":=")
		if at > 0 && strings.TrimSpace(line[:at]) == name {
			return strings.Trim(strings.TrimSpace(line[at+1:]), `"`)
		}
	}
	return ""
}

// features keeps of a processor's flags those that distance kernels use.
func features(flags string) string {
	all := strings.Fields(flags)
	return strings.Join(slices.DeleteFunc(all, func(f string) bool {
		return !slices.Contains([]string{"avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "asimd", "asimddp", "sve"}, f)
	}), " ")
}

// gibibytes writes a number of kB as GiB.
func gibibytes(text string) string {
	kb, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	if err != nil {
		return text
	}
	return fmt.Sprintf("%.1f GiB", kb/(1<<20))
}

func first3(all []string) []string { return all[:min(3, len(all))] }

func packageVersion(path string) string {
	var p struct{ Version string }
	if json.Unmarshal([]byte(content(path)), &p) != nil {
		return ""
	}
	return p.Version
}

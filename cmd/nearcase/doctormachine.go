package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/cpu"

	"nearcase/embed/onnx"
)

// Bounds below which doctor warns, or above.
const (
	leastMemory      = 1 << 30
	leastDescriptors = 4096
	clockSample      = 50 * time.Millisecond
	clockTolerance   = 20 * time.Millisecond
)

// processorFinding tells how fast scans can be: the kernels of the index choose by
// the same features.
func processorFinding() finding {
	var has []string
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA}, {"AVX-512", cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW},
		{"VNNI", cpu.X86.HasAVX512VNNI}, {"NEON", cpu.ARM64.HasASIMD}, {"dot product", cpu.ARM64.HasASIMDDP},
	} {
		if f.has {
			has = append(has, f.name)
		}
	}
	text := fmt.Sprintf("%d × %s", runtime.GOMAXPROCS(0), processor())
	if len(has) == 0 {
		return warning("use a machine with AVX2 or NEON: searches take several times as long without", "%s, without vector instructions that are used", text)
	}
	return ok("%s: %s", text, strings.Join(has, ", "))
}

func memoryFinding() finding {
	limit, of, err := memoryLimit()
	switch {
	case err != nil:
		return unknown("cannot be found out: %v", err)
	case limit < leastMemory:
		return warning("give it at least 1 GiB, more for large models and collections (docs/operations.md)", "%s of %s", bytesText(limit), of)
	}
	return ok("%s of %s", bytesText(limit), of)
}

func descriptorsFinding() finding {
	n, err := descriptors()
	switch {
	case err != nil:
		return unknown("cannot be found out: %v", err)
	case n < leastDescriptors:
		return warning("raise the limit to 65536: LimitNOFILE= of systemd, or ulimit -n", "%d files and connections may be open", n)
	}
	return ok("%d files and connections may be open", n)
}

// clockFinding compares the clock with one that nobody sets, for a moment.
func clockFinding() finding {
	began := time.Now()
	time.Sleep(clockSample)
	ended := time.Now()
	jumped := ended.Round(0).Sub(began.Round(0)) - ended.Sub(began) // Round strips the monotonic reading
	synchronised, err := clockSynchronised()
	switch {
	case ended.Year() < 2025:
		return broken("set the clock: entries and certificates have times", "it says %s", ended.UTC().Format(time.RFC3339))
	case jumped.Abs() > clockTolerance:
		return warning("let a time service adjust it slowly", "it jumped by %s just now", jumped)
	case err != nil:
		return ok("%s, whether it is synchronised is not known: %v", ended.UTC().Format(time.RFC3339), err)
	case !synchronised:
		return warning("run a time service such as chrony or systemd-timesyncd", "it is not synchronised")
	}
	return ok("%s, synchronised", ended.UTC().Format(time.RFC3339))
}

func (d *doctor) runtime() finding {
	library, err := onnx.Find(d.c.ONNXRuntime)
	if err != nil {
		return broken("run make setup, or name the library by onnxruntime in the configuration (docs/models.md)", "%v", err)
	}
	if err := onnx.Load(library); err != nil {
		return broken(fmt.Sprintf("use ONNX Runtime %s for this platform", onnx.Version), "%s does not load: %v", library, err)
	}
	return ok("%s, version %s", library, onnx.RuntimeVersion())
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<40:
		return fmt.Sprintf("%.1f TiB", float64(n)/(1<<40))
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

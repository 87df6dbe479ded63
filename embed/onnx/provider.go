package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrProvider means that an execution provider is unknown, is not in the loaded
// library or does not start on this machine.
var ErrProvider = errors.New("onnx: the execution provider cannot be used")

// The providers that can be asked for.
const (
	CPU      = "cpu"
	CUDA     = "cuda"
	TensorRT = "tensorrt"
	CoreML   = "coreml"
	OpenVINO = "openvino"
)

// A Provider is where ONNX Runtime runs a graph, with its own settings, such as
// {"device_id": "1"} for CUDA. CPU takes none.
type Provider struct {
	Name    string
	Options map[string]string
}

// Skipped is a provider that was passed over, and why.
type Skipped struct {
	Name string
	Err  error
}

// settings are what sessions of every kind share.
type settings struct {
	threads   int
	providers []Provider
	fallback  bool
}

// accelerators returns the providers before the processor, which runs
// everything and so ends the list.
func (s settings) accelerators() ([]Provider, error) {
	known := []string{CPU, CUDA, TensorRT, CoreML, OpenVINO}
	for _, p := range s.providers {
		if !slices.Contains(known, p.Name) {
			return nil, fmt.Errorf("%w: %q is none of %s", ErrProvider, p.Name, strings.Join(known, ", "))
		}
		if p.Name == CPU && len(p.Options) > 0 {
			return nil, fmt.Errorf("%w: %s takes no options", ErrProvider, CPU)
		}
	}
	if i := slices.IndexFunc(s.providers, func(p Provider) bool { return p.Name == CPU }); i >= 0 {
		return s.providers[:i], nil
	}
	return s.providers, nil
}

// options returns the runtime's for a session with those providers, which must
// be destroyed. It fails without them; at is the provider that is to blame, -1
// if none.
func (s settings) options(providers []Provider) (o *ort.SessionOptions, at int, err error) {
	o, err = ort.NewSessionOptions()
	if err != nil {
		return nil, -1, err
	}
	at = -1
	err = errors.Join(
		o.SetIntraOpNumThreads(max(s.threads, 1)),
		o.SetInterOpNumThreads(1),
		// Waiting threads would otherwise spin, which takes the processor from
		// decoding and from other sessions.
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	// The memory arena and the memory pattern stay on. Without the arena,
	// ResNet-18 and MobileNetV2 took 0.98 to 1.6 times the processor time and
	// 0.97 to 2.9 times the peak memory, at batches of 1, 4 and 8 and with one
	// and two callers; without the pattern, 0.97 to 1.05 and 0.87 to 1.11 times.
	for i := 0; err == nil && i < len(providers); i++ {
		if err = providers[i].join(o); err != nil {
			at = i
		}
	}
	if err != nil {
		_ = o.Destroy() // never fails: it frees memory alone
		return nil, at, err
	}
	return o, -1, nil
}

// join adds the provider to a session's options, behind those already there.
func (p Provider) join(o *ort.SessionOptions) error {
	switch p.Name {
	case CUDA:
		c, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer c.Destroy()
		if err := c.Update(p.Options); err != nil {
			return err
		}
		return o.AppendExecutionProviderCUDA(c)
	case TensorRT:
		c, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer c.Destroy()
		if err := c.Update(p.Options); err != nil {
			return err
		}
		return o.AppendExecutionProviderTensorRT(c)
	case CoreML:
		return o.AppendExecutionProviderCoreMLV2(p.Options)
	case OpenVINO:
		return o.AppendExecutionProviderOpenVINO(p.Options)
	}
	return nil
}

// refused says why a provider cannot be used and what to do.
func (p Provider) refused(reason error) error {
	loaded.Lock()
	defer loaded.Unlock()
	return fmt.Errorf("%w: %s: %w; the library %s (%s) offers %s here; name one that was built with %s by `onnxruntime:` or by %s, "+
		"take %s from the providers, or allow falling back to others",
		ErrProvider, p.Name, reason, loaded.path, ort.GetVersion(), strings.Join(offered(), ", "), p.Name, Variable, p.Name)
}

// offered lists the providers that the loaded library takes on this machine.
func offered() []string {
	names := []string{CPU}
	for _, name := range []string{CUDA, TensorRT, CoreML, OpenVINO} {
		o, _, err := settings{}.options([]Provider{{Name: name}})
		if err == nil {
			names = append(names, name)
			_ = o.Destroy() // never fails
		}
	}
	return names
}

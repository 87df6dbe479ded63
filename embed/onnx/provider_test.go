package onnx_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

// accelerators are those that the pinned library has not.
func accelerators() []string {
	return []string{onnx.CUDA, onnx.TensorRT, onnx.CoreML, onnx.OpenVINO}
}

// lacks skips where the library offers a provider, as another build may.
func lacks(t *testing.T, name string) {
	t.Helper()
	onnxtest.Require(t)
	s, err := onnx.OpenSession(flat(), providers(false, name))
	if err == nil {
		_ = s.Close()
		t.Skip("this library offers " + name)
	}
}

func flat() []byte { return one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18}) }

func providers(fallback bool, names ...string) onnx.Options {
	o := onnx.Options{Height: 2, Width: 3, Fallback: fallback}
	for _, name := range names {
		o.Providers = append(o.Providers, onnx.Provider{Name: name})
	}
	return o
}

func TestAProviderThatIsNotInTheLibraryIsAnError(t *testing.T) {
	for _, name := range accelerators() {
		lacks(t, name)
		_, err := onnx.OpenSession(flat(), providers(false, name, onnx.CPU))
		if !errors.Is(err, onnx.ErrProvider) || errors.Is(err, onnx.ErrModel) {
			t.Fatalf("OpenSession(%s) = %v, want ErrProvider", name, err)
		}
		library, _ := onnx.Find("")
		for _, part := range []string{name + ":", library, onnx.RuntimeVersion(), "offers cpu here", "built with " + name,
			"`onnxruntime:`", onnx.Variable, "falling back"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("OpenSession(%s) = %v, want it to say %q", name, err, part)
			}
		}
	}
}

func TestFallingBackPassesOverProviders(t *testing.T) {
	for _, name := range accelerators() {
		lacks(t, name)
	}
	image := open(t, flat(), providers(true, accelerators()...))
	texts := openText(t, textGraph(typeInt64, -1, -1), onnx.TextOptions{Fallback: true,
		Providers: []onnx.Provider{{Name: onnx.CUDA, Options: map[string]string{"device_id": "0"}}, {Name: onnx.CPU}}})
	for _, c := range []struct {
		provider string
		skipped  []onnx.Skipped
		want     []string
	}{{image.Provider(), image.Skipped(), accelerators()}, {texts.Provider(), texts.Skipped(), []string{onnx.CUDA}}} {
		var names []string
		for _, s := range c.skipped {
			names = append(names, s.Name)
			if s.Err == nil {
				t.Errorf("%s was skipped for no reason", s.Name)
			}
		}
		if c.provider != onnx.CPU || !slices.Equal(names, c.want) {
			t.Errorf("Provider() = %q, Skipped() = %v, want cpu and %v", c.provider, c.skipped, c.want)
		}
	}
	if got, _, err := image.Run(t.Context(), ramp(36), 2); err != nil || !slices.Equal(got, ramp(36)) {
		t.Errorf("Run(2 pictures) = %v, %v, want them", got, err)
	}
}

func TestTheProcessorEndsTheProviders(t *testing.T) {
	for _, o := range []onnx.Options{providers(false), providers(false, onnx.CPU), providers(false, onnx.CPU, onnx.CUDA)} {
		if s := open(t, flat(), o); s.Provider() != onnx.CPU || s.Skipped() != nil {
			t.Errorf("OpenSession(%v) runs on %s, skipped %v, want cpu alone", o.Providers, s.Provider(), s.Skipped())
		}
	}
}

// A mistake in the configuration is none of the machine: nothing falls back.
func TestProvidersThatAreMistakesAreErrors(t *testing.T) {
	onnxtest.Require(t)
	set := onnx.Provider{Name: onnx.CPU, Options: map[string]string{"threads": "2"}}
	for want, o := range map[string]onnx.Options{
		`"gpu" is none of cpu, cuda`: providers(true, "gpu"),
		"cpu takes no options":       {Height: 2, Width: 3, Fallback: true, Providers: []onnx.Provider{set}},
	} {
		if s, err := onnx.OpenSession(flat(), o); !errors.Is(err, onnx.ErrProvider) || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenSession(%v) = %v, %v, want ErrProvider with %q", o.Providers, s, err, want)
		}
	}
}

func TestAWrongModelIsNoFaultOfAProvider(t *testing.T) {
	onnxtest.Require(t)
	o := providers(true, accelerators()...)
	o.Dimension = 17
	if s, err := onnx.OpenSession(flat(), o); !errors.Is(err, onnx.ErrModel) || errors.Is(err, onnx.ErrProvider) {
		t.Errorf("OpenSession(another dimension) = %v, %v, want ErrModel", s, err)
	}
}

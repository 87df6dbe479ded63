package onnx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

func TestMain(m *testing.M) {
	if path, ok := os.LookupEnv(attempt); ok {
		os.Exit(tryToLoad(path))
	}
	goleak.VerifyTestMain(m)
}

// small are pictures of 2 × 3 pixels in 3 channels: 18 values.
func small() onnx.Options { return onnx.Options{Height: 2, Width: 3} }

func open(t *testing.T, graph []byte, o onnx.Options) *onnx.Session {
	t.Helper()
	onnxtest.Require(t)
	s, err := onnx.OpenSession(graph, o)
	if err != nil {
		t.Fatalf("OpenSession(%+v) = %v", o, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ramp returns n values that all differ.
func ramp(n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i) + 0.5
	}
	return values
}

func TestGraphsThatDoNotFitAreRefused(t *testing.T) {
	onnxtest.Require(t)
	image, features := []int64{-1, 3, 2, 3}, []int64{-1, 18}
	flatten := one("Flatten", image, features)
	typed := func(in, out uint64, operator string) []byte {
		return graph([]node{{operator: operator, inputs: []string{"image"}, outputs: []string{"features"}}},
			[]end{{"image", in, image}}, []end{{"features", out, nil}}, nil)
	}
	reshape := func(shape ...int64) []byte {
		return graph([]node{{operator: "Reshape", inputs: []string{"image", "shape"}, outputs: []string{"features"}}},
			[]end{{"image", typeFloat, image}}, []end{{"features", typeFloat, slices.Repeat([]int64{-1}, len(shape))}},
			map[string][]int64{"shape": shape})
	}
	two := graph([]node{{operator: "Add", inputs: []string{"image", "tokens"}, outputs: []string{"features"}}},
		[]end{{"image", typeFloat, image}, {"tokens", typeFloat, image}}, []end{{"features", typeFloat, image}}, nil)

	for name, c := range map[string]struct {
		graph  []byte
		change func(*onnx.Options)
		want   string
	}{
		"no bytes":                      {nil, nil, "it is empty"},
		"garbage":                       {[]byte("this is no graph"), nil, "not in the ONNX format"},
		"a truncated graph":             {flatten[:len(flatten)/2], nil, "truncated"},
		"an unknown operator":           {one("Frobnicate", image, features), nil, "Frobnicate"},
		"a wrong input name":            {flatten, func(o *onnx.Options) { o.Input = "pixels" }, `no input "pixels", only "image"`},
		"a wrong output name":           {flatten, func(o *onnx.Options) { o.Output = "view" }, `no output "view", only "features"`},
		"an input beside the pictures":  {two, func(o *onnx.Options) { o.Input = "image" }, `inputs "image", "tokens"`},
		"two inputs and no name":        {two, nil, `no input "", only "image", "tokens"`},
		"an input of integers":          {typed(typeInt64, typeFloat, "Identity"), nil, `input "image" is of type int64`},
		"an output of bytes":            {typed(typeUint8, typeUint8, "Identity"), nil, `output "features" is of type uint8`},
		"an output of strings":          {typed(typeFloat, typeString, "Identity"), nil, `output "features" is of type string`},
		"an output of integers":         {typed(typeFloat, typeInt64, "Shape"), nil, `output "features" is of type int64`},
		"a picture of another height":   {flatten, func(o *onnx.Options) { o.Height = 4 }, "does not take pictures of [3 4 3]"},
		"a picture of another layout":   {flatten, func(o *onnx.Options) { o.Layout = onnx.NHWC }, "does not take pictures of [2 3 3]"},
		"an input of three dimensions":  {one("Identity", []int64{-1, 3, 6}, []int64{-1, 3, 6}), nil, "does not take pictures"},
		"a batch fixed to none":         {one("Flatten", []int64{0, 3, 2, 3}, []int64{0, 18}), nil, "fixed to a batch of 0"},
		"a batch fixed beyond memory":   {one("Flatten", []int64{1 << 40, 3, 2, 3}, []int64{1 << 40, 18}), nil, "none or too many"},
		"a dimension other than stated": {flatten, func(o *onnx.Options) { o.Dimension = 17 }, "dimension 17 is expected"},
		"rows that are not pictures":    {one("Transpose", image, []int64{3, 2, 3, -1}), nil, "one row for each"},
		"a batch lost in a line":        {reshape(-1), nil, "[36]"},
		"no height where it is open":    {one("Flatten", []int64{-1, 3, -1, -1}, features), func(o *onnx.Options) { o.Height, o.Width = 0, 0 }, "must be stated"},
		"a batch beyond memory":         {flatten, func(o *onnx.Options) { o.Batch = 1 << 40 }, "a batch of 1099511627776"},
		"an input beyond memory":        {one("Flatten", []int64{-1, 3, 1 << 30, 1 << 30}, features), nil, "does not take pictures"},
		"no height":                     {flatten, func(o *onnx.Options) { o.Height = 0 }, "height 0"},
		"negative channels":             {flatten, func(o *onnx.Options) { o.Channels = -1 }, "channels -1"},
		"a picture beyond memory":       {flatten, func(o *onnx.Options) { o.Height, o.Width = 1<<28, 1<<28 }, "too large"},
		"an unknown layout":             {flatten, func(o *onnx.Options) { o.Layout = "CHWN" }, `layout "CHWN"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := small()
			if c.change != nil {
				c.change(&o)
			}
			s, err := onnx.OpenSession(c.graph, o)
			if !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("OpenSession(%+v) = %v, %v, want ErrModel with %q", o, s, err, c.want)
			}
		})
	}
}

func TestShapesThatFitAreAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		image, features []int64
		operator        string
		options         onnx.Options
		want            []int
	}{
		"an open batch":            {[]int64{-1, 3, 2, 3}, []int64{-1, 18}, "Flatten", small(), []int{5, 18}},
		"all dimensions open":      {[]int64{-1, -1, -1, -1}, []int64{-1, -1}, "Flatten", small(), []int{5, 18}},
		"a batch fixed to one":     {[]int64{1, 3, 2, 3}, []int64{1, 18}, "Flatten", small(), []int{5, 18}},
		"a batch fixed to three":   {[]int64{3, 3, 2, 3}, []int64{3, 18}, "Flatten", small(), []int{5, 18}},
		"channels last":            {[]int64{-1, 2, 3, 3}, []int64{-1, 18}, "Flatten", onnx.Options{Height: 2, Width: 3, Layout: onnx.NHWC, Dimension: 18}, []int{5, 18}},
		"one channel":              {[]int64{-1, 1, 2, 3}, []int64{-1, 6}, "Flatten", onnx.Options{Height: 2, Width: 3, Channels: 1}, []int{5, 6}},
		"an answer with its grid":  {[]int64{-1, 3, 2, 3}, []int64{-1, 3, 2, 3}, "Identity", onnx.Options{Height: 2, Width: 3, Dimension: 3}, []int{5, 3, 2, 3}},
		"a batch chosen":           {[]int64{-1, 3, 2, 3}, []int64{-1, 18}, "Flatten", onnx.Options{Height: 2, Width: 3, Batch: 2}, []int{5, 18}},
		"more threads than needed": {[]int64{-1, 3, 2, 3}, []int64{-1, 18}, "Flatten", onnx.Options{Height: 2, Width: 3, Threads: 3}, []int{5, 18}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, one(c.operator, c.image, c.features), c.options)
			values := c.want[1]
			for _, n := range c.want[2:] {
				values *= n
			}
			batch := ramp(5 * values)
			got, shape, err := s.Run(context.Background(), batch, 5)
			if err != nil || !slices.Equal(shape, c.want) {
				t.Fatalf("Run(5 pictures) = shape %v, %v, want %v", shape, err, c.want)
			}
			if !slices.Equal(got, batch) {
				t.Errorf("Run(5 pictures) = %v, want what the graph was given: %v", got, batch)
			}
		})
	}
}

// Law: whatever the number of pictures and the batch of the graph, a graph that
// returns what it is given answers each picture by itself, in order.
func TestChunksAndPaddingKeepEveryPicture(t *testing.T) {
	var sessions []*onnx.Session
	for _, batch := range []int64{-1, 1, 2, 3, 7} {
		sessions = append(sessions, open(t, one("Flatten", []int64{batch, 3, 2, 3}, []int64{batch, 18}), small()))
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(sessions).Draw(t, "session")
		n := rapid.IntRange(0, 40).Draw(t, "pictures")
		batch := ramp(18 * n)
		got, shape, err := s.Run(context.Background(), batch, n)
		if err != nil || !slices.Equal(shape, []int{n, 18}) || !slices.Equal(got, batch) {
			t.Fatalf("Run(%d pictures) = %v, shape %v, %v, want the input, [%d 18]", n, got, shape, err, n)
		}
	})
}

// The oracle is the mean of each channel, in float64.
func TestGlobalAveragePoolAveragesChannels(t *testing.T) {
	s := open(t, one("GlobalAveragePool", []int64{-1, 3, 2, 3}, []int64{-1, 3, 1, 1}), small())
	batch := ramp(2 * 18)
	got, shape, err := s.Run(context.Background(), batch, 2)
	if err != nil || !slices.Equal(shape, []int{2, 3, 1, 1}) {
		t.Fatalf("Run(2 pictures) = shape %v, %v, want [2 3 1 1]", shape, err)
	}
	for i, g := range got {
		var sum float64
		for _, v := range batch[6*i : 6*i+6] {
			sum += float64(v)
		}
		if want := float32(sum / 6); g != want {
			t.Errorf("Run(2 pictures)[%d] = %v, want %v", i, g, want)
		}
	}
}

func TestRunRefusesABatchOfAnotherLength(t *testing.T) {
	s := open(t, one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18}), small())
	for _, c := range []struct{ values, n int }{{17, 1}, {19, 1}, {18, 2}, {0, 1}, {18, 0}, {18, -1}, {0, -1}, {18, 1<<62 + 1}} {
		if out, _, err := s.Run(context.Background(), ramp(c.values), c.n); err == nil {
			t.Errorf("Run(%d values, %d pictures) = %v, want an error", c.values, c.n, out)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := open(t, one("Flatten", []int64{1, 3, 2, 3}, []int64{1, 18}), small())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := s.Run(ctx, ramp(36), 2); !errors.Is(err, context.Canceled) {
		t.Errorf("Run(cancelled context) = %v, want context.Canceled", err)
	}
	// A context that ends at its third look: two pictures run, four do not.
	if _, _, err := s.Run(&fading{Context: context.Background(), left: 2}, ramp(36), 2); err != nil {
		t.Errorf("Run(2 pictures, context good for 2 chunks) = %v, want success", err)
	}
	if _, _, err := s.Run(&fading{Context: context.Background(), left: 2}, ramp(72), 4); !errors.Is(err, context.Canceled) {
		t.Errorf("Run(4 pictures, context good for 2 chunks) = %v, want context.Canceled", err)
	}
}

// fading is a context that is cancelled after Err has been asked left times.
type fading struct {
	context.Context
	left int
}

func (f *fading) Err() error {
	f.left--
	if f.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestAClosedSessionSaysSo(t *testing.T) {
	s := open(t, one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18}), small())
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	if _, _, err := s.Run(context.Background(), ramp(18), 1); !errors.Is(err, onnx.ErrClosed) {
		t.Errorf("Run() after Close = %v, want ErrClosed", err)
	}
}

func TestCloseWaitsForRunsInProgress(t *testing.T) {
	s := open(t, one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18}), small())
	batch := ramp(18 * 9)
	var begun, ended sync.WaitGroup
	for range 4 {
		begun.Add(1)
		ended.Go(func() {
			for i := 0; ; i++ {
				got, _, err := s.Run(context.Background(), batch, 9)
				if i == 0 {
					begun.Done()
				}
				if errors.Is(err, onnx.ErrClosed) {
					return
				}
				if err != nil || !slices.Equal(got, batch) {
					t.Errorf("Run() beside Close = %v, %v, want the input or ErrClosed", got, err)
					return
				}
			}
		})
	}
	begun.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	ended.Wait()
}

func TestConcurrentRunsGiveIdenticalResults(t *testing.T) {
	s := networks()[0].open(t, 1)
	input := floats(t, data(t, "golden", "input_first2_2x3x224x224.f32le"))
	want, _, err := s.Run(context.Background(), input, 2)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 2 {
				got, _, err := s.Run(context.Background(), input, 2)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("Run() beside others = other values than alone, %v", err)
				}
			}
		})
	}
	group.Wait()
}

// A tensor that is not destroyed leaks about 50 bytes, so that 100,000 runs
// with two tensors each show as some 10 MB.
func TestManyRunsDoNotGrowTheProcess(t *testing.T) {
	s := open(t, one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18}), small())
	runs := func(n int) {
		batch := ramp(18)
		for range n {
			if _, _, err := s.Run(context.Background(), batch, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	runs(10_000)
	before := resident(t)
	runs(100_000)
	if grown := resident(t) - before; grown > 4<<20 {
		t.Errorf("100,000 runs grew the process by %d bytes, want less than 4 MiB", grown)
	}
}

func TestSessionsAreFreed(t *testing.T) {
	image := one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18})
	cycle := func(n int) {
		for range n {
			if err := open(t, image, small()).Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := onnx.OpenSession(image, onnx.Options{Height: 2, Width: 3, Dimension: 1}); err == nil {
				t.Fatal("OpenSession(another dimension) = no error")
			}
		}
	}
	cycle(100)
	before := resident(t)
	cycle(500)
	if grown := resident(t) - before; grown > 16<<20 {
		t.Errorf("1,000 sessions opened and closed grew the process by %d bytes, want less than 16 MiB", grown)
	}
}

// resident returns the bytes that the process has in memory (proc(5)).
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory() // what Go's heap has kept is not what leaks
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(fmt.Errorf("the process's size cannot be read here: %w", err))
	}
	pages, err := strconv.Atoi(strings.Fields(string(content))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// Calibration opens the graph for each number of threads, tries every batch and
// sets options that open it again.
func TestCalibrationMeasuresEveryWayToRun(t *testing.T) {
	onnxtest.Require(t)
	opened := 0
	open := func(o onnx.Options) (*onnx.Session, error) {
		opened++
		return onnx.OpenSession(flat(), o)
	}
	var o onnx.Options
	var trials []onnx.Trial
	for range 5 { // a stall of the machine may make large batches look too slow to be tried
		opened = 0
		var err error
		if o, trials, err = onnx.Calibrate(t.Context(), small(), 2, time.Millisecond, open); err != nil {
			t.Fatal(err)
		}
		if len(trials) == 10 {
			break
		}
	}
	if opened != 2 || len(trials) != 10 {
		t.Errorf("Calibrate: opened %d sessions and made %d trials, want 2 and 10", opened, len(trials))
	}
	for _, trial := range trials {
		if !(trial.PerSecond > 0) || trial.Threads*trial.Callers != 2 {
			t.Errorf("trial %+v, want a rate and two processors used", trial)
		}
	}
	s, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Batch() != o.Batch {
		t.Errorf("Batch() = %d, want the calibrated %d", s.Batch(), o.Batch)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := onnx.Calibrate(ended, small(), 2, time.Millisecond, open); !errors.Is(err, context.Canceled) {
		t.Errorf("Calibrate with a context that has ended = %v, want its error", err)
	}
}

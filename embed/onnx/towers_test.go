package onnx_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"nearcase/embed/onnx"
	"nearcase/embed/onnx/onnxtest"
)

// dimension and vocabulary are those of the text towers of these tests.
const dimension, vocabulary = 4, 10

// table are the embeddings of the tokens and weights those of the pixels.
func table() []float32   { return ramp(vocabulary * dimension) }
func weights() []float32 { return ramp(18 * dimension) }

// textNodes is a text tower: the mean of the embeddings of the tokens that are
// not masked.
func textNodes(ids, mask, out string) []node {
	return []node{
		{operator: "Gather", inputs: []string{"table", ids}, outputs: []string{"embedded"}},
		{operator: "Cast", inputs: []string{mask}, outputs: []string{"flags"}, attributes: [][]byte{integer("to", typeFloat)}},
		{operator: "Unsqueeze", inputs: []string{"flags", "last"}, outputs: []string{"columns"}},
		{operator: "Mul", inputs: []string{"embedded", "columns"}, outputs: []string{"kept"}},
		{operator: "ReduceSum", inputs: []string{"kept", "middle"}, outputs: []string{"sum"}, attributes: [][]byte{integer("keepdims", 0)}},
		{operator: "ReduceSum", inputs: []string{"columns", "middle"}, outputs: []string{"count"}, attributes: [][]byte{integer("keepdims", 0)}},
		{operator: "Div", inputs: []string{"sum", "count"}, outputs: []string{out}},
	}
}

func axes() map[string][]int64 { return map[string][]int64{"last": {2}, "middle": {1}} }

// towers is a graph as CLIP is exported: both towers and their product.
func towers() []byte {
	nodes := append(textNodes("input_ids", "attention_mask", "text_embeds"),
		node{operator: "Flatten", inputs: []string{"pixel_values"}, outputs: []string{"flat"}},
		node{operator: "MatMul", inputs: []string{"flat", "weights"}, outputs: []string{"image_embeds"}},
		node{operator: "Transpose", inputs: []string{"text_embeds"}, outputs: []string{"turned"}},
		node{operator: "MatMul", inputs: []string{"image_embeds", "turned"}, outputs: []string{"logits_per_image"}})
	return with([][]byte{tensor("table", table(), vocabulary, dimension), tensor("weights", weights(), 18, dimension)}, nodes,
		[]end{{"input_ids", typeInt64, []int64{-1, -1}}, {"pixel_values", typeFloat, []int64{-1, 3, 2, 3}}, {"attention_mask", typeInt64, []int64{-1, -1}}},
		[]end{{"logits_per_image", typeFloat, []int64{-1, -1}}, {"text_embeds", typeFloat, []int64{-1, dimension}}, {"image_embeds", typeFloat, []int64{-1, dimension}}},
		axes())
}

// product is the oracle of the image tower: pictures times weights.
func product(pictures []float32) []float32 {
	var out []float32
	w := weights()
	for ; len(pictures) > 0; pictures = pictures[18:] {
		for d := range dimension {
			var sum float64
			for i, v := range pictures[:18] {
				sum += float64(v) * float64(w[i*dimension+d])
			}
			out = append(out, float32(sum))
		}
	}
	return out
}

// mean is the oracle of the text tower.
func mean(ids, mask []int64, length int) []float32 {
	var out []float32
	values := table()
	for ; len(ids) > 0; ids, mask = ids[length:], mask[length:] {
		for d := range dimension {
			var sum, count float64
			for i, id := range ids[:length] {
				sum += float64(mask[i]) * float64(values[int(id)*dimension+d])
				count += float64(mask[i])
			}
			out = append(out, float32(sum/count))
		}
	}
	return out
}

func near(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Abs(float64(x-y)) <= 1e-5*(math.Abs(float64(y))+1)
	})
}

// somewhat are n texts of length tokens, of which the last is masked in every
// second text.
func somewhat(n, length int) (ids, mask []int64) {
	for i := range n * length {
		ids, mask = append(ids, int64(i*7%vocabulary)), append(mask, 1)
		if i/length%2 == 1 && i%length == length-1 && length > 1 {
			mask[i] = 0
		}
	}
	return ids, mask
}

func openText(t *testing.T, graph []byte, o onnx.TextOptions) *onnx.TextSession {
	t.Helper()
	onnxtest.Require(t)
	s, err := onnx.OpenText(graph, o)
	if err != nil {
		t.Fatalf("OpenText(%+v) = %v", o, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestEachTowerOfAJointGraphRunsAlone(t *testing.T) {
	image := open(t, towers(), onnx.Options{Output: "image_embeds", Height: 2, Width: 3, Dimension: dimension})
	pictures := ramp(5 * 18)
	got, shape, err := image.Run(t.Context(), pictures, 5)
	if err != nil || !slices.Equal(shape, []int{5, dimension}) || !near(got, product(pictures)) {
		t.Errorf("Run(5 pictures) = %v, shape %v, %v, want %v", got, shape, err, product(pictures))
	}
	s := openText(t, towers(), onnx.TextOptions{Output: "text_embeds", Dimension: dimension})
	ids, mask := somewhat(7, 6)
	got, shape, err = s.RunText(t.Context(), ids, mask, 7, 6)
	if err != nil || !slices.Equal(shape, []int{7, dimension}) || !near(got, mean(ids, mask, 6)) {
		t.Errorf("RunText(7 texts) = %v, shape %v, %v, want %v", got, shape, err, mean(ids, mask, 6))
	}
}

func TestAnOutputOfBothTowersIsRefused(t *testing.T) {
	onnxtest.Require(t)
	_, err := onnx.OpenSession(towers(), onnx.Options{Input: "pixel_values", Output: "logits_per_image", Height: 2, Width: 3})
	if !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), "needs more than pictures") {
		t.Errorf("OpenSession(logits) = %v, want ErrModel", err)
	}
	_, err = onnx.OpenText(towers(), onnx.TextOptions{Output: "logits_per_image"})
	if !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), `needs more than texts (input "pixel_values")`) {
		t.Errorf("OpenText(logits) = %v, want ErrModel", err)
	}
	_, err = onnx.OpenSession(towers(), onnx.Options{Input: "input_ids", Output: "image_embeds", Height: 2, Width: 3})
	if !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), `what output "image_embeds" needs has no input "input_ids", only "pixel_values"`) {
		t.Errorf("OpenSession(the other tower's input) = %v, want ErrModel", err)
	}
}

// branch is a graph of one node that returns what a value outside of it is.
func branch(name, value, out string) []byte {
	inner := [][]byte{node{operator: "Identity", inputs: []string{value}, outputs: []string{out}}.encode(),
		text(2, name), end{out, typeFloat, []int64{-1, 18}}.encode(12)}
	return message(5, text(1, name), varint(20, 5), message(6, inner...))
}

func TestAGraphWithinTheNeededPartKeepsWhatItCaptures(t *testing.T) {
	condition := message(5, varint(2, 9), text(8, "condition"), message(9, []byte{1}))
	model := with([][]byte{condition}, []node{
		{operator: "Flatten", inputs: []string{"image"}, outputs: []string{"flat"}},
		{operator: "Neg", inputs: []string{"flat"}, outputs: []string{"negative"}},
		{operator: "If", inputs: []string{"condition"}, outputs: []string{"features"},
			attributes: [][]byte{branch("then_branch", "flat", "a"), branch("else_branch", "negative", "b")}},
		{operator: "Identity", inputs: []string{"tokens"}, outputs: []string{"other"}},
	}, []end{{"image", typeFloat, []int64{-1, 3, 2, 3}}, {"tokens", typeInt64, []int64{-1}}},
		[]end{{"features", typeFloat, []int64{-1, 18}}, {"other", typeInt64, []int64{-1}}}, nil)
	s := open(t, model, onnx.Options{Output: "features", Height: 2, Width: 3})
	got, _, err := s.Run(t.Context(), ramp(36), 2)
	if err != nil || !slices.Equal(got, ramp(36)) {
		t.Errorf("Run(2 pictures) = %v, %v, want them", got, err)
	}
}

// The part is MobileNetV2 without its classifier.
func TestAPartOfANetworkAnswersLikeTheWhole(t *testing.T) {
	n := networks()[1]
	whole := n.open(t, 1)
	part, err := onnx.Extract(read(t, data(t, "models", n.file)), onnx.End{Name: n.output, Type: "float32"})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, part, onnx.Options{Height: 224, Width: 224, Dimension: n.dimension})
	input := floats(t, data(t, "golden", "input_first2_2x3x224x224.f32le"))
	want, _, err := whole.Run(t.Context(), input, 2)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := s.Run(t.Context(), input, 2)
	if err != nil || !near(got, want) {
		t.Errorf("Run(2 pictures) of the part = other values than of the whole, %v", err)
	}
}

func TestAnInputThatNothingUsesIsLeftOut(t *testing.T) {
	model := graph([]node{{operator: "Flatten", inputs: []string{"image"}, outputs: []string{"features"}}},
		[]end{{"tokens", typeString, []int64{-1}}, {"image", typeFloat, []int64{-1, 3, 2, 3}}},
		[]end{{"features", typeFloat, []int64{-1, 18}}}, nil)
	s := open(t, model, small())
	got, _, err := s.Run(t.Context(), ramp(36), 2)
	if err != nil || !slices.Equal(got, ramp(36)) {
		t.Errorf("Run(2 pictures) = %v, %v, want them", got, err)
	}
}

func TestAGraphOfTooManyNodesIsNotTakenApart(t *testing.T) {
	nodes := bytes.Repeat(node{}.encode(), 1<<19)
	model := append(towers(), message(7, nodes)...)
	_, err := onnx.Extract(model, onnx.End{Name: "image_embeds", Type: "float32"})
	if err == nil || !strings.Contains(err.Error(), "more than 524288 nodes") {
		t.Errorf("Extract(2^19 nodes) = %v, want an error", err)
	}
}

// textGraph is a text tower whose ids and mask are of a type and a shape. Its
// token types are added to the ids, as zeros change nothing.
func textGraph(kind uint64, shape ...int64) []byte {
	sum := node{operator: "Add", inputs: []string{"input_ids", "token_type_ids"}, outputs: []string{"both"}}
	return with([][]byte{tensor("table", table(), vocabulary, dimension)},
		append([]node{sum}, textNodes("both", "attention_mask", "features")...),
		[]end{{"input_ids", kind, shape}, {"attention_mask", kind, shape}, {"token_type_ids", kind, shape}},
		[]end{{"features", typeFloat, []int64{shape[0], dimension}}}, axes())
}

func TestTextsOfEveryShapeAreAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		graph   []byte
		options onnx.TextOptions
		length  int
	}{
		"all open":                     {textGraph(typeInt64, -1, -1), onnx.TextOptions{}, 3},
		"ids of 32 bits":               {textGraph(typeInt32, -1, -1), onnx.TextOptions{Length: 9}, 9},
		"a length other than tried":    {textGraph(typeInt64, -1, -1), onnx.TextOptions{Length: 9}, 4},
		"a fixed length":               {textGraph(typeInt64, -1, 5), onnx.TextOptions{Length: 5, Dimension: dimension}, 5},
		"a fixed batch":                {textGraph(typeInt64, 3, -1), onnx.TextOptions{}, 2},
		"both fixed":                   {textGraph(typeInt32, 1, 6), onnx.TextOptions{}, 6},
		"a batch chosen and its names": {textGraph(typeInt64, -1, -1), onnx.TextOptions{InputIDs: "input_ids", AttentionMask: "attention_mask", Output: "features", Batch: 3}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := openText(t, c.graph, c.options)
			for n := range 11 {
				ids, mask := somewhat(n, c.length)
				got, shape, err := s.RunText(t.Context(), ids, mask, n, c.length)
				if err != nil || !slices.Equal(shape, []int{n, dimension}) || !near(got, mean(ids, mask, c.length)) {
					t.Fatalf("RunText(%d texts) = %v, shape %v, %v, want %v", n, got, shape, err, mean(ids, mask, c.length))
				}
				without, _, err := s.RunText(t.Context(), ids, nil, n, c.length)
				if want := mean(ids, slices.Repeat([]int64{1}, len(ids)), c.length); err != nil || !near(without, want) {
					t.Fatalf("RunText(%d texts, no mask) = %v, %v, want %v", n, without, err, want)
				}
			}
		})
	}
}

// A graph without a mask, whose answer has a row of vectors per text.
func TestAnAnswerMayGrowWithTheTexts(t *testing.T) {
	model := with([][]byte{tensor("table", table(), vocabulary, dimension)},
		[]node{{operator: "Gather", inputs: []string{"table", "text"}, outputs: []string{"features"}}},
		[]end{{"text", typeInt64, []int64{-1, -1}}}, []end{{"features", typeFloat, []int64{-1, -1, dimension}}}, nil)
	s := openText(t, model, onnx.TextOptions{AttentionMask: "mask"})
	for _, length := range []int{1, 3, 20} {
		ids, mask := somewhat(6, length)
		got, shape, err := s.RunText(t.Context(), ids, mask, 6, length)
		if err != nil || !slices.Equal(shape, []int{6, length, dimension}) {
			t.Fatalf("RunText(6 texts of %d) = shape %v, %v", length, shape, err)
		}
		if want := mean(ids, slices.Repeat([]int64{1}, len(ids)), 1); !near(got, want) {
			t.Errorf("RunText(6 texts of %d) = %v, want %v", length, got, want)
		}
	}
}

func TestTextGraphsThatDoNotFitAreRefused(t *testing.T) {
	onnxtest.Require(t)
	for name, c := range map[string]struct {
		graph   []byte
		options onnx.TextOptions
		want    string
	}{
		"garbage":                        {[]byte("garbage"), onnx.TextOptions{}, "not in the ONNX format"},
		"a graph of pictures":            {one("Flatten", []int64{-1, 3, 2, 3}, []int64{-1, 18}), onnx.TextOptions{}, `input "image" is of type float32`},
		"an input that is not there":     {textGraph(typeInt64, -1, -1), onnx.TextOptions{InputIDs: "text"}, `no input "text"`},
		"a mask under an unknown name":   {textGraph(typeInt64, -1, -1), onnx.TextOptions{AttentionMask: "mask"}, `more than texts (input "attention_mask")`},
		"ids of another length":          {textGraph(typeInt64, -1, 7), onnx.TextOptions{Length: 77}, "does not take texts of 77 tokens"},
		"ids of no length":               {textGraph(typeInt64, -1, 0), onnx.TextOptions{}, "does not take texts"},
		"ids of three dimensions":        {textGraph(typeInt64, -1, 2, 3), onnx.TextOptions{}, "not [batch, length]"},
		"a batch fixed to none":          {textGraph(typeInt64, 0, 7), onnx.TextOptions{}, "batch of 0"},
		"a batch beyond memory":          {textGraph(typeInt64, 1<<40, 7), onnx.TextOptions{}, "none or too many"},
		"a negative length":              {textGraph(typeInt64, -1, -1), onnx.TextOptions{Length: -1}, "length of -1"},
		"a dimension other than stated":  {textGraph(typeInt64, -1, -1), onnx.TextOptions{Dimension: 5}, "dimension 5 is expected"},
		"inputs that contradict another": {contradictory(), onnx.TextOptions{}, "other than input"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := onnx.OpenText(c.graph, c.options)
			if !errors.Is(err, onnx.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("OpenText(%+v) = %v, %v, want ErrModel with %q", c.options, s, err, c.want)
			}
		})
	}
}

func contradictory() []byte {
	return with([][]byte{tensor("table", table(), vocabulary, dimension)}, textNodes("input_ids", "attention_mask", "features"),
		[]end{{"input_ids", typeInt64, []int64{-1, 7}}, {"attention_mask", typeInt64, []int64{-1, 8}}},
		[]end{{"features", typeFloat, []int64{-1, dimension}}}, axes())
}

func TestRunTextRefusesWhatDoesNotFit(t *testing.T) {
	narrow, fixed := openText(t, textGraph(typeInt32, -1, -1), onnx.TextOptions{}), openText(t, textGraph(typeInt64, -1, 5), onnx.TextOptions{})
	for name, c := range map[string]struct {
		session   *onnx.TextSession
		ids, mask []int64
		n, length int
	}{
		"too few ids":                {narrow, make([]int64, 5), nil, 2, 3},
		"a short mask":               {narrow, make([]int64, 6), make([]int64, 5), 2, 3},
		"no length":                  {narrow, nil, nil, 1, 0},
		"a negative number":          {narrow, nil, nil, -1, 3},
		"a number beyond counting":   {narrow, make([]int64, 6), nil, 1<<62 + 2, 3},
		"an id of more than 32 bits": {narrow, []int64{1 << 40}, nil, 1, 1},
		"an id beyond the table":     {narrow, []int64{vocabulary}, nil, 1, 1},
		"a length that is fixed":     {fixed, make([]int64, 6), nil, 1, 6},
	} {
		if got, _, err := c.session.RunText(t.Context(), c.ids, c.mask, c.n, c.length); err == nil {
			t.Errorf("RunText(%s) = %v, want an error", name, got)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := fixed.RunText(cancelled, make([]int64, 5), nil, 1, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("RunText(cancelled context) = %v, want context.Canceled", err)
	}
	if fixed.Length() != 5 || narrow.Length() != 0 {
		t.Errorf("Length() = %d and %d, want 5 and 0", fixed.Length(), narrow.Length())
	}
	if err := errors.Join(fixed.Close(), fixed.Close()); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if _, _, err := fixed.RunText(t.Context(), make([]int64, 5), nil, 1, 5); !errors.Is(err, onnx.ErrClosed) {
		t.Errorf("RunText() after Close = %v, want ErrClosed", err)
	}
}

// An answer that the runtime keeps would be 200 bytes and more.
func TestManyTextsDoNotGrowTheProcess(t *testing.T) {
	s := openText(t, textGraph(typeInt32, -1, -1), onnx.TextOptions{})
	ids, mask := somewhat(4, 20)
	runs := func(n int) {
		for range n {
			if _, _, err := s.RunText(t.Context(), ids, mask, 4, 20); err != nil {
				t.Fatal(err)
			}
		}
	}
	runs(3_000)
	before := resident(t)
	runs(30_000)
	if grown := resident(t) - before; grown > 4<<20 {
		t.Errorf("30,000 runs grew the process by %d bytes, want less than 4 MiB", grown)
	}
}

func TestTextsRunAtTheSameTime(t *testing.T) {
	s := openText(t, textGraph(typeInt64, 3, -1), onnx.TextOptions{})
	ids, mask := somewhat(7, 6)
	want := mean(ids, mask, 6)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				if got, _, err := s.RunText(t.Context(), ids, mask, 7, 6); err != nil || !near(got, want) {
					t.Errorf("RunText() beside others = %v, %v, want %v", got, err, want)
				}
			}
		})
	}
	group.Wait()
}

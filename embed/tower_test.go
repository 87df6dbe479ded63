package embed

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// letters is a tokenizer whose tokens are the bytes of a text.
type letters struct{}

func (letters) Encode(text string, length int) (ids, mask []int64, err error) {
	if text == "" {
		return nil, nil, errors.New("no text")
	}
	ids, mask = make([]int64, length), make([]int64, length)
	for i := range min(len(text), length) {
		ids[i], mask[i] = int64(text[i]), 1
	}
	return ids, mask, nil
}

// counts is a text network whose vector is how many a, b and c a text has.
type counts struct{ closed *bool }

func (counts) RunText(_ context.Context, ids, mask []int64, n, length int) ([]float32, []int, error) {
	output := make([]float32, 3*n)
	for i, id := range ids {
		if mask[i] == 1 && id >= 'a' && id <= 'c' {
			output[i/length*3+int(id-'a')]++
		}
	}
	return output, []int{n, 3}, nil
}

func (c counts) Close() error { *c.closed = true; return nil }

func bilingual(t *testing.T) (m *Model, closed *bool) {
	t.Helper()
	manifest := plain(Fixed, 4, 0)
	manifest.Text = &Text{File: "t.onnx", Tokenizer: "t.json", Length: 8, IDs: "ids", Output: "y", Prompts: []string{"{}", "a {}"}}
	m, closed = model(t, manifest, means{}), new(bool)
	if err := m.SetText(digest([]byte("text")), digest(nil), counts{closed}, letters{}); err != nil {
		t.Fatalf("SetText: %v", err)
	}
	return m, closed
}

func TestTextsBecomeUnitVectors(t *testing.T) {
	m, closed := bilingual(t)
	got, err := m.EmbedTexts(t.Context(), []string{"aaabbbb", "c", "bxx"})
	if d := cmp.Diff([][]float32{{0.6, 0.8, 0}, {0, 0, 1}, {0, 1, 0}}, got); err != nil || d != "" || !m.HasText() {
		t.Errorf("EmbedTexts: %v (-want +got):\n%s", err, d)
	}
	if got, err := m.EmbedTexts(t.Context(), nil); err != nil || got != nil {
		t.Errorf("EmbedTexts(nothing) = %v, %v", got, err)
	}
	if err := m.Close(); err != nil || !*closed {
		t.Errorf("Close() = %v, text network closed %v", err, *closed)
	}
}

// A class is the mean of its prompts' unit vectors: of "b" and "a b" here.
func TestClassesAreTheMeanOfTheirPrompts(t *testing.T) {
	m, _ := bilingual(t)
	got, err := m.EmbedClasses(t.Context(), []string{"b"}, nil)
	if err != nil || len(got) != 1 {
		t.Fatalf("EmbedClasses = %v, %v", got, err)
	}
	want := []float64{math.Sin(math.Pi / 8), math.Cos(math.Pi / 8), 0}
	for i, v := range got[0] {
		if math.Abs(float64(v)-want[i]) > 1e-6 {
			t.Errorf("EmbedClasses(b) = %v, want %v", got[0], want)
		}
	}
}

func TestPromptsOfACallGoBeforeTheManifests(t *testing.T) {
	m, _ := bilingual(t)
	got, err := m.EmbedClasses(t.Context(), []string{"b"}, []string{"aaa bbb{}"})
	if d := cmp.Diff([][]float32{{0.6, 0.8, 0}}, got); err != nil || d != "" {
		t.Errorf("EmbedClasses: %v (-want +got):\n%s", err, d)
	}
	if _, err := m.EmbedClasses(t.Context(), []string{"b"}, []string{"a"}); !errors.Is(err, ErrManifest) {
		t.Errorf("EmbedClasses with a prompt without a place: %v, want %v", err, ErrManifest)
	}
}

func TestTextsThatGiveNoVectorAreNamed(t *testing.T) {
	m, _ := bilingual(t)
	for _, c := range []struct {
		texts []string
		want  error
		says  string
	}{
		{[]string{"a", ""}, nil, "text 2 of 2: no text"},
		{[]string{"a", "x"}, ErrNotVector, "answer 2 of 2"},
	} {
		if _, err := m.EmbedTexts(t.Context(), c.texts); err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("EmbedTexts(%q): %v, want %q", c.texts, err, c.says)
		}
	}
	if _, err := m.EmbedClasses(t.Context(), []string{"zzzzzzzz"}, nil); !errors.Is(err, ErrNotVector) || !strings.Contains(err.Error(), "zzz") {
		t.Errorf("EmbedClasses: %v, want %v naming the class", err, ErrNotVector)
	}
}

func TestModelsWithoutTextSaySo(t *testing.T) {
	m := model(t, plain(Fixed, 4, 0), means{})
	_, texts := m.EmbedTexts(t.Context(), []string{"a"})
	_, classes := m.EmbedClasses(t.Context(), []string{"a"}, nil)
	if !errors.Is(texts, ErrNoText) || !errors.Is(classes, ErrNoText) || m.HasText() || m.TextFingerprint() != "" {
		t.Errorf("EmbedTexts: %v, EmbedClasses: %v, want %v", texts, classes, ErrNoText)
	}
	if err := m.SetText(digest(nil), digest(nil), counts{}, letters{}); !errors.Is(err, ErrManifest) {
		t.Errorf("SetText without text in the manifest: %v, want %v", err, ErrManifest)
	}
}

func TestSetTextRefusesWhatDoesNotFit(t *testing.T) {
	m, _ := bilingual(t)
	if err := m.SetText(digest(nil), digest(nil), counts{}, letters{}); err == nil {
		t.Error("a second SetText succeeded")
	}
	m.text = nil
	if err := m.SetText("x", digest(nil), counts{}, letters{}); !errors.Is(err, ErrManifest) {
		t.Errorf("SetText with a bad digest: %v, want %v", err, ErrManifest)
	}
	m.manifest.Text.SHA256 = digest([]byte("another"))
	if err := m.SetText(digest(nil), digest(nil), counts{}, letters{}); !errors.Is(err, ErrManifest) {
		t.Errorf("SetText with another graph: %v, want %v", err, ErrManifest)
	}
}

func TestTextFingerprintChangesWithEveryField(t *testing.T) {
	base := Text{Length: 77, IDs: "ids", Output: "y"}.withDefaults()
	seen := map[string]bool{base.fingerprint("g", "t"): true, base.fingerprint("h", "t"): true, base.fingerprint("g", "u"): true}
	for _, change := range []func(*Text){
		func(t *Text) { t.Length++ }, func(t *Text) { t.IDs = "x" }, func(t *Text) { t.Mask = "x" }, func(t *Text) { t.Output = "x" },
		func(t *Text) { t.LogitScale++ }, func(t *Text) { t.LogitBias++ }, func(t *Text) { t.Activation = Sigmoid },
		func(t *Text) { t.Prompts = []string{"a {}"} },
	} {
		text := base
		change(&text)
		seen[text.fingerprint("g", "t")] = true
	}
	if len(seen) != 11 {
		t.Errorf("%d fingerprints, want 11", len(seen))
	}
}

func TestScoresAreTheActivationOfTheCosines(t *testing.T) {
	close := func(got, want []float64) bool {
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-9 {
				return false
			}
		}
		return len(got) == len(want)
	}
	for _, c := range []struct {
		text          Text
		cosines, want []float64
	}{
		{Text{LogitScale: math.Log(3)}, []float64{1, 0}, []float64{0.75, 0.25}},
		{Text{}, []float64{1, -1, 1}, []float64{0.5, 0, 0.5}},
		{Text{LogitScale: 1e6}, []float64{1, -1}, []float64{1, 0}},
		{Text{Activation: Sigmoid, LogitScale: 10, LogitBias: -5}, []float64{0.5, 0.5 + math.Log(3)/10}, []float64{0.5, 0.75}},
		{Text{}, nil, nil},
	} {
		if got := c.text.Scores(c.cosines); !close(got, c.want) {
			t.Errorf("%+v.Scores(%v) = %v, want %v", c.text, c.cosines, got, c.want)
		}
	}
}

package embed

import (
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shifted is means with every output moved a little.
type shifted struct {
	means
	by float32
}

func (s shifted) Run(ctx context.Context, batch []float32, n int) ([]float32, []int, error) {
	output, shape, err := s.means.Run(ctx, batch, n)
	for i := range output {
		output[i] += float32(i%3) * s.by
	}
	return output, shape, err
}

func TestRecordedVectorsVerify(t *testing.T) {
	m, _ := bilingual(t)
	g, err := m.Record(t.Context())
	if err != nil || len(g.Vectors) != len(drawings())+2 || g.Fingerprint != m.Fingerprint() || g.TextFingerprint != m.TextFingerprint() {
		t.Fatalf("Record = %+v, %v", g, err)
	}
	data, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	var read Golden
	unmarshal(t, data, &read)
	if d := cmp.Diff(g, read); d != "" {
		t.Errorf("the record through JSON (-want +got):\n%s", d)
	}
	if err := m.Verify(t.Context(), read); err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func TestVerifyNoticesWhatHasChanged(t *testing.T) {
	m := model(t, plain(Fixed, 4, 0), means{})
	g, err := m.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bicubic := plain(Fixed, 4, 0)
	bicubic.Resize.Interpolation = Bicubic
	fewer, renamed := g, g
	fewer.Vectors = g.Vectors[1:]
	renamed.Vectors = append([]GoldenVector{{"x", g.Vectors[0].Vector}}, g.Vectors[1:]...)
	bilingual, _ := bilingual(t)
	for _, c := range []struct {
		name  string
		model *Model
		g     Golden
		says  string
	}{
		{"another preprocessing", model(t, bicubic, means{}), g, "its fingerprint is"},
		{"another output", model(t, plain(Fixed, 4, 0), shifted{by: 5}), g, "grey ramp 256 × 256 has cosine 0.99"},
		{"fewer vectors", m, fewer, "5 vectors are recorded, there are 6"},
		{"other pictures", m, renamed, "recorded is x with 3"},
		{"a text tower more", bilingual, g, "text fingerprint"},
	} {
		if err := c.model.Verify(t.Context(), c.g); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Verify: %v, want %v saying %q", c.name, err, ErrChanged, c.says)
		}
	}
	if err := model(t, plain(Fixed, 4, 0), shifted{by: 1e-4}).Verify(t.Context(), g); err != nil {
		t.Errorf("Verify with an output that differs by rounding: %v", err)
	}
	broken := errors.New("broken")
	if err := model(t, plain(Fixed, 4, 0), fixed{err: broken}).Verify(t.Context(), g); !errors.Is(err, broken) || errors.Is(err, ErrChanged) {
		t.Errorf("Verify with a broken network: %v, want %v", err, broken)
	}
}

// Records are kept in files: the pictures may never change.
func TestDrawingsAreTheSameEverywhere(t *testing.T) {
	sum := crc32.NewIEEE()
	for _, d := range drawings() {
		p := d.picture()
		if err := p.valid(); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		sum.Write(p.Pix)
	}
	const want = 0x17e90c11
	if got := sum.Sum32(); got != want {
		t.Errorf("the pictures have the checksum %#x, want %#x", got, want)
	}
}

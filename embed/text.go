package embed

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// The values of a Text's Activation.
const (
	Softmax = "softmax" // over the classes: CLIP
	Sigmoid = "sigmoid" // each class by itself: SigLIP
)

// placeholder is where a prompt takes the name of a class.
const placeholder = "{}"

// Text describes the text tower of a model like CLIP, whose vectors lie in the
// space of the pictures' (Radford et al., "Learning transferable visual models
// from natural language supervision", ICML 2021).
type Text struct {
	// File is the ONNX graph and Tokenizer the tokenizer.json of Hugging Face's
	// tokenizers, both slash-separated and within the manifest's folder.
	File      string `yaml:"file" json:"file"`
	SHA256    string `yaml:"sha256,omitempty" json:"sha256,omitempty"` // as Manifest.SHA256
	Tokenizer string `yaml:"tokenizer" json:"tokenizer"`
	Length    int    `yaml:"length" json:"length"` // tokens of a text, 1 to 8192
	// IDs, Mask and Output are names in the graph; no Mask if it takes none.
	IDs    string `yaml:"ids" json:"ids"`
	Mask   string `yaml:"mask,omitempty" json:"mask,omitempty"`
	Output string `yaml:"output" json:"output"`

	// A class scores activation(LogitScale·cosine + LogitBias).
	LogitScale float64 `yaml:"logit_scale,omitempty" json:"logit_scale,omitempty"` // default 100, CLIP's
	LogitBias  float64 `yaml:"logit_bias,omitempty" json:"logit_bias,omitempty"`
	Activation string  `yaml:"activation,omitempty" json:"activation,omitempty"` // softmax (default) or sigmoid
	// Prompts turn the name of a class into texts, each with one {} for the
	// name; default the name alone.
	Prompts []string `yaml:"prompts,omitempty" json:"prompts,omitempty"`
}

const (
	maxLength  = 8192
	maxPrompts = 1000
	maxPrompt  = 10_000 // bytes
)

func (t Text) withDefaults() Text {
	t.LogitScale = cmp.Or(t.LogitScale, 100)
	t.Activation = cmp.Or(t.Activation, Softmax)
	if len(t.Prompts) == 0 {
		t.Prompts = []string{placeholder}
	}
	return t
}

func (t Text) validate(f *faults) {
	f.check(localFile(t.File), "text.file: %q is no path within the manifest's folder", t.File)
	f.check(t.SHA256 == "" || isDigest(t.SHA256), "text.sha256: %q is not 64 lower-case hex digits", t.SHA256)
	f.check(localFile(t.Tokenizer), "text.tokenizer: %q is no path within the manifest's folder", t.Tokenizer)
	f.within("text.length", t.Length, 1, maxLength)
	f.check(t.IDs != "", "text.ids: missing")
	f.check(t.Mask == "" || t.Mask != t.IDs, "text.mask: %q is ids too", t.Mask)
	f.check(t.Output != "", "text.output: missing")
	f.check(t.LogitScale > 0 && t.LogitScale <= maxScale, "text.logit_scale: %v is not above 0 and at most %v", t.LogitScale, maxScale)
	f.check(math.Abs(t.LogitBias) <= maxScale, "text.logit_bias: %v is not between -%v and %v", t.LogitBias, maxScale, maxScale)
	f.oneOf("text.activation", t.Activation, Softmax, Sigmoid)
	t.validatePrompts(f)
}

func (t Text) validatePrompts(f *faults) {
	f.within("text.prompts", len(t.Prompts), 1, maxPrompts)
	for i, p := range t.Prompts[:min(len(t.Prompts), maxPrompts)] {
		f.check(strings.Count(p, placeholder) == 1 && len(p) <= maxPrompt, "text.prompts[%d]: %.40q has not one %s in at most %d bytes", i, p, placeholder, maxPrompt)
	}
}

// prompt returns the texts that stand for a class.
func (t Text) prompt(class string) []string {
	texts := make([]string, len(t.Prompts))
	for i, p := range t.Prompts {
		texts[i] = strings.Replace(p, placeholder, class, 1)
	}
	return texts
}

// Scores returns each class's score between 0 and 1 from its cosine with a
// picture. With softmax they sum to 1. No cosines give no scores.
func (t Text) Scores(cosines []float64) []float64 {
	t = t.withDefaults()
	scores := make([]float64, len(cosines))
	for i, c := range cosines {
		scores[i] = t.LogitScale*c + t.LogitBias
	}
	if t.Activation == Sigmoid {
		for i, s := range scores {
			scores[i] = 1 / (1 + math.Exp(-s))
		}
		return scores
	}
	return softmax(scores)
}

// softmax replaces logits by their shares.
func softmax(logits []float64) []float64 {
	if len(logits) == 0 {
		return logits
	}
	most, sum := slices.Max(logits), 0.0
	for i, l := range logits {
		logits[i] = math.Exp(l - most)
		sum += logits[i]
	}
	for i := range logits {
		logits[i] /= sum
	}
	return logits
}

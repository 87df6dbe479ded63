package text

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// model returns the tokenizer.json of a model of the reference.
func (r reference) model(t testing.TB, name string) []byte {
	t.Helper()
	for _, m := range r.Models {
		if m.Name == name {
			return m.Tokenizer
		}
	}
	t.Fatalf("the reference has no %s", name)
	return nil
}

func TestTheConfigurationDecides(t *testing.T) {
	tokenizer := readReference(t).model(t, "siglip")
	for name, c := range map[string]struct {
		config string
		length int
		want   string // of "red" at length 5
	}{
		"SigLIP's":       {`{"model_max_length":64,"pad_token":"</s>","tokenizer_class":"SiglipTokenizer"}`, 64, "[12 1 1 1 1]"},
		"an object":      {`{"pad_token":{"content":"<pad>","lstrip":false}}`, 0, "[12 1 0 0 0]"},
		"a side":         {`{"pad_token":"<pad>","padding_side":"left"}`, 0, "[0 0 0 12 1]"},
		"no real length": {`{"model_max_length":1000000000000000019884624838656,"pad_token":"<unk>"}`, 0, "[12 1 2 2 2]"},
	} {
		k, err := Parse(tokenizer)
		if err == nil {
			k, err = k.WithConfig([]byte(c.config))
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		red, _ := k.model.id("▁red")
		want := strings.Replace(c.want, "12", fmt.Sprint(red), 1)
		if ids, _, err := k.Encode("red", 5); err != nil || fmt.Sprint(ids) != want || k.Length() != c.length {
			t.Errorf("%s: Encode = %v, %v with length %d, want %s, %d", name, ids, err, k.Length(), want, c.length)
		}
	}
}

func TestPaddingIsBERTsAndCLIPsWhereNoFileSays(t *testing.T) {
	r := readReference(t)
	for name, want := range map[string]string{"bert": "[PAD]", "gpt2": "<|endoftext|>", "siglip": ""} {
		tokenizer := r.model(t, name)
		k, err := Parse(tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := k.find(want); ok != k.padded || ok && id != k.pad {
			t.Errorf("%s: padded %v by %d, want %q, %d", name, k.padded, k.pad, want, id)
		}
	}
}

func TestConfigurationsOfNoUseAreRefused(t *testing.T) {
	tokenizer := readReference(t).model(t, "clip")
	k, err := Parse(tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	for config, says := range map[string]string{
		`{"pad_token":"[PAD]"}`:  "pad_token",
		`{"padding_side":"top"}`: "padding_side",
		`[`:                      "tokenizer_config.json",
	} {
		if _, err := k.WithConfig([]byte(config)); !errors.Is(err, ErrTokenizer) || !strings.Contains(err.Error(), says) {
			t.Errorf("WithConfig(%s) = %v, want %v that says %q", config, err, ErrTokenizer, says)
		}
	}
}

func TestWhatIsNotKnownIsNamed(t *testing.T) {
	const (
		piece = `"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"u":0}}`
		bytes = `"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":`
	)
	const spaces = `{"type":"Replace","pattern":{"String":" "},"content":"_"}`
	deep := strings.Repeat(`{"type":"Sequence","normalizers":[`, 9) + strings.Repeat(`]}`, 9)
	for parts, says := range map[string]string{
		``:                          `version`,
		`"version":"2.0"`:           `version: "2.0"`,
		`"version":"1.0"`:           `model: missing`,
		`"version":"1.0","pipes":1`: `"pipes"`,
		`"model":{"type":"WordLevel","vocab":{},"unk_token":"u"}`:                                     `model.type: "WordLevel"`,
		`"model":{"type":"WordPiece","unk_token":"x","max_input_chars_per_word":9,"vocab":{}}`:        `model.unk_token: "x"`,
		`"model":{"type":"WordPiece","unk_token":"u","max_input_chars_per_word":1e4,"vocab":{"u":0}}`: `max_input_chars_per_word`,
		`"model":{"type":"WordPiece","unk_token":"u","max_input_chars_per_word":9,"vocab":{"u":-1}}`:  `has the id -1`,
		`"model":{"type":"BPE","dropout":0.1,"vocab":{},"merges":[]}`:                                 `model.dropout`,
		`"model":{"type":"BPE","unk_token":"x","vocab":{},"merges":[]}`:                               `model.unk_token`,
		bytes + `["a c"]}`:                                        `model.merges[0]`,
		bytes + `["b a"]}`:                                        `model.merges[0]: "ba"`,
		bytes + `["a b c"]}`:                                      `merges[0]: "a b c" is no pair`,
		bytes + `[["a","b","c"]]}`:                                `merges[0]: 3 tokens`,
		bytes + `["a b"],"cache":1}`:                              `"cache"`,
		`"model":{"type":"Unigram","vocab":[]}`:                   `model.vocab: empty`,
		`"model":{"type":"Unigram","unk_id":1,"vocab":[["a",0]]}`: `model.unk_id: 1`,
		`"model":{"type":"Unigram","vocab":[["a"]]}`:              `no pair of token and score`,
		`"model":{"type":"Unigram","vocab":[["` + strings.Repeat("a", maxToken+1) + `",0]]}`:                                                       `model.vocab[0]`,
		piece + `,"normalizer":{"type":"Nmt"}`:                                                                                                     `normalizer.type: the normalizer "Nmt"`,
		piece + `,"normalizer":{}`:                                                                                                                 `normalizer.type: missing`,
		piece + `,"normalizer":{"type":"NFC","form":1}`:                                                                                            `normalizer: json: unknown field "form"`,
		piece + `,"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"X"}]}`:                                                    `normalizer.normalizers[1].type`,
		piece + `,"normalizer":{"type":"Sequence","normalizers":[` + strings.Repeat(`{"type":"NFC"},`, 64) + `{"type":"NFC"}]}`:                    `more than 64 values`,
		piece + `,"normalizer":{"type":"Sequence","normalizers":[` + strings.Repeat(spaces+",", 8) + spaces + `]}`:                                 `normalizers[8].pattern: more than 8 patterns`,
		piece + `,"normalizer":` + deep:                                                                                                            `levels`,
		piece + `,"normalizer":{"type":"BertNormalizer"}`:                                                                                          `missing`,
		piece + `,"normalizer":{"type":"Strip","strip_left":true}`:                                                                                 `normalizer.strip_right: missing`,
		piece + `,"normalizer":{"type":"Precompiled","precompiled_charsmap":"?"}`:                                                                  `normalizer.precompiled_charsmap`,
		piece + `,"normalizer":{"type":"Precompiled","precompiled_charsmap":"/wAAAA=="}`:                                                           `a trie of 255 bytes where 0 follow`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"a(?=b)"},"content":""}`:                                                       `normalizer.pattern: pattern "a(?=b)"`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"a*"},"content":""}`:                                                           `matches where there is nothing`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"a++"},"content":""}`:                                                          `a++`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"^a"},"content":""}`:                                                           `"^" is not supported`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"\\w+"},"content":""}`:                                                         `the escape`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"[[:punct:]]"},"content":""}`:                                                  `in a class is not supported`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"[^\\S]"},"content":""}`:                                                       `in a class is not supported`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"[a"},"content":""}`:                                                           `a class does not end`,
		piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"\\"},"content":""}`:                                                           `backslash`,
		piece + `,"normalizer":{"type":"Replace","pattern":{},"content":""}`:                                                                       `normalizer.pattern: expected either`,
		piece + `,"pre_tokenizer":{"type":"UnicodeScripts"}`:                                                                                       `pre_tokenizer.type: the pre-tokenizer "UnicodeScripts"`,
		piece + `,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits"}]}`:                                                         `pre_tokenizer.pretokenizers[0].individual_digits: missing`,
		piece + `,"pre_tokenizer":{"type":"Split","pattern":{"String":" "},"behavior":"X","invert":false}`:                                         `pre_tokenizer.behavior: "X"`,
		piece + `,"pre_tokenizer":{"type":"Metaspace","replacement":"__"}`:                                                                         `pre_tokenizer.replacement: "__"`,
		piece + `,"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}`:                                                  `pre_tokenizer.prepend_scheme: "last"`,
		piece + `,"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"never","add_prefix_space":true}`:                         `contradicts`,
		piece + `,"normalizer":{"type":"StripAccents"},"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}`:            `prepend_scheme: first`,
		piece + `,"post_processor":{"type":"X"}`:                                                                                                   `post_processor.type: the post-processor "X"`,
		piece + `,"post_processor":{"type":"BertProcessing","sep":["a",1],"cls":["b"]}`:                                                            `post_processor.cls`,
		piece + `,"post_processor":{"type":"BertProcessing","sep":["a",-1],"cls":["b",1]}`:                                                         `post_processor.sep: the id -1`,
		piece + `,"post_processor":{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{}}`:                                        `post_processor.single: the text is 0 times`,
		piece + `,"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}],"pair":[],"special_tokens":{}}`: `post_processor.single[0]: "x"`,
		piece + `,"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B","type_id":0}}],"pair":[],"special_tokens":{}}`:     `post_processor.single[0]`,
		piece + `,"added_tokens":[{"id":5,"content":"x"}]`:                                                                                         `added_tokens[0].id: 5, expected 1`,
		piece + `,"added_tokens":[{"id":1,"content":""}]`:                                                                                          `added_tokens[0].content`,
		piece + `,"normalizer":{"type":"StripAccents"},"added_tokens":[{"id":1,"content":"\u0301","normalized":true}]`:                             `added_tokens[0].content: 0 bytes`,
		piece + `,"padding":{"strategy":"BatchLongest","direction":"Up","pad_id":0}`:                                                               `padding.direction: "Up"`,
		piece + `,"padding":{"strategy":"BatchLongest","direction":"Left","pad_id":-1}`:                                                            `padding.pad_id: -1`,
		piece + `,"truncation":{"direction":"Up","max_length":1}`:                                                                                  `truncation.direction: "Up"`,
	} {
		file := "{" + parts + "}"
		if strings.HasPrefix(parts, `"model"`) {
			file = `{"version":"1.0",` + parts + "}"
		}
		_, err := Parse([]byte(file))
		if !errors.Is(err, ErrTokenizer) || !strings.Contains(err.Error(), says) {
			t.Errorf("Parse(%.150s) = %v, want %v that says %s", file, err, ErrTokenizer, says)
		}
	}
	if _, err := Parse(make([]byte, maxFile+1)); !errors.Is(err, ErrTokenizer) {
		t.Errorf("Parse of %d bytes = %v, want %v", maxFile+1, err, ErrTokenizer)
	}
}

func TestEveryBeginningOfAFileIsAnError(t *testing.T) {
	tokenizer := readReference(t).model(t, "siglip")
	for n := range len(tokenizer) {
		if n > 1000 && n%97 != 0 && n < len(tokenizer)-300 {
			continue
		}
		if _, err := Parse(tokenizer[:n]); !errors.Is(err, ErrTokenizer) {
			t.Fatalf("Parse of the first %d of %d bytes = %v, want %v", n, len(tokenizer), err, ErrTokenizer)
		}
	}
}

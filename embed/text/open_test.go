package text

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder writes files and returns their folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// model returns a model of the reference and its vocabulary.
func (r reference) model(t testing.TB, name string) (tokenizer json.RawMessage, ids [][]int64, model map[string]json.RawMessage) {
	t.Helper()
	for _, m := range r.Models {
		if m.Name != name {
			continue
		}
		var f struct{ Model map[string]json.RawMessage }
		if err := json.Unmarshal(m.Tokenizer, &f); err != nil {
			t.Fatal(err)
		}
		return m.Tokenizer, m.IDs, f.Model
	}
	t.Fatalf("the reference has no %s", name)
	return nil, nil, nil
}

func TestCLIPsOlderFilesGiveTheSameIds(t *testing.T) {
	r := readReference(t)
	_, ids, model := r.model(t, "clip")
	var merges []string
	if err := json.Unmarshal(model["merges"], &merges); err != nil {
		t.Fatal(err)
	}
	k, err := Open(folder(t, map[string]string{
		"vocab.json": string(model["vocab"]),
		"merges.txt": "#version: 0.2\n" + strings.Join(merges, "\n") + "\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range r.Texts {
		if got := unpadded(t, k, text, 1024); !slices.Equal(got, ids[i]) {
			t.Errorf("Encode(%+q) = %v, want %v", text, got, ids[i])
		}
	}
	if k.Length() != 77 {
		t.Errorf("length %d, want 77", k.Length())
	}
}

func TestBERTsOlderFileGivesTheSameIds(t *testing.T) {
	r := readReference(t)
	for name, config := range map[string]string{"bert": `{}`, "bert, cased": `{"do_lower_case":false}`} {
		_, ids, model := r.model(t, name)
		var vocab map[string]int
		if err := json.Unmarshal(model["vocab"], &vocab); err != nil {
			t.Fatal(err)
		}
		tokens := make([]string, len(vocab))
		for token, id := range vocab {
			tokens[id] = token
		}
		k, err := Open(folder(t, map[string]string{
			"vocab.txt": strings.Join(tokens, "\n") + "\n", "tokenizer_config.json": config,
		}))
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range r.Texts {
			if strings.Contains(text, " [MASK]") {
				continue // here the token takes no space before it
			}
			if got := unpadded(t, k, text, 1024); !slices.Equal(got, ids[i]) {
				t.Errorf("%s: Encode(%+q) = %v, want %v", name, text, got, ids[i])
			}
		}
	}
}

func TestTheConfigurationDecides(t *testing.T) {
	tokenizer, _, _ := readReference(t).model(t, "siglip")
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
		k, err := Open(folder(t, map[string]string{"tokenizer.json": string(tokenizer), "tokenizer_config.json": c.config}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if parsed, err := Parse(tokenizer); err != nil {
			t.Fatal(err)
		} else if k2, err := parsed.WithConfig([]byte(c.config)); err != nil || k2.pad != k.pad || k2.length != k.length || k2.padLeft != k.padLeft {
			t.Errorf("%s: WithConfig = %v, want what Open gives", name, err)
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
		tokenizer, _, _ := r.model(t, name)
		k, err := Parse(tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := k.find(want); ok != k.padded || ok && id != k.pad {
			t.Errorf("%s: padded %v by %d, want %q, %d", name, k.padded, k.pad, want, id)
		}
	}
}

func TestFoldersThatHaveNoTokenizer(t *testing.T) {
	tokenizer, _, clip := readReference(t).model(t, "clip")
	for name, c := range map[string]struct {
		files map[string]string
		want  error
		says  string
	}{
		"nothing":                {nil, fs.ErrNotExist, "neither tokenizer.json"},
		"SentencePiece's alone":  {map[string]string{"spiece.model": "x"}, fs.ErrNotExist, "tokenizer.json"},
		"no merges":              {map[string]string{"vocab.json": string(clip["vocab"])}, fs.ErrNotExist, "merges.txt"},
		"another's vocab.json":   {map[string]string{"vocab.json": `{"a":0}`, "merges.txt": ""}, ErrTokenizer, "not CLIP's"},
		"a merge of nothing":     {map[string]string{"vocab.json": string(clip["vocab"]), "merges.txt": "肺 炎"}, ErrTokenizer, "merges[0]"},
		"a merge of three":       {map[string]string{"vocab.json": string(clip["vocab"]), "merges.txt": "a b c"}, ErrTokenizer, "merges[0]"},
		"no [UNK]":               {map[string]string{"vocab.txt": "[PAD]\na\n"}, ErrTokenizer, "[UNK]"},
		"a broken file":          {map[string]string{"tokenizer.json": "{", "vocab.txt": ""}, ErrTokenizer, "ends early"},
		"a pad token of no use":  {map[string]string{"tokenizer.json": string(tokenizer), "tokenizer_config.json": `{"pad_token":"[PAD]"}`}, ErrTokenizer, "pad_token"},
		"a side of no use":       {map[string]string{"tokenizer.json": string(tokenizer), "tokenizer_config.json": `{"padding_side":"top"}`}, ErrTokenizer, "padding_side"},
		"a broken configuration": {map[string]string{"tokenizer.json": string(tokenizer), "tokenizer_config.json": `[`}, ErrTokenizer, "tokenizer_config.json"},
	} {
		_, err := Open(folder(t, c.files))
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: Open = %v, want %v that says %q", name, err, c.want, c.says)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of no folder = %v, want %v", err, fs.ErrNotExist)
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
	tokenizer, _, _ := readReference(t).model(t, "siglip")
	for n := range len(tokenizer) {
		if n > 1000 && n%97 != 0 && n < len(tokenizer)-300 {
			continue
		}
		if _, err := Parse(tokenizer[:n]); !errors.Is(err, ErrTokenizer) {
			t.Fatalf("Parse of the first %d of %d bytes = %v, want %v", n, len(tokenizer), err, ErrTokenizer)
		}
	}
}

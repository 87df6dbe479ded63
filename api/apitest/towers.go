package apitest

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Of the model that TwoTowers writes: the side of its pictures in pixels, the
// tokens of its texts and the length of its vectors.
const (
	TowerSide      = 32
	TowerLength    = 16
	TowerDimension = 8
)

// TwoTowers writes a model of two towers into a folder, laid out as exports of
// CLIP on Hugging Face are. A picture's vector tells its mean colour, a text's
// the mean of what its words say of colour: red, green, blue, yellow, dark and
// bright. A text that names a colour thus lies closest to pictures of it, with
// a cosine of 1 for pure ones. Words that say nothing of colour, such as those of
// "a photo of a", are passed over; a text of them alone lies near bright.
func TwoTowers(dir string) error {
	vocabulary, merges := towerWords()
	files := map[string]any{
		"config.json": object{
			"model_type": "clip", "projection_dim": TowerDimension, "logit_scale_init_value": 2.6592,
			"text_config":   object{"max_position_embeddings": TowerLength, "vocab_size": len(vocabulary)},
			"vision_config": object{"image_size": TowerSide},
		},
		"preprocessor_config.json": object{
			"image_processor_type": "CLIPImageProcessor", "resample": 3, "rescale_factor": 1.0 / 255,
			"do_resize": true, "do_center_crop": true, "do_rescale": true, "do_normalize": true,
			"size": object{"shortest_edge": TowerSide}, "crop_size": object{"height": TowerSide, "width": TowerSide},
			"image_mean": []float64{.5, .5, .5}, "image_std": []float64{.5, .5, .5},
		},
		"tokenizer.json":         towerTokenizer(vocabulary, merges),
		"tokenizer_config.json":  object{"model_max_length": TowerLength, "pad_token": endToken, "tokenizer_class": "CLIPTokenizer"},
		"onnx/vision_model.onnx": visionTower(),
		"onnx/text_model.onnx":   textTower(vocabulary),
	}
	for name, content := range files {
		if err := write(filepath.Join(dir, filepath.FromSlash(name)), content); err != nil {
			return fmt.Errorf("apitest: two towers: %w", err)
		}
	}
	return nil
}

type object map[string]any

// write writes bytes as they are and anything else as JSON.
func write(path string, content any) error {
	data, ok := content.([]byte)
	if !ok {
		var err error
		if data, err = json.MarshalIndent(content, "", "  "); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

const (
	startToken = "<|startoftext|>"
	endToken   = "<|endoftext|>"
	wordEnd    = "</w>"
)

// colours say what a word means, in red, green and blue between -1 and 1.
func colours() map[string][3]float32 {
	return map[string][3]float32{
		"red": {1, -1, -1}, "green": {-1, 1, -1}, "blue": {-1, -1, 1}, "yellow": {1, 1, -1},
		"dark": {-1, -1, -1}, "bright": {1, 1, 1},
		startToken: {.001, .001, .001}, // so that no text is without direction
	}
}

// towerWords returns the tokens by id, letters first, and the merges that make
// words of them. Each takes a letter before the end of a word, so that no two
// words' merges stand in each other's way.
func towerWords() (tokens []string, merges [][2]string) {
	for _, end := range []string{"", wordEnd} {
		for c := 'a'; c <= 'z'; c++ {
			tokens = append(tokens, string(c)+end)
		}
	}
	for _, word := range strings.Fields("a an of the photo picture image red green blue yellow dark bright") {
		for i := len(word) - 2; i >= 0; i-- {
			pair := [2]string{word[i : i+1], word[i+1:] + wordEnd}
			if !slices.Contains(merges, pair) {
				merges, tokens = append(merges, pair), append(tokens, pair[0]+pair[1])
			}
		}
	}
	return append(tokens, startToken, endToken), merges
}

// towerTokenizer returns tokenizer.json, CLIP's but for its size.
func towerTokenizer(tokens []string, merges [][2]string) object {
	ids := make(map[string]int)
	for id, token := range tokens {
		ids[token] = id
	}
	special := func(token string) object {
		return object{"id": ids[token], "content": token, "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false}
	}
	return object{
		"version":      "1.0",
		"added_tokens": []object{special(startToken), special(endToken)},
		"normalizer": object{"type": "Sequence", "normalizers": []object{
			{"type": "NFC"}, {"type": "Replace", "pattern": object{"Regex": `\s+`}, "content": " "}, {"type": "Lowercase"},
		}},
		"pre_tokenizer": object{"type": "Sequence", "pretokenizers": []object{
			{"type": "Split", "behavior": "Removed", "invert": true,
				"pattern": object{"Regex": `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`}},
			{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
		}},
		"post_processor": object{"type": "RobertaProcessing", "trim_offsets": false, "add_prefix_space": false,
			"sep": []any{endToken, ids[endToken]}, "cls": []any{startToken, ids[startToken]}},
		"model": object{"type": "BPE", "unk_token": endToken, "continuing_subword_prefix": "", "end_of_word_suffix": wordEnd,
			"fuse_unk": false, "vocab": ids, "merges": merges},
	}
}

// projection maps red, green and blue to vectors and keeps cosines: its rows
// are of a Hadamard matrix.
func projection() []float32 {
	var rows []float32
	for row := range 3 {
		for i := range TowerDimension {
			v := float32(1 / math.Sqrt(TowerDimension))
			if row > 0 && i>>(row-1)&1 == 1 {
				v = -v
			}
			rows = append(rows, v)
		}
	}
	return rows
}

package hub

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// settings are the small files that tell how a model is fed, and its terms.
func settings() []string {
	return []string{
		"manifest.yaml", "config.json", "preprocessor_config.json", "open_clip_config.json",
		"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
		"LICENSE", "LICENSE.md", "LICENSE.txt",
	}
}

// graphs are where repositories keep the graph, the most particular first: that
// of images alone before one that takes text as well.
func graphs() []string {
	return []string{"onnx/vision_model.onnx", "vision_model.onnx", "model.onnx", "onnx/model.onnx"}
}

// choose returns what a model needs of a repository: its settings, the graph that
// is named or the usual one, the text graph that belongs to it, and the data that
// they keep outside of themselves.
func choose(files []File, named string) ([]File, error) {
	at := map[string]File{}
	for _, f := range files {
		if !isLocal(f.Path) {
			return nil, fmt.Errorf("%w: the repository has a file %q", ErrInsecure, f.Path)
		}
		at[f.Path] = f
	}
	graph, err := graph(at, named)
	if err != nil {
		return nil, err
	}
	for _, name := range settings() {
		if n := at[name].Bytes; n > maxSetting {
			return nil, fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrTooLarge, name, n, maxSetting)
		}
	}
	return gather(at, towers(graph)), nil
}

// gather returns the settings and graphs, with the files that hold the graphs' data
// by their names. Of names that differ in case alone, which some file systems take
// for one, the first is taken.
func gather(at map[string]File, graphs []string) []File {
	wanted := settings()
	guessed := map[string]bool{}
	for _, g := range graphs {
		wanted = append(wanted, g)
		for _, name := range data(at, g) {
			wanted, guessed[name] = append(wanted, name), true
		}
	}
	lower := map[string]bool{}
	var chosen []File
	for _, name := range wanted {
		if f, ok := at[name]; ok && !lower[strings.ToLower(name)] {
			lower[strings.ToLower(name)] = true
			f.guessed = guessed[name]
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// graph returns the path of the graph of images.
func graph(at map[string]File, named string) (string, error) {
	var all []string
	for name := range at {
		if strings.HasSuffix(name, ".onnx") {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return "", fmt.Errorf("%w: the repository has no ONNX file: export it, or look for an export of it", ErrNotFound)
	}
	for _, name := range append([]string{named}, graphs()...) {
		if slices.Contains(all, name) && (named == "" || name == named) {
			return name, nil
		}
	}
	if len(all) == 1 && named == "" {
		return all[0], nil
	}
	return "", fmt.Errorf("%w: which ONNX file? name one of %s", ErrNotFound, strings.Join(all[:min(20, len(all))], ", "))
}

// towers returns a graph and, for that of images, the one of text beside it.
func towers(graph string) []string {
	folder, base := path.Split(graph)
	if rest, ok := strings.CutPrefix(base, "vision_model"); ok {
		return []string{graph, folder + "text_model" + rest}
	}
	return []string{graph}
}

// data returns the files in which a graph that has not come yet may keep its weights:
// model.onnx_data, model.onnx.data, model.onnx_data_1, model.data.
func data(at map[string]File, graph string) []string {
	stem := strings.TrimSuffix(graph, ".onnx")
	var names []string
	for name := range at {
		if strings.HasPrefix(name, graph+"_data") || strings.HasPrefix(name, graph+".data") || name == stem+".data" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

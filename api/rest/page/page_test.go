package page

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ours are the texts of the files that are written here, by name; what is of others
// is left out.
func ours() map[string]string {
	texts := map[string]string{}
	for name, f := range all() {
		if name != "umap.js" && path.Ext(name) != ".LICENSE" {
			texts[name] = string(f.Content)
		}
	}
	return texts
}

var (
	named    = regexp.MustCompile("[\"'`(](?:/page/|\\./)?([\\w-]+\\.(?:js|css|svg|html))[\"'`)#?]")
	imported = regexp.MustCompile(`(?:\bfrom|\bimport)\s+"\./([\w-]+\.js)"`)
	styled   = regexp.MustCompile(`\bstyle\("([\w-]+\.css)"\)`)
	linked   = regexp.MustCompile(`"/page/([\w.-]+)"`)
	viewed   = regexp.MustCompile(`\["(\w+)", "\w+", "\w"\]`)
)

// references are the names of files that one names, views included, which the frame
// imports by their names.
func references(name, text string) (names []string) {
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	if name != "app.js" {
		return names
	}
	for _, m := range viewed.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1]+".js")
	}
	return names
}

func TestEveryFileThatIsNamedIsThereAndEveryFileIsNamed(t *testing.T) {
	of := map[string]bool{Home: true}
	for name, text := range ours() {
		for _, other := range references(name, text) {
			if _, ok := Named(other); !ok {
				t.Errorf("%s names %s, which is not there", name, other)
			}
			of[other] = of[other] || other != name
		}
	}
	for name := range all() {
		if library, ok := strings.CutSuffix(name, ".LICENSE"); ok {
			of[name] = of[library+".js"]
		}
		if !of[name] {
			t.Errorf("%s is named by no other file", name)
		}
	}
}

func TestEveryFileHasAMediaType(t *testing.T) {
	for name, f := range all() {
		if f.MediaType == "" || len(f.Content) == 0 {
			t.Errorf("%s: got media type %q and %d bytes", name, f.MediaType, len(f.Content))
		}
	}
}

// What the policy would refuse, or what would make markup of data, is not there in the
// first place.
func TestNothingIsInline(t *testing.T) {
	for what, pattern := range map[string]*regexp.Regexp{
		"a handler in markup":              regexp.MustCompile(`(?i)<[a-z][^>]*\son[a-z]+\s*=`),
		"a style in markup":                regexp.MustCompile(`(?i)<[a-z][^>]*\sstyle\s*=|<style|setAttribute\("style"|cssText`),
		"a script in markup":               regexp.MustCompile(`(?i)<script(?:\s+type="module")?>|javascript:`),
		"HTML that is made of text":        regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTMLUnsafe|srcdoc`),
		"a script that is made of text":    regexp.MustCompile(`\beval\(|new Function\(|set(?:Timeout|Interval)\(\s*["'` + "`]"),
		"an address that is not its own":   regexp.MustCompile(`(?i)(?:https?|wss?):?//|["'` + "`]//"),
		"a key where others may find it":   regexp.MustCompile(`(?i)(?:local|session)Storage\.setItem\("(?:api|key|token)"|document\.cookie`),
		"a rule that comes from elsewhere": regexp.MustCompile(`@import`),
	} {
		for name, text := range ours() {
			text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")
			if found := pattern.FindString(text); found != "" {
				t.Errorf("%s has %s: %s", name, what, found)
			}
		}
	}
}

// largest is how many bytes a browser may have to load before the first view can be
// used, without images.
const largest = 250_000

// firstView are the files that the first view needs, those that they import included.
func firstView() []string {
	needed := []string{Home, "query.js"}
	for i := 0; i < len(needed); i++ {
		text := ours()[needed[i]]
		for _, pattern := range []*regexp.Regexp{imported, styled, linked} {
			for _, m := range pattern.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(needed, m[1]) {
					needed = append(needed, m[1])
				}
			}
		}
	}
	return needed
}

func TestTheFirstViewIsSmall(t *testing.T) {
	sum, names := 0, firstView()
	for _, name := range names {
		f, _ := Named(name)
		sum += len(f.Content)
	}
	t.Logf("%d bytes: %s", sum, strings.Join(names, " "))
	for _, name := range []string{"app.css", "app.js", "api.js", "ui.js", "keys.js"} {
		if !slices.Contains(names, name) {
			t.Errorf("the first view: got %q, want %s among it", names, name)
		}
	}
	if sum > largest {
		t.Errorf("the first view needs %d bytes, want %d at most", sum, largest)
	}
}

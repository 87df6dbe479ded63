package main

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files that the program generates")

// The page that is installed is the one that the program writes: make man.
func TestManualPageIsCurrent(t *testing.T) {
	const path = "../../deploy/nearcase.1"
	want := succeed(t, "man")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what nearcase man writes; make man writes it anew (-program +file):\n%s", path, diff)
	}
}

// groff finds nothing wrong, where it is.
func TestManualPageIsWellFormed(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed (Debian: groff-base)")
	}
	c := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z")
	c.Stdin = strings.NewReader(succeed(t, "man"))
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}

// Every command is in the page, with its flags.
func TestManualPageHasEveryCommand(t *testing.T) {
	page := succeed(t, "man")
	for _, want := range []string{".SS serve\n", ".SS collections create ", ".SS config check\n", `\-\-models\-dir=DIR`, ".SS doctor\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("nearcase man lacks %q", want)
		}
	}
}

func TestCompletionKnowsCommandsAndFlags(t *testing.T) {
	for line, want := range map[string]string{"nearcase coll": "collections", "nearcase similar --exa": "--exact", "nearcase models ver": "verify"} {
		t.Setenv("COMP_LINE", line)
		if got := succeed(t); !strings.Contains(got, want) {
			t.Errorf("completion of %q: got %q, want %s", line, got, want)
		}
	}
}

func TestCompletionTellsEachShellWhatToDo(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := succeed(t, "completion", shell); !strings.Contains(got, "nearcase completion -c "+shell) {
			t.Errorf("nearcase completion %s: got %q, want how to activate it", shell, got)
		}
		if got := succeed(t, "completion", "-c", shell); !strings.Contains(got, "complete ") {
			t.Errorf("nearcase completion -c %s: got %q, want its code", shell, got)
		}
	}
}

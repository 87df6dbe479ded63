//go:build cgo && (linux || darwin)

package native

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWorkersAreToldWhereLibrariesAre(t *testing.T) {
	got := environment([]string{"HOME=/root", "NEARCASE_HUB_TOKEN=secret", "LD_LIBRARY_PATH=/opt/lib", "LD_PRELOAD=x.so",
		"DYLD_LIBRARY_PATH=/usr/local/lib", "NEARCASE_CODEC_WORKER=O1:old", "NEARCASE_CHARLS=x.so"}, opened{kind: 'C', path: "/lib/x.so"})
	want := []string{"LD_LIBRARY_PATH=/opt/lib", "DYLD_LIBRARY_PATH=/usr/local/lib",
		"NEARCASE_CODEC_WORKER=C" + strconv.Itoa(os.Getpid()) + ":/lib/x.so"}
	if !slices.Equal(got, want) {
		t.Errorf("environment() = %q, want %q", got, want)
	}
}

// proc returns a path of Linux's description of a worker.
func proc(t *testing.T, w *worker, name string) string {
	t.Helper()
	path := filepath.Join("/proc", strconv.Itoa(w.cmd.Process.Pid), name)
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	return path
}

// What this process holds is not a worker's: its secrets, and descriptors that
// are not closed by exec.
func TestWorkersInheritNothing(t *testing.T) {
	needs(t, "JPEG-LS")
	t.Setenv("NEARCASE_TEST_SECRET", "secret")
	file, err := syscall.Open("native.go", syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(file)
	l := with(t, &charls)
	defer l.end()
	w := idle(t, l, named(t, "1 of 8 bits "))
	if environ, err := os.ReadFile(proc(t, w, "environ")); err != nil || bytes.Contains(environ, []byte("secret")) {
		t.Errorf("a worker's environment is %q, %v", environ, err)
	}
	files, err := os.ReadDir(proc(t, w, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, f := range files {
		link, _ := os.Readlink(filepath.Join(proc(t, w, "fd"), f.Name()))
		links = append(links, link)
	}
	if len(links) != 4 || slices.ContainsFunc(links, func(l string) bool { return !strings.HasPrefix(l, "pipe:") && l != os.DevNull }) {
		t.Errorf("a worker has the files %q, want pipes and %s", links, os.DevNull)
	}
}

// An image has all of its time after what its worker used before, of which parts
// of a second count as one.
func TestTheLimitOfTimeIsAnImagesOwn(t *testing.T) {
	needs(t, "JPEG-LS")
	l := with(t, &charls)
	defer l.end()
	limits, err := os.ReadFile(proc(t, idle(t, l, named(t, "1 of 8 bits ")), "limits"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(limits), "Max cpu time")
	if f := strings.Fields(after); len(f) == 0 || f[0] != strconv.Itoa(small.seconds()+1) {
		t.Errorf("a worker's limits are %s, want %d seconds of time", limits, small.seconds()+1)
	}
}

// Where the link to this program is missing, its file is found all the same.
func TestTheProgramIsFoundWithoutItsLink(t *testing.T) {
	file, err := program(filepath.Join(t.TempDir(), "exe"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := os.Stat(self); err != nil || !os.SameFile(got, want) {
		t.Errorf("program() = %s, want the file of %s", file, self)
	}
	if file := executed(); file != "" && filepath.IsAbs(file) {
		if named, err := os.Stat(file); err != nil || !os.SameFile(named, got) {
			t.Errorf("executed() = %s, want the file of %s", file, self)
		}
	}
}

// self returns a command that runs one test of this program, with a variable.
func self(t *testing.T, file, test, variable string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, file, "-test.run=^"+test+"$", "-test.v")
	c.Env = append(os.Environ(), variable)
	return c
}

// A program that has a worker's variable by mistake says so, and does not wait.
func TestAWorkersVariableByMistakeIsAnError(t *testing.T) {
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		name, value string
		pipes       bool
	}{
		{"another's value", "C1:libcharls.so.2", true},
		{"any value", "1", true},
		{"a kind alone", "C", true},
		{"no pipes", "C" + parent + ":libcharls.so.2", false},
	} {
		cmd := self(t, file, "None", workerVariable+"="+c.value)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if c.pipes {
			if _, err := cmd.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			if _, err := cmd.StdoutPipe(); err != nil {
				t.Fatal(err)
			}
		}
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: %v, want exit status 1", c.name, err)
		}
		if says := stderr.String(); strings.Count(says, "\n") != 1 || !strings.Contains(says, workerVariable+",") || !strings.Contains(says, "unset it") {
			t.Errorf("%s: it says %q, want a line that names %s", c.name, says, workerVariable)
		}
	}
	if out, err := self(t, file, "None", workerVariable+"=").CombinedOutput(); err != nil {
		t.Errorf("an empty value: %v, %s", err, out)
	}
}

// With privileges of the program's file, the environment chooses no code.
func TestRaisedPrivilegesLoadNothing(t *testing.T) {
	if os.Getenv("NEARCASE_TEST_RAISED") == "" {
		if raised() {
			t.Error("raised privileges in a test")
		}
		runRaised(t)
		return
	}
	if !raised() {
		t.Skip("the file system has no set-user-ID")
	}
	for _, l := range Libraries() {
		if !errors.Is(l.Err, ErrLibrary) || !strings.Contains(l.Err.Error(), "set-user-ID") {
			t.Errorf("%s: %v, want %v saying why", l.Name, l.Err, ErrLibrary)
		}
	}
}

// runRaised runs the test above in a copy of this program that belongs to another
// user, with a worker's variable that must be of no use.
func runRaised(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "nearcase") // open to all, as t.TempDir is not
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file = filepath.Join(dir, "raised")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(file, program, 0o755), os.Chown(file, 65534, 65534),
		os.Chmod(file, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	cmd := self(t, file, "TestRaisedPrivilegesLoadNothing", workerVariable+"=C"+strconv.Itoa(os.Getpid())+":libcharls.so.2")
	cmd.Env = append(cmd.Env, "NEARCASE_TEST_RAISED=1")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("a program of another user: %v\n%s", err, out)
	case !bytes.Contains(out, []byte("--- PASS")):
		t.Skipf("%s", out)
	}
}

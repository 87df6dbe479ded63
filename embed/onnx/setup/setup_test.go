package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"nearcase/embed/onnx"
)

const library = "package/bin/libonnxruntime.so.1"

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// archive is a gzipped tar of entries in order.
func archive(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	for _, e := range entries {
		content := strings.Repeat(e.Name, 1000)
		if e.Typeflag == tar.TypeReg {
			e.Size = int64(len(content))
		}
		if err := files.WriteHeader(&e); err != nil {
			t.Fatal(err)
		}
		if e.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(files, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(files.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func regular(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}
}

func TestUnpackTakesTheNamedFileAlone(t *testing.T) {
	packed := archive(t, regular("../../escape"), regular("/etc/absolute"), regular("package/"+library),
		tar.Header{Typeflag: tar.TypeSymlink, Name: library, Linkname: "/etc/passwd"}, regular(library), regular("later"))
	var got strings.Builder
	if err := unpack(bytes.NewReader(packed), library, &got); err != nil || got.String() != strings.Repeat(library, 1000) {
		t.Errorf("unpack() = %d bytes, %v, want the file's %d", got.Len(), err, 1000*len(library))
	}
}

func TestUnpackRefuses(t *testing.T) {
	whole := archive(t, regular("first"), regular(library))
	var zeros bytes.Buffer
	zip := gzip.NewWriter(&zeros)
	header := tar.Header{Typeflag: tar.TypeReg, Name: library, Size: largest + 1}
	if err := errors.Join(tar.NewWriter(zip).WriteHeader(&header), zip.Close()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"nothing":                      {nil, "EOF"},
		"what is not gzip":             {[]byte("no archive at all"), "gzip"},
		"a truncated archive":          {whole[:len(whole)-30], "unexpected EOF"},
		"an archive cut in its middle": {whole[:len(whole)/2], "unexpected EOF"},
		"an archive without the file":  {archive(t, regular("first")), "no file " + library},
		"a link instead of the file":   {archive(t, tar.Header{Typeflag: tar.TypeSymlink, Name: library, Linkname: "/etc/passwd"}), "no file"},
		"a file that is too large":     {zeros.Bytes(), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := unpack(bytes.NewReader(c.packed), library, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("unpack() = %v, want an error with %q", err, c.want)
			}
		})
	}
}

// Law: unpack ends without a panic, writes no more than it allows, and what it
// takes for success is not empty-handed: the name was in the archive.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("no archive"))
	f.Add(bytes.Repeat([]byte(library), 100))
	f.Fuzz(func(t *testing.T, tarred []byte) {
		var zipped bytes.Buffer
		zip, err := gzip.NewWriterLevel(&zipped, gzip.NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, err = zip.Write(tarred)
		if err := errors.Join(err, zip.Close()); err != nil {
			t.Fatal(err)
		}
		for _, packed := range [][]byte{tarred, zipped.Bytes()} {
			var got counter
			err := unpack(bytes.NewReader(packed), library, &got)
			if got > largest || err == nil && !bytes.Contains(tarred, []byte("libonnxruntime")) {
				t.Errorf("unpack() = %d bytes, %v", got, err)
			}
		}
	})
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// only returns the names in folder.
func only(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestPlaceReplacesAFileWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bin", "lib.so")
	for _, content := range []string{"first", "second"} {
		fill := func(w io.Writer) error { _, err := io.WriteString(w, content); return err }
		if err := place(path, digest(content), fill); err != nil {
			t.Fatalf("place(%q) = %v", content, err)
		}
		if !holds(path, digest(content)) || only(t, filepath.Dir(path)) != "lib.so" {
			t.Errorf("place(%q) left %s, want the file alone and whole", content, only(t, filepath.Dir(path)))
		}
	}
}

func TestPlaceKeepsNothingWrong(t *testing.T) {
	for name, fill := range map[string]func(io.Writer) error{
		"another content": func(w io.Writer) error { _, err := io.WriteString(w, "wrong"); return err },
		"a broken source": func(w io.Writer) error {
			_, err := io.WriteString(w, "ri")
			return errors.Join(err, io.ErrUnexpectedEOF)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "lib.so")
			if err := place(path, digest("right"), fill); err == nil || only(t, folder) != "" {
				t.Errorf("place() = %v and left %q, want an error and nothing", err, only(t, folder))
			}
			if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := place(path, digest("right"), fill); err == nil || !holds(path, digest("before")) || only(t, folder) != "lib.so" {
				t.Errorf("place() over a file = %v and left %q, want an error and the file as it was", err, only(t, folder))
			}
		})
	}
}

func TestAWrongDigestIsNamedBesideTheRightOne(t *testing.T) {
	err := place(filepath.Join(t.TempDir(), "lib.so"), digest("right"),
		func(w io.Writer) error { _, err := io.WriteString(w, "wrong"); return err })
	if err == nil || !strings.Contains(err.Error(), digest("right")) || !strings.Contains(err.Error(), digest("wrong")) {
		t.Errorf("place(wrong content) = %v, want both digests", err)
	}
}

func TestEveryPlatformHasOneSourceAndAWholeDigest(t *testing.T) {
	for _, platform := range []string{"linux amd64", "linux arm64", "darwin arm64"} {
		goos, goarch, _ := strings.Cut(platform, " ")
		s, known := sourceOf(goos, goarch)
		if raw, err := hex.DecodeString(s.digest); !known || err != nil || len(raw) != sha256.Size || (s.module == "") == (s.bundled == "") {
			t.Errorf("sourceOf(%s) = %+v, %v, want one place and a SHA-256", platform, s, known)
		}
	}
	if s, known := sourceOf("plan9", "amd64"); known {
		t.Errorf("sourceOf(plan9 amd64) = %+v, want none", s)
	}
}

// The module's files do not depend on the platform that the test runs on.
func TestTheModuleCarriesWhatIsPinned(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		s, _ := sourceOf(goos, "arm64")
		target := filepath.Join(t.TempDir(), "bin", onnx.Filename(goos))
		if err := s.copy(t.Context(), target); err != nil || !holds(target, s.digest) {
			t.Errorf("copy(%s-arm64) = %v, want the pinned library", goos, err)
		}
	}
}

// command writes a shell script that stands where npm would: what is tested is
// how npm is called, how its failures are taken and what becomes of its archive.
func command(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "npm")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDownloadTakesTheLibraryFromThePackage(t *testing.T) {
	folder := t.TempDir()
	packed := filepath.Join(folder, "packed")
	if err := os.WriteFile(packed, archive(t, regular("package/package.json"), regular(library)), 0o644); err != nil {
		t.Fatal(err)
	}
	npm := command(t, fmt.Sprintf(`echo "$@" > %s/args; cp %s "$4/onnxruntime-node.tgz"`, folder, packed))
	target := filepath.Join(folder, "bin", "lib.so")
	right := source{bundled: library, digest: digest(strings.Repeat(library, 1000))}
	if err := right.download(t.Context(), npm, target); err != nil || !holds(target, right.digest) {
		t.Errorf("download() = %v, want the library in place", err)
	}
	args, err := os.ReadFile(filepath.Join(folder, "args"))
	if err != nil || !strings.HasPrefix(string(args), "pack onnxruntime-node@1.24.1 --pack-destination ") || !strings.Contains(string(args), "--ignore-scripts") {
		t.Errorf("download() ran npm %s, %v, want pack of the pinned release without scripts", args, err)
	}
	wrong := source{bundled: library, digest: digest("other")}
	if err := wrong.download(t.Context(), npm, filepath.Join(folder, "other", "lib.so")); err == nil || only(t, filepath.Join(folder, "other")) != "" {
		t.Errorf("download(another digest) = %v, want an error and nothing left", err)
	}
}

func TestPackTellsWhatTheCommandSaid(t *testing.T) {
	npm := command(t, "echo 'no such network' >&2; exit 1")
	if err := pack(t.Context(), npm, t.TempDir(), time.Minute); err == nil || !strings.Contains(err.Error(), "no such network") {
		t.Errorf("pack() = %v, want what the command said", err)
	}
}

func TestPackEndsACommandThatHangs(t *testing.T) {
	npm := command(t, "exec sleep 60")
	if err := pack(t.Context(), npm, t.TempDir(), 20*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("pack() = %v, want context.DeadlineExceeded", err)
	}
}

func TestRetry(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx             context.Context
		failures, calls int
		fails           bool
	}{
		"a success is final":                      {t.Context(), 0, 1, false},
		"two failures are forgiven":               {t.Context(), 2, 3, false},
		"the third failure is final":              {t.Context(), 3, 3, true},
		"a cancelled context ends after one call": {cancelled, 3, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			calls, pause := 0, time.Duration(0)
			if c.ctx == cancelled {
				pause = time.Hour
			}
			err := retry(c.ctx, 3, pause, func() error {
				calls++
				if calls <= c.failures {
					return errors.New("failed")
				}
				return nil
			})
			if calls != c.calls || (err != nil) != c.fails {
				t.Errorf("retry() = %v after %d calls, want an error %v after %d", err, calls, c.fails, c.calls)
			}
		})
	}
}

// Without a PATH there is neither npm nor go, so that nothing can be fetched.
func TestTheLibraryInPlaceNeedsNothingElse(t *testing.T) {
	path, err := onnx.Find("")
	s, known := sourceOf(runtime.GOOS, runtime.GOARCH)
	if err != nil || !known || !holds(path, s.digest) {
		t.Skip("the pinned library is not on this machine")
	}
	t.Setenv(onnx.Variable, "")
	t.Setenv("PATH", "")
	target := filepath.Join(t.TempDir(), onnx.Filename(runtime.GOOS))
	if err := os.Symlink(path, target); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if got, err := provide(t.Context(), filepath.Dir(target), "", &out); got != target || err != nil || out.String() != "" {
		t.Errorf("provide() with the library in place = %q, %v, said %q, want %q silently", got, err, out.String(), target)
	}
}

func TestALibraryThatCannotBeFetchedSaysWhatIsMissing(t *testing.T) {
	t.Setenv(onnx.Variable, "")
	t.Setenv("PATH", "")
	for _, platform := range []string{"linux amd64", "linux arm64"} {
		goos, goarch, _ := strings.Cut(platform, " ")
		s, _ := sourceOf(goos, goarch)
		err := s.fetch(t.Context(), filepath.Join(t.TempDir(), "lib.so"), io.Discard)
		want := map[bool]string{true: "go list", false: "npm is needed"}[s.module != ""]
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fetch(%s) without a PATH = %v, want an error with %q", platform, err, want)
		}
	}
}

func TestANamedLibraryIsNotReplaced(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(onnx.Variable, filepath.Join(folder, "absent.so"))
	var out, errs bytes.Buffer
	if err := run(t.Context(), []string{"-o", folder}, &out, &errs); !errors.Is(err, onnx.ErrLibrary) || only(t, folder) != "" {
		t.Errorf("run() with an absent library in the environment = %v, want ErrLibrary and nothing fetched", err)
	}
	if err := run(t.Context(), []string{"stray"}, &out, &errs); err == nil || !strings.Contains(err.Error(), "stray") {
		t.Errorf("run(stray) = %v, want an error that names it", err)
	}
}

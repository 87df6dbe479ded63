// Command axe puts axe-core, which the tests of the page look for violations with,
// into a folder. It is fetched by npm once, is no part of the program, and is under the
// MPL-2.0, as its own first lines say.
//
//	go run ./cmd/nearcase/browser/axe -o bin
//
// What it puts there has the SHA-256 that is written in this program. A further run
// finds it, changes nothing and says nothing.
package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

const (
	bundle   = "axe-core@4.14.1" // the npm package
	bundled  = "package/axe.min.js"
	target   = "axe.min.js"
	digest   = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
	largest  = 8 << 20   // of the script, which has 0.6 MB
	unpacked = 256 << 20 // of the archive
	patience = 5 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "axe:", err)
		os.Exit(1)
	}
}

// run puts the script into the folder. Without npm it says so and does nothing: the
// tests that need it say that they are skipped, or fail where they are required.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("axe", flag.ContinueOnError)
	folder := flags.String("o", "bin", "`folder` that the script is put into")
	if err := flags.Parse(args); err != nil {
		return err
	}
	path := filepath.Join(*folder, target)
	if had, err := os.ReadFile(path); err == nil && isWhole(had) {
		return nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		fmt.Fprintln(stdout, "no npm: axe-core is not fetched, and no test looks for violations of accessibility")
		return nil
	}
	fmt.Fprintf(stdout, "fetching %s by npm (3 MB, once): tests look for violations of accessibility with it\n", bundle)
	script, err := fetch(ctx, npm)
	if err != nil {
		return err
	}
	return place(path, script)
}

func isWhole(script []byte) bool {
	sum := sha256.Sum256(script)
	return hex.EncodeToString(sum[:]) == digest
}

// fetch returns the script of the npm package. No script of the package is run.
func fetch(ctx context.Context, npm string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "nearcase-axe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	command := exec.CommandContext(ctx, npm, "pack", bundle, "--pack-destination", folder, "--ignore-scripts", "--loglevel=error")
	command.Dir = folder
	if said, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w: %s", bundle, err, said[max(0, len(said)-1000):])
	}
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return nil, fmt.Errorf("npm pack %s left %d archives, want 1", bundle, len(archives))
	}
	archive, err := os.Open(archives[0])
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	return unpack(archive)
}

// unpack returns the script in a gzipped tar archive. Other names are of no
// consequence, for nothing is written by them.
func unpack(archive io.Reader) ([]byte, error) {
	plain, err := gzip.NewReader(archive)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	files := tar.NewReader(io.LimitReader(plain, unpacked))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the archive has no file %s", bundled)
		}
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		if header.Name != bundled || header.Typeflag != tar.TypeReg {
			continue
		}
		if header.Size > largest {
			return nil, fmt.Errorf("%s has %d bytes, more than %d", bundled, header.Size, largest)
		}
		script, err := io.ReadAll(files)
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		return script, nil
	}
}

// place puts the script at path, whole and as it must be or not at all.
func place(path string, script []byte) error {
	if !isWhole(script) {
		sum := sha256.Sum256(script)
		return fmt.Errorf("the SHA-256 of %s is %x, but %s is expected; nothing was kept", bundled, sum, digest)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, script, 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
}

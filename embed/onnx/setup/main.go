// Command setup makes the ONNX Runtime library available to a build: it uses
// the one that is configured or that the system has, and otherwise puts the
// pinned release beside the program.
//
//	go run ./embed/onnx/setup -o bin
//
// Whatever it puts there has the SHA-256 that is written in this program. A
// further run finds the library, changes nothing and says nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"

	"nearcase/embed/onnx"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	flags.SetOutput(stderr)
	folder := flags.String("o", "bin", "`folder` of the program, where the library is put")
	configured := flags.String("onnxruntime", "", "`path` of a library to use instead")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	path, err := provide(ctx, *folder, *configured, stdout)
	if err != nil {
		return err
	}
	// What cannot be loaded here, for want of a system library say, shall come
	// to light now rather than when the program starts.
	return onnx.Load(path)
}

// provide returns the path of the library, which it fetches into folder if
// there is none yet. An existing file of other content is replaced.
func provide(ctx context.Context, folder, configured string, out io.Writer) (string, error) {
	if configured != "" || os.Getenv(onnx.Variable) != "" {
		return onnx.Find(configured)
	}
	target := filepath.Join(folder, onnx.Filename(runtime.GOOS))
	s, known := sourceOf(runtime.GOOS, runtime.GOARCH)
	if known && holds(target, s.digest) {
		return target, nil
	}
	if path, ok := system(out); ok {
		return path, nil
	}
	if !known {
		return "", fmt.Errorf("no ONNX Runtime library is known for %s-%s: install release %s and name it by %s",
			runtime.GOOS, runtime.GOARCH, onnx.Version, onnx.Variable)
	}
	return target, s.fetch(ctx, target, out)
}

// system returns the system's library if it can be loaded.
func system(out io.Writer) (string, bool) {
	path, err := onnx.System()
	if err != nil {
		return "", false
	}
	if err := onnx.Load(path); err != nil {
		fmt.Fprintf(out, "passing over the system's library: %v\n", err)
		return "", false
	}
	fmt.Fprintf(out, "using ONNX Runtime %s of the system, %s\n", onnx.RuntimeVersion(), path)
	return path, true
}

package main

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"nearcase/api/client/crash"
	"nearcase/embed/onnx/onnxtest"
)

var (
	crashFor  = flag.Duration("crash", 2*time.Minute, "how long the server is killed again and again")
	crashSeed = flag.Uint64("crashseed", 0, "what decides how; 0 draws one")
)

// A server is killed at random moments while many clients store, replace, label,
// delete and erase, and an operator reindexes and compacts: all that it acknowledged
// is there each time, and it answers as one that was never killed.
func TestCrasherFindsNothingLost(t *testing.T) {
	t.Parallel() // its server is a process of its own
	onnxtest.Require(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: go test ./cmd/nearcase -run TestCrasher -crashseed %[1]d -crash %s", seed, *crashFor)
	report, err := crash.Run(t.Context(), crash.Options{
		Program: self, Environment: []string{asProgram + "=1"}, Data: t.TempDir(), Seed: seed, For: *crashFor, Log: t.Output(),
	})
	if err != nil {
		t.Error(err)
	}
	if report.Print(t.Output(), 0); !report.WasKilled() {
		t.Error("the server was never killed")
	}
}

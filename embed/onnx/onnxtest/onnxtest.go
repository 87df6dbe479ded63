// Package onnxtest lets the tests of other packages run networks.
package onnxtest

import (
	"os"
	"testing"

	"nearcase/embed/onnx"
)

// Require finds and loads the ONNX Runtime library, once per process. Where
// the machine has none it skips the test and says why. A library that the
// environment names but that cannot be used fails the test instead, so that a
// mistake in a build's settings does not pass for success.
func Require(t testing.TB) {
	t.Helper()
	path, err := onnx.Find("")
	if err == nil {
		err = onnx.Load(path)
	}
	switch {
	case err == nil:
	case os.Getenv(onnx.Variable) != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

package index

import (
	"flag"
	"os"
	"testing"
)

// Under the race detector properties are checked for fewer examples, unless the
// command says for how many.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); raced && checks.Value.String() == checks.DefValue {
		_ = checks.Value.Set("20")
	}
	os.Exit(m.Run())
}

// sized is n, or a fifth of it under the race detector.
func sized(n int) int {
	if raced {
		return n / 5
	}
	return n
}

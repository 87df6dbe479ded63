package local_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"nearcase/store/storetest"
)

var (
	operationsFor  = flag.Duration("operations", 2*time.Second, "how long operations are asked for at random")
	operationsSeed = flag.Uint64("seed", 0, "of the first round of operations; 0 draws one")
)

// A store answers whatever it is asked, in whatever order and however often it is
// opened anew, as a simple model in memory does.
func TestOperationsAnswerAsAModelDoes(t *testing.T) {
	seed := *operationsSeed
	if seed == 0 {
		seed = rand.Uint64N(1 << 48)
	}
	t.Logf("go test ./store/local -run TestOperations -seed %d -operations %s", seed, *operationsFor)
	storetest.Operations(t, open, storetest.OperationOptions{Seed: seed, Length: 250, For: *operationsFor})
}

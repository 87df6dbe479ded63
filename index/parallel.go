package index

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// forEach calls f for every number below n, from as many goroutines as there are
// processors, of which the caller's is one.
func forEach(n int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
}

// eachErr is forEach of what may fail. It returns the first error by number.
func eachErr(n int, f func(i int) error) error {
	errs := make([]error, n)
	forEach(n, func(i int) { errs[i] = f(i) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// eachBlock is eachErr of ranges that make up the numbers below n.
func eachBlock(n int, f func(from, to int) error) error {
	const size = 1024
	return eachErr((n+size-1)/size, func(i int) error { return f(i*size, min(n, (i+1)*size)) })
}

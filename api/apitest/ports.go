package apitest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreePorts returns n ports of the loopback that nobody listens on. They are below those
// that a system gives to who asks for any, so that they stay free until they are used.
func FreePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for tries := 0; len(ports) < n; tries++ {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			defer l.Close() // when all are known, so that they differ
			ports = append(ports, port)
		} else if tries > 100 {
			t.Fatal(err)
		}
	}
	return ports
}

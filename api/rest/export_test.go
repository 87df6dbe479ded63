package rest

import "time"

// SetBodyTimeout sets how long a server waits for some more of a body. It must
// not have had a request yet.
func SetBodyTimeout(s *Server, d time.Duration) { s.bodyTimeout = d }

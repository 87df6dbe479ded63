package rest

import "time"

// SetTurn sets how long requests wait for their turn. The server must not have had
// one yet.
func SetTurn(s *Server, d time.Duration) { s.keeper.turn = d }

// Package probe turns frozen embeddings and labels into predictions: the vote
// of a query's nearest neighbours, and a linear classifier (a ridge probe)
// that is kept up to date label by label. Nothing is trained by gradient
// descent and nothing is approximated: a vote is a weighted count and a probe
// is the solution of a linear system.
//
// Everything here is arithmetic. The package reads and writes nothing, starts
// no goroutine that outlives the call and keeps no state outside the values it
// returns.
package probe

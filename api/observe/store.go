package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"nearcase/api"
)

// Store is what a store says of itself.
type Store struct {
	// Floor is how many bytes stay free on the disk, Ballast what it keeps for itself.
	Floor, Ballast int64
	// Refused counts what was refused for want of room, Reopened how often its log was
	// opened again after a failure, and Compactions.
	Refused, Reopened, Compactions int64
}

var (
	floor       = describe("disk_floor_bytes", "What must be free on the disk of the data directory for anything to be stored.")
	ballast     = describe("store_ballast_bytes", "What the store keeps of the disk for itself.")
	refused     = describe("store_refused_total", "Changes that were refused because too little of the disk is free.")
	reopened    = describe("store_reopened_total", "How often the log was opened again after a failure.")
	compactions = describe("store_compactions_total", "How often the log was compacted.")
	stored      = describe("collection_bytes", "Originals as received and vectors of a collection.", "collection")
	quota       = describe("collection_quota", "How much a collection may have, by what: instances, bytes.", "collection", "of")
)

// state tells how the store stands.
func (w watched) state(ch chan<- prometheus.Metric) {
	if w.Store == nil {
		return
	}
	s := w.Store()
	send(ch, floor, float64(s.Floor))
	send(ch, ballast, float64(s.Ballast))
	for d, n := range map[*prometheus.Desc]int64{refused: s.Refused, reopened: s.Reopened, compactions: s.Compactions} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
}

// countQuota tells what a collection takes of what it may.
func countQuota(ch chan<- prometheus.Metric, c api.Collection) {
	send(ch, stored, float64(c.Status.Bytes), c.Name)
	if most := c.Quota; most.Instances > 0 {
		send(ch, quota, float64(most.Instances), c.Name, "instances")
	}
	if most := c.Quota; most.Bytes > 0 {
		send(ch, quota, float64(most.Bytes), c.Name, "bytes")
	}
}

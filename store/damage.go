package store

// What a log entry was that is lost.
const (
	LostInstance    = "instance"    // an instance, or its vector: no answer has it
	LostLabel       = "label"       // a label: nothing counts that its reader has said for its task
	LostDescription = "description" // of a collection, which is not served
	LostUnknown     = "unknown"     // it may have been any, also a correction or a deletion
)

// Damage is a log entry that was acknowledged and cannot be read any more. In its
// place the log has one that says no more than is known: nothing is answered by
// what it may have corrected. It is mended when the same is stored again.
type Damage struct {
	Collection string `json:"collection"`
	Key        Key    `json:"key,omitempty"`
	// What it was: see LostInstance.
	What string `json:"what"`
	// Instance is the ID of the instance concerned, as far as that is known.
	Instance string `json:"instance,omitempty"`
	Reason   string `json:"reason"`
}

package local_test

import (
	"context"
	"sync"
	"testing"

	"nearcase/store/local"
	"nearcase/store/storetest"
)

// What is deleted while everything is read is no damage: its entries go from the log
// a moment before they go from memory.
func TestVerifyFindsNothingWrongWithWhatIsBeingDeleted(t *testing.T) {
	l, err := local.Open(t.TempDir(), local.Options{Memory: littleMemory})
	must(t, err)
	defer l.Close()
	must(t, l.Create(t.Context(), storetest.Collection("c")))
	const deleters, each = 4, 60
	all := storetest.Records(0, deleters*each)
	putAll(t, l, "c", all)
	var group sync.WaitGroup
	deleting, ended := context.WithCancel(t.Context())
	for n := range deleters {
		group.Go(func() {
			for _, r := range all[n*each : (n+1)*each] {
				if err := l.Delete(t.Context(), "c", r.Instance.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { group.Wait(); ended() }()
	for deleting.Err() == nil {
		v, err := l.Verify(t.Context(), nil)
		must(t, err)
		for _, f := range v.Findings {
			t.Errorf("Verify beside deletions finds %+v", f)
		}
	}
}

package local_test

import (
	"context"
	"testing"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/storetest"
)

// While a commit takes an instance out of the log that is still answered with, the log
// is not said to be damaged.
func TestWhatACommitTakesAwayIsNotDamage(t *testing.T) {
	during := func() {}
	l, err := local.Open(t.TempDir(), local.Options{Begin: func(ctx context.Context, stage string) (context.Context, func(error)) {
		return ctx, func(error) {
			if stage == "commit" {
				during()
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Create(t.Context(), storetest.Collection("c")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Put(t.Context(), "c", storetest.Records(0, 6)); err != nil {
		t.Fatal(err)
	}
	looked := 0
	during = func() {
		looked++
		for _, err := range l.Log(t.Context(), "c", 0) {
			if err != nil {
				t.Errorf("Log in the middle of a commit: %v", err)
			}
		}
	}
	other := storetest.Record(9)
	other.Instance.ID, other.Replace = "i1", true
	if _, err := l.Put(t.Context(), "c", []store.Record{other}); err != nil {
		t.Error(err)
	}
	if err := l.Delete(t.Context(), "c", "i2"); err != nil {
		t.Error(err)
	}
	if looked < 2 {
		t.Errorf("the log was read in %d commits, want one for each change", looked)
	}
}

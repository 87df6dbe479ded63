package api

import (
	"strings"
	"testing"

	"nearcase/store"
)

// Whatever a CSV has, it is refused or its labels can be stored.
func FuzzLabelSheet(f *testing.F) {
	f.Add("instance,finding,devices\ni0,a,line|?tube\n", "")
	f.Add("name,task,classes,reader,confidence,time\nfilm.png,devices,!line,anna,0.5,2024-02-03\n", "")
	f.Add("instance,line,tube\ni0,1,-1\n", "devices")
	c := store.Collection{Name: "c", Tasks: []store.Task{{Name: "finding", Classes: []string{"a", "b"}}, {Name: "devices", Multi: true, Classes: []string{"line", "tube"}}}}
	stored := NewStored()
	stored.Add(Instance{Instance: store.Instance{ID: "i0", Name: "film.png"}})
	f.Fuzz(func(t *testing.T, csv, task string) {
		l := &LabelSheet{places: map[string]int{}, o: SheetOptions{CheXpert: task}}
		if l.read(strings.NewReader(csv)) != nil {
			return
		}
		for _, newClasses := range []bool{false, true} {
			labels, declare, err := l.Labels(c, stored, newClasses)
			if err != nil {
				continue
			}
			with := c
			if with.Tasks, err = store.Merge(c.Tasks, declare); err != nil {
				t.Fatalf("%q: declare %+v: %v", csv, declare, err)
			}
			for _, r := range labels {
				if _, err := r.check(with); err != nil || r.Instance != "i0" {
					t.Fatalf("%q: %+v: %v", csv, r, err)
				}
			}
		}
	})
}

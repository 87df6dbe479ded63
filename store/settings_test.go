package store_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"nearcase/store"
)

func TestSettingsThatCannotBeAreRefusedByName(t *testing.T) {
	for field, c := range map[string]struct {
		task     store.Task
		settings store.Settings
		want     error
	}{
		"policies: class \"x\"":            {devices, store.Settings{Policies: map[string]store.Policy{"x": {}}}, store.ErrClass},
		"policies, class \"line\": uncert": {devices, store.Settings{Policies: map[string]store.Policy{"line": {Uncertain: "maybe"}}}, store.ErrInvalid},
		"policies, class \"\": unmention":  {devices, store.Settings{Policies: map[string]store.Policy{"": {Unmentioned: "1"}}}, store.ErrInvalid},
		"policies: not valid":              {finding, store.Settings{Policies: map[string]store.Policy{"": {}}}, store.ErrInvalid},
		"priors: class \"x\"":              {finding, store.Settings{Priors: map[string]float64{"x": 0.5}}, store.ErrClass},
		"priors: not valid: they sum":      {finding, store.Settings{Priors: map[string]float64{"covid": 0.5, "normal": 0.4}}, store.ErrInvalid},
		"priors: not valid: 2 for 3":       {finding, store.Settings{Priors: map[string]float64{"covid": 0.5, "normal": 0.5}}, store.ErrInvalid},
		"priors, class \"line\": 1":        {devices, store.Settings{Priors: map[string]float64{"line": 1}}, store.ErrInvalid},
		"priors, class \"tube\": NaN":      {devices, store.Settings{Priors: map[string]float64{"tube": math.NaN()}}, store.ErrInvalid},
		"weighting":                        {finding, store.Settings{Weighting: "a\x00"}, store.ErrInvalid},
		"temperature":                      {finding, store.Settings{Temperature: math.Inf(1)}, store.ErrInvalid},
		"neighbours":                       {finding, store.Settings{Neighbours: -1}, store.ErrInvalid},
		"min_patients":                     {finding, store.Settings{MinPatients: -1}, store.ErrInvalid},
		"coverage":                         {finding, store.Settings{Coverage: 1}, store.ErrInvalid},
		"sensitivity":                      {finding, store.Settings{Sensitivity: math.NaN()}, store.ErrInvalid},
		"specificity":                      {finding, store.Settings{Specificity: -0.1}, store.ErrInvalid},
		"head":                             {finding, store.Settings{Head: "forest"}, store.ErrInvalid},
	} {
		err := c.task.CheckSettings(c.settings)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), ": "+field) {
			t.Errorf("CheckSettings(%+v): got %v, want %v naming %s", c.settings, err, c.want, field)
		}
	}
	good := store.Settings{
		Policies: map[string]store.Policy{"": {Uncertain: store.AsHalf}, "line": {Uncertain: store.Ignore, Unmentioned: store.AsAbsent}},
		Balanced: true, Priors: map[string]float64{"line": 0.1, "tube": 0.95},
		Weighting: "uniform", Temperature: 0.07, Neighbours: 11, Centre: true,
		MinPatients: 5, Coverage: 0.8, Sensitivity: 0.99, Specificity: 0.9, Head: store.HeadSoftmax, Pinned: 7,
	}
	if err := devices.CheckSettings(good); err != nil {
		t.Errorf("CheckSettings: %v", err)
	}
}

func TestMergeKeepsSettings(t *testing.T) {
	configured := finding
	configured.Settings = store.Settings{Neighbours: 11}
	other, fresh := finding, store.Task{Name: "view", Classes: []string{"pa"}, Settings: store.Settings{Balanced: true}}
	other.Classes, other.Settings = []string{"other"}, store.Settings{Neighbours: 20}
	got, err := store.Merge([]store.Task{configured}, []store.Task{other, fresh})
	if err != nil || len(got) != 2 || !reflect.DeepEqual(got[0].Settings, configured.Settings) || !reflect.DeepEqual(got[1].Settings, fresh.Settings) {
		t.Errorf("Merge: got %+v, %v, want the settings there are and those of what is new", got, err)
	}
	fresh.Name, fresh.Classes = "plane", []string{"axial", "sagittal"}
	fresh.Settings.Priors = map[string]float64{"axial": 0.5, "sagittal": 0.5}
	got, err = store.Merge(nil, []store.Task{fresh})
	fresh.Settings.Priors["axial"] = 0 // the caller's own
	if err != nil || got[0].Settings.Priors["axial"] != 0.5 {
		t.Errorf("Merge: got %+v, %v, want settings of its own", got, err)
	}
	fresh.Settings = store.Settings{Head: "forest"}
	if _, err := store.Merge(nil, []store.Task{fresh}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("Merge of a task with settings that cannot be: got %v, want ErrInvalid", err)
	}
}

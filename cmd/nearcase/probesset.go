package main

import (
	"context"

	"nearcase/store"
)

type probesSet struct {
	ofTask
	Weighting   *string            `help:"How votes are weighted: softmax, uniform, distance, or a preset (dinov2, medmnist, uni, nearest)."`
	Temperature *float64           `help:"Temperature of softmax."`
	Neighbours  *int               `help:"How many vote (0: as validated)."`
	Centre      *bool              `negatable:"" help:"Subtract the mean vector before neighbours are compared."`
	Balanced    *bool              `negatable:"" help:"Give every class the same weight in the ridge probe."`
	Head        *string            `help:"Probe that answers: ridge, softmax, or empty for the better one."`
	MinPatients *int               `help:"Patients that a class needs for an answer (0: 2)."`
	Coverage    *float64           `help:"Share of prediction sets that hold the truth (0: 0.9)."`
	Sensitivity *float64           `help:"Sensitivity of ruling out (0: 0.95)."`
	Specificity *float64           `help:"Specificity of ruling in (0: 0.95)."`
	Prior       map[string]float64 `help:"Share of a class where the answers are used." placeholder:"CLASS=SHARE"`
	Uncertain   map[string]string  `help:"What uncertain teaches of a finding, or of all others by *: ignore, absent, present, half." placeholder:"CLASS=POLICY"`
	Unmentioned map[string]string  `help:"What it teaches that a finding is not mentioned." placeholder:"CLASS=POLICY"`
	Reset       bool               `help:"Begin with the program's own choice of everything."`
}

func (probesSet) Help() string {
	return `Prints the settings, after changing those that are named.

  nearcase probes set --collection cxr finding --weighting medmnist
  nearcase probes set --collection cxr finding --prior normal=0.95 --prior pneumonia=0.05
  nearcase probes set --collection cxr findings --uncertain '*=ignore' --uncertain edema=present`
}

func (q probesSet) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		task, err := q.task(ctx, o)
		if err != nil {
			return err
		}
		settings, err := o.Settings(ctx, q.Collection, task)
		if err != nil {
			return err
		}
		if q.Reset {
			settings = store.Settings{Pinned: settings.Pinned}
		}
		q.change(&settings)
		if err := o.Configure(ctx, q.Collection, task, settings); err != nil {
			return err
		}
		s.JSON = true // there is no better way to show them
		return s.print(settings, nil)
	})
}

// change sets what is named.
func (q probesSet) change(s *store.Settings) {
	assign(&s.Weighting, q.Weighting)
	assign(&s.Temperature, q.Temperature)
	assign(&s.Neighbours, q.Neighbours)
	assign(&s.Centre, q.Centre)
	assign(&s.Balanced, q.Balanced)
	assign(&s.Head, q.Head)
	assign(&s.MinPatients, q.MinPatients)
	assign(&s.Coverage, q.Coverage)
	assign(&s.Sensitivity, q.Sensitivity)
	assign(&s.Specificity, q.Specificity)
	if len(q.Prior) > 0 {
		s.Priors = q.Prior
	}
	if s.Policies == nil && len(q.Uncertain)+len(q.Unmentioned) > 0 {
		s.Policies = map[string]store.Policy{}
	}
	for class, policy := range q.Uncertain {
		p := s.Policies[ofAll(class)]
		p.Uncertain = policy
		s.Policies[ofAll(class)] = p
	}
	for class, policy := range q.Unmentioned {
		p := s.Policies[ofAll(class)]
		p.Unmentioned = policy
		s.Policies[ofAll(class)] = p
	}
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// ofAll is the name under which the policies of all other classes are.
func ofAll(class string) string {
	if class == "*" {
		return ""
	}
	return class
}

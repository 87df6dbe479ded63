package onnx

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// An engine is a graph in the runtime, whatever it is fed.
type engine struct {
	provider string
	skipped  []Skipped

	mu      sync.RWMutex // read by those who run, written by Close
	network *ort.DynamicAdvancedSession
}

// Provider returns the first execution provider of the session, "cpu" if there
// is no other. The runtime may still run single operators elsewhere.
func (e *engine) Provider() string { return e.provider }

// Skipped returns the execution providers that were passed over.
func (e *engine) Skipped() []Skipped { return slices.Clone(e.skipped) }

// start opens a model and tries it. Some providers fail not before that; then,
// if falling back is allowed, it starts anew without the first of them.
func (e *engine) start(m *model, inputs []string, s settings, try func() error) error {
	providers, err := s.accelerators()
	if err != nil {
		return err
	}
	for {
		at, err := e.attempt(m, inputs, s, providers, try)
		if err == nil {
			break
		}
		if errors.Is(err, ErrModel) {
			return err
		}
		if at < 0 { // nobody but the model
			return fmt.Errorf("%w: %w", ErrModel, err)
		}
		if !s.fallback {
			return providers[at].refused(err)
		}
		e.skipped = append(e.skipped, Skipped{providers[at].Name, err})
		providers = slices.Delete(slices.Clone(providers), at, at+1)
	}
	e.provider = CPU
	if len(providers) > 0 {
		e.provider = providers[0].Name
	}
	return nil
}

// attempt opens a model with those providers and tries it. If that fails, at
// is the provider that may be to blame, -1 without any.
func (e *engine) attempt(m *model, inputs []string, s settings, providers []Provider, try func() error) (at int, err error) {
	o, at, err := s.options(providers)
	if err != nil {
		return at, err
	}
	defer o.Destroy()
	at = min(len(providers), 1) - 1
	if e.network, err = m.network(inputs, o); err != nil {
		return at, err
	}
	if err = try(); err != nil {
		return at, errors.Join(err, e.Close())
	}
	return -1, nil
}

// Close waits for the runs in progress and frees the session. Closing again
// does nothing.
func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.network == nil {
		return nil
	}
	network := e.network
	e.network = nil
	if err := network.Destroy(); err != nil {
		return fmt.Errorf("onnx: close session: %w", err)
	}
	return nil
}

package main

import (
	"fmt"
	"net/netip"
	"time"
)

// studiesConfig says when a study is complete.
type studiesConfig struct {
	Quiet time.Duration `yaml:"quiet" env:"QUIET"`
}

// webhooksConfig says where webhooks may go.
type webhooksConfig struct {
	Allow []string `yaml:"allow_networks,flow" env:"ALLOW_NETWORKS"`
}

// networks are those allowed; check has checked them.
func (w webhooksConfig) networks() (allowed []netip.Prefix) {
	for _, text := range w.Allow {
		if p, err := netip.ParsePrefix(text); err == nil {
			allowed = append(allowed, p)
		}
	}
	return allowed
}

func (w webhooksConfig) check() error {
	for _, text := range w.Allow {
		if p, err := netip.ParsePrefix(text); err != nil || p.Masked() != p {
			return fmt.Errorf("webhooks.allow_networks has %q: use networks such as 10.20.0.0/16", text)
		}
	}
	return nil
}

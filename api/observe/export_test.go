package observe

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"

	"nearcase/api"
)

var named = regexp.MustCompile(`fqName: "([^"]+)"`)

// SampleRecall compares each index once, as happens by and by.
func (r *Recorder) SampleRecall(s *api.Service) { r.sampleRecall(r.ctx, s) }

// Names are those of all metrics that there can be.
func (r *Recorder) Names() map[string]bool {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		r.registry.Describe(descriptions)
		watched{}.Describe(descriptions)
	}()
	names := map[string]bool{}
	for d := range descriptions {
		names[named.FindStringSubmatch(d.String())[1]] = true
	}
	return names
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"nearcase/store/local"
)

type doctorCommand struct{}

func (doctorCommand) Help() string {
	return `Looks at the configuration, the machine, the models, the data directory and the
network, and says of everything that is not as it should be what to do. Nothing
that is stored is changed. The exit status is 1 if a check failed. While a server
runs on the data directory its content cannot be looked at; the server's /readyz
tells of that.

  nearcase doctor --config config.yaml
  nearcase doctor --json
  nearcase doctor --server http://127.0.0.1:8417`
}

// standing is how a check came out.
type standing string

const (
	fine    standing = "ok"
	dubious standing = "warning"
	failed  standing = "failed"
	skipped standing = "skipped" // could not be looked at, for a reason that is no fault
)

// finding is what is known about one thing.
type finding struct {
	Check  string   `json:"check"`
	Status standing `json:"status"`
	Found  string   `json:"found"`
	// Advice says what to do, unless all is well.
	Advice string `json:"advice,omitempty"`
}

func ok(format string, values ...any) finding {
	return finding{Status: fine, Found: fmt.Sprintf(format, values...)}
}

func warning(advice, format string, values ...any) finding {
	return finding{Status: dubious, Found: fmt.Sprintf(format, values...), Advice: advice}
}

func broken(advice, format string, values ...any) finding {
	return finding{Status: failed, Found: fmt.Sprintf(format, values...), Advice: advice}
}

func unknown(format string, values ...any) finding {
	return finding{Status: skipped, Found: fmt.Sprintf(format, values...)}
}

// doctor is one examination.
type doctor struct {
	s        *session
	c        config
	findings []finding
	// data is what the data directory was found to hold; nil where it could not be
	// looked at.
	data *local.Examined
}

func (doctorCommand) Run(ctx context.Context, s *session) error {
	d := &doctor{s: s}
	d.examine(ctx)
	bad := 0
	for _, f := range d.findings {
		if f.Status == failed {
			bad++
		}
	}
	err := s.print(d.findings, func(w io.Writer) { printFindings(w, d.findings) })
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%s failed", count(bad, "check")))
	}
	return err
}

// examine makes all checks, those first that others rest on.
func (d *doctor) examine(ctx context.Context) {
	var err error
	if d.c, err = d.s.configuration(); err != nil {
		d.add("configuration", broken("mend what is named; nearcase config check tells whether it is", "%v", err))
		return
	}
	d.add("configuration", ok("%s", map[bool]string{true: "the defaults and the environment", false: d.s.Config}[d.s.Config == ""]))
	d.add("processor", processorFinding())
	d.add("memory", memoryFinding())
	d.add("descriptors", descriptorsFinding())
	d.add("clock", clockFinding())
	d.add("onnx runtime", d.runtime())
	if d.s.Server != "" {
		d.add("server", d.server(ctx, d.s.Server))
		return
	}
	d.directory()
	d.models(ctx)
	d.add("address", d.address(ctx))
	d.add("exposure", d.exposure())
	d.add("certificate", d.certificate())
}

func (d *doctor) add(check string, f finding) {
	f.Check = check
	d.findings = append(d.findings, f)
}

func printFindings(w io.Writer, findings []finding) {
	t := table(w)
	for _, f := range findings {
		t.row(map[standing]string{fine: "ok", dubious: "WARNING", failed: "FAILED", skipped: "-"}[f.Status], f.Check, f.Found)
		if f.Advice != "" {
			t.row("", "", "→ "+f.Advice)
		}
	}
	t.flush()
}

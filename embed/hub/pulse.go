package hub

import (
	"context"
	"io"
	"time"
)

// pulse ends a request when nothing arrives for a while.
type pulse struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

func newPulse(ctx context.Context, stall time.Duration) *pulse {
	p := &pulse{stall: stall}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.timer = time.AfterFunc(stall, func() { p.cancel(errStalled) })
	return p
}

func (p *pulse) stop() {
	p.timer.Stop()
	p.cancel(context.Canceled)
}

// reader reads r; every byte that arrives puts the end off.
func (p *pulse) reader(r io.Reader) io.Reader { return pulsed{r, p} }

type pulsed struct {
	io.Reader
	*pulse
}

func (p pulsed) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n > 0 {
		p.timer.Reset(p.stall)
	}
	return n, err
}

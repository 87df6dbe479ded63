//go:build unix

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// obey does what signals ask a server for until the context ends: SIGUSR1 switches
// the log to debug and back, SIGHUP reads the certificates again.
func (r *running) obey(ctx context.Context) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(signals)
	usual := r.s.level.Level()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if s == syscall.SIGHUP {
				r.reload()
			} else {
				r.switchLevel(usual)
			}
		}
	}
}

func (r *running) reload() {
	if err := r.server.Reload(); err != nil {
		r.logger.Error("the certificates are those from before", "error", err)
		return
	}
	r.logger.Info("certificates read again")
}

func (r *running) switchLevel(usual slog.Level) {
	level := &r.s.level
	if level.Level() == slog.LevelDebug {
		level.Set(usual)
	} else {
		level.Set(slog.LevelDebug)
	}
	r.logger.Log(context.Background(), level.Level(), "log level changed", "to", level.Level().String())
}

package main

import (
	"context"
	"log/slog"
	"time"

	"nearcase/api"
	"nearcase/store/local"
)

// housekeeping compacts the store by itself.
type housekeeping struct {
	catalog *local.Catalog
	service *api.Service
	share   float64       // of the log that has been deleted, above which it is worth it
	at      time.Duration // of the day; negative is whenever it is quiet
	logger  *slog.Logger
	// every is how often it is looked whether something is to be done, collects how
	// long originals that nothing needs may stay, and quiet how long after a commit it
	// is quiet.
	every, collects, quiet time.Duration
	// last is when it was looked last, collected when originals were, and counted how
	// many commits there had been when what is deleted was.
	last, collected time.Time
	counted         int64
}

// keepHouse looks after the store until the context ends.
func (r *running) keepHouse(ctx context.Context, l *local.Catalog) {
	at, _ := r.c.Maintenance.at() // checked by config.check
	h := housekeeping{
		catalog: l, service: r.service.Load(), share: r.c.Maintenance.CompactDeleted, at: at, logger: r.logger,
		every: time.Minute, collects: 24 * time.Hour, quiet: 2 * time.Minute, last: time.Now(), collected: time.Now(),
	}
	h.keep(ctx)
}

// keep looks again and again until the context ends.
func (h *housekeeping) keep(ctx context.Context) {
	if h.catalog.Uncompacted() {
		h.compact(ctx, "an erasure was not compacted")
	}
	every := time.NewTicker(h.every)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			h.look(ctx, now)
		}
	}
}

// look does what is due.
func (h *housekeeping) look(ctx context.Context, now time.Time) {
	due := h.isTime(h.last, now)
	if h.last = now; !due {
		return
	}
	if now.Sub(h.collected) >= h.collects {
		h.collect(ctx)
		h.collected = now
	}
	n, last := h.catalog.Commits()
	if h.share == 0 || n == h.counted || h.at < 0 && now.Sub(last) < h.quiet {
		return
	}
	h.counted = n
	w, err := h.catalog.Waste(ctx)
	if err != nil {
		if ctx.Err() == nil {
			h.logger.Warn("what is deleted cannot be counted", "reason", err)
		}
		return
	}
	if w.IsWorth(h.share) {
		h.compact(ctx, "much of the log is deleted")
	}
}

// collect removes originals that nothing needs.
func (h *housekeeping) collect(ctx context.Context) {
	freed, err := h.catalog.Collect(ctx)
	if err != nil && ctx.Err() == nil {
		h.logger.Warn("originals that nothing needs are not all removed", "reason", err)
	}
	if freed.Files > 0 {
		h.logger.Info("originals that nothing needed are removed", "files", freed.Files, "bytes", freed.Bytes)
	}
}

// isTime reports whether the time of the day has come since it was looked last.
func (h *housekeeping) isTime(last, now time.Time) bool {
	if h.at < 0 {
		return true
	}
	y, m, d := now.Date()
	at := time.Date(y, m, d, 0, 0, 0, 0, now.Location()).Add(h.at)
	return last.Before(at) && !now.Before(at)
}

// compact asks for a compaction in the background.
func (h *housekeeping) compact(ctx context.Context, reason string) {
	job, err := h.service.Enqueue(ctx, api.KindCompact, "", struct{}{})
	if err != nil {
		h.logger.Warn("the store is not compacted", "reason", err)
		return
	}
	h.logger.Info("the store is compacted", "job", job.ID, "because", reason)
}

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"nearcase/store/local"
)

// storeConfig bounds what the data directory takes beside what is stored.
type storeConfig struct {
	MemoryBytes  int64 `yaml:"memory_bytes" env:"MEMORY_BYTES"`
	BallastBytes int64 `yaml:"ballast_bytes" env:"BALLAST_BYTES"`
}

// maintenanceConfig says when the store is compacted and verified by itself.
type maintenanceConfig struct {
	CompactDeleted float64       `yaml:"compact_deleted" env:"COMPACT_DELETED"`
	CompactAt      string        `yaml:"compact_at" env:"COMPACT_AT"`
	VerifyEvery    time.Duration `yaml:"verify_every" env:"VERIFY_EVERY"`
}

func (c config) checkStore() error {
	_, err := c.Maintenance.at()
	return errors.Join(
		err,
		within("store.memory_bytes", c.Store.MemoryBytes, 16<<20, 1<<40),
		within("store.ballast_bytes", c.Store.BallastBytes, 0, 1<<40),
		within("maintenance.compact_deleted", c.Maintenance.CompactDeleted, 0, 1),
		within("maintenance.verify_every", c.Maintenance.VerifyEvery, 0, 100_000*time.Hour),
		notTooOften("maintenance.verify_every", c.Maintenance.VerifyEvery),
		within("limits.memory_bytes", c.Limits.MemoryBytes, 0, 1<<50),
		within("limits.connections", c.Limits.Connections, 0, 1_000_000),
	)
}

// at is the time of the day at which the store is compacted, from midnight; negative
// where that is whenever it is quiet.
func (m maintenanceConfig) at() (time.Duration, error) {
	if m.CompactAt == "" {
		return -1, nil
	}
	t, err := time.Parse("15:04", m.CompactAt)
	if err != nil {
		return -1, fmt.Errorf("maintenance.compact_at is %q, use a time of the day such as 03:00", m.CompactAt)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// space is what is left of the disk.
func (c config) space() local.Space {
	return local.Space{Floor: c.Limits.DiskFreeBytes, Ballast: c.Store.BallastBytes}
}

// bound bounds the memory of the process as the configuration says, unless the
// environment does by GOMEMLIMIT.
func (l limits) bound() {
	if l.MemoryBytes > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(l.MemoryBytes)
	}
}

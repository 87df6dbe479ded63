package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"nearcase/api"
	"nearcase/store/backup"
)

// backupConfig says which backups a server makes by itself.
type backupConfig struct {
	Folder     string        `yaml:"folder" env:"FOLDER"`
	Every      time.Duration `yaml:"every" env:"EVERY"`
	FullEvery  time.Duration `yaml:"full_every" env:"FULL_EVERY"`
	Keep       int           `yaml:"keep" env:"KEEP"`
	Recipients []string      `yaml:"recipients,flow" env:"RECIPIENTS"`
}

// besideStore are files and folders of the data directory that go with a backup, and
// keyFiles those that only go with one that is encrypted.
var (
	besideStore = []string{"audit"}
	keyFiles    = []string{"patient.key", "audit.key"}
)

func (b backupConfig) check() error {
	err := errors.Join(
		within("backup.every", b.Every, 0, 10_000*time.Hour),
		within("backup.full_every", b.FullEvery, 0, 100_000*time.Hour),
		within("backup.keep", b.Keep, 0, 100_000),
		notTooOften("backup.every", b.Every),
	)
	if b.Every > 0 && b.Folder == "" {
		err = errors.Join(err, errors.New("backup.every needs backup.folder"))
	}
	if b.Folder != "" && !filepath.IsAbs(b.Folder) {
		err = errors.Join(err, fmt.Errorf("backup.folder is %s, use an absolute path", b.Folder))
	}
	if bad := backup.CheckRecipients(b.Recipients); bad != nil {
		err = errors.Join(err, fmt.Errorf("backup.recipients: %w", bad))
	}
	return err
}

// notTooOften returns what is wrong with how often something is done; 0 is never.
func notTooOften(name string, every time.Duration) error {
	if every > 0 && every < time.Minute {
		return fmt.Errorf("%s is %s, use 1m or more, or 0", name, every)
	}
	return nil
}

func (b backupConfig) backups() api.Backups {
	return api.Backups{
		Folder: b.Folder, Every: b.Every, FullEvery: b.FullEvery, Keep: b.Keep, Recipients: b.Recipients,
		Beside: besideStore, Keys: keyFiles,
	}
}

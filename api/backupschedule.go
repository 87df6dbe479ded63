package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// scheduleBackups makes backups as often as is configured, until the context ends.
// What fails is logged, and tried again after a while.
func (s *Service) scheduleBackups(ctx context.Context) {
	if s.Backups.Folder != "" {
		s.regularly(ctx, s.Backups.Every, "no backup was made", s.backUpIfDue)
	}
}

// backUpIfDue makes a backup if it is time, by a job, and waits for it.
func (s *Service) backUpIfDue(ctx context.Context, now time.Time) error {
	last, full, err := s.lastBackups(ctx)
	if err != nil || now.Sub(last) < s.Backups.Every {
		return err
	}
	failed, err := s.lastEnded(ctx, KindBackup, JobFailed)
	if err != nil || now.Sub(failed) < min(s.Backups.Every, time.Hour)/4 {
		return err
	}
	incremental := s.Backups.FullEvery > s.Backups.Every && now.Sub(full) < s.Backups.FullEvery
	j, err := s.BackupFolder(ctx, incremental)
	return s.awaitDone(ctx, j, err)
}

// lastBackups returns when the state of the last backup in the folder was, and that of
// the last full one, of those whose record can be read; zero for none.
func (s *Service) lastBackups(ctx context.Context) (last, full time.Time, err error) {
	all, err := s.ListBackups(ctx)
	if errors.Is(err, store.ErrDamaged) { // one more backup is better than none
		err = nil
	}
	for _, r := range all {
		if !s.inFolder(r) {
			continue
		}
		if r.Created.After(last) {
			last = r.Created
		}
		if r.IsFull() && r.Created.After(full) {
			full = r.Created
		}
	}
	return last, full, err
}

// BackupState says how the backups are that are made by themselves: empty where none
// are to be, ok, or why not.
func (s *Service) BackupState(ctx context.Context, now time.Time) string {
	if s.Backups.Folder == "" || s.Backups.Every <= 0 {
		return ""
	}
	last, _, err := s.lastBackups(ctx)
	switch {
	case err != nil:
		return "degraded: not known"
	case last.IsZero() && now.Sub(s.born) > 2*s.Backups.Every:
		return "degraded: there is none yet"
	case !last.IsZero() && now.Sub(last) > 2*s.Backups.Every:
		return fmt.Sprintf("degraded: the last one is %s old", now.Sub(last).Round(time.Minute))
	}
	return "ok"
}

// LastBackup returns when the state of the last backup was that was made by itself;
// zero for none.
func (s *Service) LastBackup(ctx context.Context) (time.Time, error) {
	last, _, err := s.lastBackups(ctx)
	return last, err
}

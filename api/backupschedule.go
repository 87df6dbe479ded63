package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nearcase/store"
)

// looks is how often it is looked whether a backup is due.
const looks = time.Minute

// scheduleBackups makes backups as often as is configured, until the context ends.
// What fails is logged, and tried again after a while.
func (s *Service) scheduleBackups(ctx context.Context) {
	if s.Backups.Folder == "" || s.Backups.Every <= 0 {
		return
	}
	for wait := time.Duration(0); ; wait = min(looks, s.Backups.Every) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := s.backUpIfDue(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Logger.Error("no backup was made", "error", err)
		}
	}
}

// backUpIfDue makes a backup if it is time, by a job, and waits for it.
func (s *Service) backUpIfDue(ctx context.Context, now time.Time) error {
	last, full, err := s.lastBackups(ctx)
	if err != nil || now.Sub(last) < s.Backups.Every {
		return err
	}
	failed, err := s.lastFailed(ctx)
	if err != nil || now.Sub(failed) < min(s.Backups.Every, time.Hour)/4 {
		return err
	}
	incremental := s.Backups.FullEvery > s.Backups.Every && now.Sub(full) < s.Backups.FullEvery
	j, err := s.BackupFolder(ctx, incremental)
	if err != nil {
		return err
	}
	if j, err = s.Await(ctx, j.ID); err != nil {
		return err
	}
	return j.Err
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

// lastFailed returns when a backup failed last, of those jobs that are remembered;
// one that is being made counts as now.
func (s *Service) lastFailed(ctx context.Context) (at time.Time, err error) {
	all, err := s.Jobs(ctx)
	for _, j := range all {
		switch {
		case j.Kind != KindBackup:
		case !j.HasEnded():
			return time.Now(), err
		case j.State == JobFailed && j.Ended.After(at):
			at = j.Ended
		}
	}
	return at, err
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

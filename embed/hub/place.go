package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Placing says how Place works.
type Placing struct {
	Force bool // replace a model that is there
	Keep  bool // after a failure of fill keep what it made, for the next to go on with
}

// Place makes the model folder models/name. fill gets the path of a folder of that
// name elsewhere below models, empty or as an earlier fill left it; once fill has
// succeeded the folder takes its place in one step. What was there before stays
// until then, and for good if anything fails. ErrExists without Force, ErrBusy while
// another process places the same name.
func Place(ctx context.Context, models, name string, p Placing, fill func(folder string) error) (err error) {
	if !isName(name) {
		return fmt.Errorf("hub: %w: %q is not 1 to 64 letters, digits, dots, underscores and dashes", ErrName, name)
	}
	target, around := filepath.Join(models, name), filepath.Join(models, ".pull-"+name)
	if err := free(target, p.Force); err != nil {
		return err
	}
	release, err := reserve(around)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	defer release()
	folder := filepath.Join(around, name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	if err = fill(folder); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if !p.Keep {
			err = errors.Join(err, os.RemoveAll(around))
		}
		return err
	}
	if err := errors.Join(syncFolders(folder), free(target, p.Force)); err != nil {
		return err
	}
	if err := swap(folder, target); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	return errors.Join(syncFolder(models), os.RemoveAll(around))
}

func free(target string, force bool) error {
	_, err := os.Lstat(target)
	if err == nil && !force {
		return fmt.Errorf("hub: %w: %s; replace it with --force, or give another --name", ErrExists, target)
	}
	return nil
}

// reserve makes the folder around a model that is on its way and keeps other
// processes out of it until release.
func reserve(around string) (release func(), err error) {
	for range 10 {
		if err := os.MkdirAll(around, 0o755); err != nil {
			return nil, err
		}
		f, err := os.Open(around)
		if err != nil {
			continue // it has been placed and removed meanwhile
		}
		if err := lock(f); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrBusy, around, err), f.Close())
		}
		if isStill(f, around) {
			return func() { f.Close() }, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("%w: %s", ErrBusy, around)
}

// isStill reports whether path is what f was opened as.
func isStill(f *os.File, path string) bool {
	opened, err := f.Stat()
	there, missing := os.Stat(path)
	return err == nil && missing == nil && os.SameFile(opened, there)
}

// swapByName renames folder to target. For a moment an existing target has its
// old content under neither name but under .old beside folder.
func swapByName(folder, target string) error {
	old := folder + ".old"
	if err := ignoreMissing(os.Rename(target, old)); err != nil {
		return err
	}
	if err := os.Rename(folder, target); err != nil {
		return errors.Join(err, ignoreMissing(os.Rename(old, target)))
	}
	return nil
}

func syncFolders(folder string) error {
	return filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return syncFolder(path)
	})
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_ = f.Sync() // some file systems cannot; files have been synced
	return f.Close()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"nearcase/store"
	"nearcase/store/backup"
)

type backupList struct {
	Folder string `arg:"" optional:"" help:"Folder with backups (default: those that were made, wherever they are)." placeholder:"DIR"`
}

func (backupList) Help() string {
	return `A backup in a folder that has no manifest beside it, or another size, is told of as
an error, and so is an incremental one whose base is not there.

  nearcase backup list /mnt/backups
  nearcase backup list --server http://127.0.0.1:8417`
}

func (q backupList) Run(ctx context.Context, s *session) error {
	if q.Folder != "" {
		return s.listFolder(q.Folder)
	}
	return s.with(existing, func(o operations, _ config) error {
		all, err := o.ListBackups(ctx)
		if err != nil && len(all) == 0 {
			return err
		}
		return errors.Join(err, s.print(all, func(w io.Writer) {
			t := table(w, "BACKUP", "OF", "KIND", "BYTES", "DAMAGED", "WHERE")
			for _, r := range all {
				t.row(r.ID, r.Created.Format(time.DateTime), kindOf(r.Backup), r.Size, r.Damaged, orDash(r.Where))
			}
			t.flush()
		}))
	})
}

func (s *session) listFolder(folder string) error {
	f := backup.Folder{Path: folder}
	all, err := f.List()
	strays, bad := f.Strays()
	err = errors.Join(err, bad)
	for _, file := range strays {
		err = errors.Join(err, fmt.Errorf("%s: there is no manifest beside it: verify it, and remove it or keep it elsewhere", file))
	}
	for _, k := range all {
		if _, bad := backup.Chain(all, k.ID); bad != nil {
			err = errors.Join(err, fmt.Errorf("%s: its base is not there: %w", k.File, bad))
		}
	}
	return errors.Join(s.print(all, func(w io.Writer) {
		t := table(w, "BACKUP", "OF", "KIND", "BYTES", "DAMAGED", "FILE")
		for _, k := range all {
			t.row(k.ID, k.Created.Format(time.DateTime), kindOf(k.Backup), k.Size, k.Damaged, k.File)
		}
		t.flush()
	}), err)
}

// identityFlags open encrypted backups.
type identityFlags struct {
	Identity []string `short:"i" help:"File with the private key of age for which a backup is encrypted, as age-keygen makes it." placeholder:"FILE" type:"existingfile" sep:"none"`
}

func (f identityFlags) identities() (backup.Identities, error) {
	var all backup.Identities
	for _, path := range f.Identity {
		opened, err := os.Open(path)
		if err != nil {
			return all, err
		}
		some, err := backup.ParseIdentities(opened)
		if err = errors.Join(err, opened.Close()); err != nil {
			return all, fmt.Errorf("%s: %w", path, err)
		}
		all = all.And(some)
	}
	return all, nil
}

type backupVerify struct {
	Backup []string `arg:"" help:"Files, or a folder of backups." placeholder:"FILE|DIR"`
	identityFlags
}

func (backupVerify) Help() string {
	return `Reads and checks every byte: that nothing is cut off, changed or missing, that
originals are what their digests say, and of a full backup that the log is the one
that was written. Of a folder it reads all backups. No data directory is needed.

  nearcase backup verify /mnt/backups
  nearcase backup verify nearcase.tar.zst.age --identity key.txt`
}

func (q backupVerify) Run(ctx context.Context, s *session) error {
	ids, err := q.identities()
	if err != nil {
		return err
	}
	files, err := backupFiles(q.Backup)
	for _, file := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b, bad := verifyBackup(file, ids)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", file, bad))
			continue
		}
		err = errors.Join(err, s.print(b.Brief(), func(w io.Writer) {
			fmt.Fprintf(w, "%s: whole: %s, of %s, %s, %s\n", file, kindOf(b), b.Created.Format(time.DateTime+" MST"),
				count(len(b.Collections), "collection"), count(b.Originals, "original"))
			printDamages(w, b)
		}))
	}
	return err
}

// backupFiles are the files that are named, and those of folders that are.
func backupFiles(named []string) (files []string, err error) {
	for _, path := range named {
		info, bad := os.Stat(path)
		if bad != nil || !info.IsDir() {
			files, err = append(files, path), errors.Join(err, bad)
			continue
		}
		f := backup.Folder{Path: path}
		all, bad := f.List()
		strays, failed := f.Strays()
		err = errors.Join(err, bad, failed)
		for _, k := range all {
			files = append(files, filepath.Join(path, k.File))
		}
		for _, file := range strays {
			files = append(files, filepath.Join(path, file))
		}
	}
	return files, err
}

func verifyBackup(path string, ids backup.Identities) (store.Backup, error) {
	f, err := os.Open(path)
	if err != nil {
		return store.Backup{}, err
	}
	defer f.Close()
	return backup.Verify(f, ids)
}

type backupForget struct {
	ID string `arg:"" help:"The backup's ID."`
}

func (backupForget) Help() string {
	return `For a backup that has been removed, wherever it was: receipts of erasures name those
that are known, since they may hold what was erased. It removes no file.`
}

func (q backupForget) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error { return o.ForgetBackup(ctx, q.ID) })
}

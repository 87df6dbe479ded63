package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nearcase/api"
	"nearcase/store"
	"nearcase/store/backup"
)

type backupCommand struct {
	Create backupCreate `cmd:"" default:"withargs" help:"Make a backup (backup --to DIR is the same)."`
	List   backupList   `cmd:"" help:"List the backups of a folder, or those that were made."`
	Verify backupVerify `cmd:"" help:"Read all of a backup and tell whether it is whole."`
	Forget backupForget `cmd:"" help:"Forget a backup that is gone, so that receipts of erasures do not name it."`
}

// backers make and know backups.
type backers interface {
	Backup(ctx context.Context, w io.Writer, q api.BackupRequest, progress func(done, total int)) (api.BackupRecord, error)
	BackupFolder(ctx context.Context, incremental bool) (api.Job, error)
	ListBackups(context.Context) ([]api.BackupRecord, error)
	DescribeBackup(ctx context.Context, id string) (api.BackupRecord, error)
	ForgetBackup(ctx context.Context, id string) error
}

type backupCreate struct {
	To          string   `help:"Folder, which keeps a file for each backup; or a file, whose name ends in .zst or .age; or - for the standard output (default: backup.folder of the configuration)." placeholder:"DIR|FILE|-"`
	Incremental bool     `short:"i" help:"Only what has changed since the last backup, in a folder since the last there; all if there is none."`
	Since       string   `help:"Only what has changed since a backup." placeholder:"ID"`
	Recipient   []string `short:"r" help:"Public key of age (age1…) for which the backup is encrypted." placeholder:"KEY" sep:"none"`
	Recipients  string   `help:"File with such keys, one a line." placeholder:"FILE" type:"existingfile"`
	Keep        int      `help:"Full backups, with those that need them, that stay in the folder; 0: all." placeholder:"N"`
	Force       bool     `short:"f" help:"Replace a file that is there."`
}

func (backupCreate) Help() string {
	return `Copies all that is stored as it is at one moment: the log, originals, probes and
their versions, keys, jobs, receipts and the audit log. Everything else goes on
meanwhile. Indexes and thumbnails are not in it; they are made anew. The keys
patient.key and audit.key are only in a backup that is encrypted.

  nearcase backup --to /mnt/backups
  nearcase backup --to /mnt/backups --incremental --keep 4
  nearcase backup --to - --recipient age1… | ssh elsewhere 'cat > nearcase.tar.zst.age'
  nearcase backup --server http://127.0.0.1:8417 --to /mnt/backups

The exit status is 1 where something could not be read as it was stored: the backup
has all the rest, and names what is missing. docs/backup.md has a drill.`
}

// errDamagedBackup is that something could not be backed up.
var errDamagedBackup = errors.New("the backup was made, but not all could be read as it was stored: see nearcase verify")

func (q backupCreate) Run(ctx context.Context, s *session) error {
	to, err := q.recipients()
	if err != nil {
		return err
	}
	return s.with(existing, func(o operations, c config) error {
		r, err := q.make(ctx, s, o, c, to)
		if err != nil {
			return err
		}
		out := s.stdout
		if q.To == "-" { // which has the backup
			s.stdout = s.stderr
		}
		err = s.print(r, func(w io.Writer) { printBackup(w, r) })
		if s.stdout = out; err == nil && r.Damaged > 0 {
			err = errDamagedBackup
		}
		return err
	})
}

func (q backupCreate) recipients() ([]string, error) {
	all := slices.Clone(q.Recipient)
	if q.Recipients != "" {
		text, err := os.ReadFile(q.Recipients)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, line)
			}
		}
	}
	return all, backup.CheckRecipients(all)
}

// make makes the backup where it is wanted.
func (q backupCreate) make(ctx context.Context, s *session, o operations, c config, to []string) (api.BackupRecord, error) {
	b := api.BackupRequest{Incremental: q.Incremental, Since: q.Since, Recipients: to}
	switch progress := s.progress("backup"); {
	case q.To == "" && s.Server != "":
		return byServer(ctx, o, q.Incremental)
	case q.To == "-":
		if isTerminal(s.stdout) {
			return api.BackupRecord{}, errors.New("a backup is not for a terminal: redirect it")
		}
		b.Where = "standard output"
		return o.Backup(ctx, s.stdout, b, progress)
	case strings.HasSuffix(q.To, ".zst") || strings.HasSuffix(q.To, ".age"):
		return q.toFile(ctx, o, b, progress)
	case q.To == "" && c.Backup.Folder == "":
		return api.BackupRecord{}, errors.New("name a folder or a file with --to, or a folder by backup.folder in the configuration")
	default:
		return q.toFolder(ctx, o, cmp.Or(q.To, c.Backup.Folder), b, progress)
	}
}

// byServer has the server make a backup in its folder.
func byServer(ctx context.Context, o operations, incremental bool) (r api.BackupRecord, err error) {
	j, err := o.BackupFolder(ctx, incremental)
	if err == nil {
		j, err = o.Await(ctx, j.ID)
	}
	if err = errors.Join(err, j.Err); err != nil {
		return r, err
	}
	all, err := o.ListBackups(ctx)
	at := slices.IndexFunc(all, func(r api.BackupRecord) bool { return strings.Contains(string(j.Result), `"id":"`+r.ID+`"`) })
	if err != nil || at < 0 {
		return r, errors.Join(err, api.ErrNoBackup)
	}
	return all[at], nil
}

// toFile makes the file beside where it is to be, and puts it there once it is whole.
func (q backupCreate) toFile(ctx context.Context, o operations, b api.BackupRequest, progress func(done, total int)) (r api.BackupRecord, err error) {
	file := exportCommand{Output: q.To, Force: q.Force}
	if err := file.vacant(); err != nil {
		return r, err
	}
	if b.Where, err = filepath.Abs(q.To); err != nil {
		return r, err
	}
	err = file.write(func(w io.Writer) error {
		r, err = o.Backup(ctx, w, b, progress)
		return err
	})
	if err != nil && r.ID != "" {
		err = errors.Join(err, forgotten(ctx, o, r.ID))
	}
	return r, err
}

// forgotten forgets a backup that was not made, if it is known.
func forgotten(ctx context.Context, o operations, id string) error {
	if err := o.ForgetBackup(context.WithoutCancel(ctx), id); !errors.Is(err, api.ErrNoBackup) {
		return err
	}
	return nil
}

// toFolder makes a file in a folder, and removes the oldest there.
func (q backupCreate) toFolder(ctx context.Context, o operations, folder string, b api.BackupRequest, progress func(done, total int)) (r api.BackupRecord, err error) {
	f := backup.Folder{Path: folder}
	if b.Where, err = filepath.Abs(folder); err != nil {
		return r, err
	}
	chosen := b.Incremental && b.Since == ""
	if chosen {
		b.Incremental = false
		b.Since = lastIn(f)
	}
	kept, err := f.Write(func(w io.Writer) (store.Backup, bool, error) {
		buffered := bufio.NewWriterSize(w, 1<<20)
		r, err = o.Backup(ctx, buffered, b, progress)
		if chosen && errors.Is(err, api.ErrNoBackup) { // it is another's, or too old
			b.Since = ""
			r, err = o.Backup(ctx, buffered, b, progress)
		}
		return r.Backup, r.Encrypted, errors.Join(err, buffered.Flush())
	})
	if err != nil {
		if r.ID != "" {
			err = errors.Join(err, forgotten(ctx, o, r.ID))
		}
		return r, fmt.Errorf("back up to %s: %w", folder, err)
	}
	r.Where = filepath.Join(b.Where, kept.File)
	gone, err := f.Prune(q.Keep)
	for _, k := range gone {
		err = errors.Join(err, forgotten(ctx, o, k.ID))
	}
	return r, err
}

// lastIn returns the last backup of a folder that is there with its bases, if there is
// one.
func lastIn(f backup.Folder) string {
	all, _ := f.List() // those that are whole
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1].ID
	if _, err := backup.Chain(all, last); err != nil {
		return ""
	}
	return last
}

func printBackup(w io.Writer, r api.BackupRecord) {
	t := table(w)
	t.row("backup", r.ID)
	t.row("of", r.Created.Format(time.DateTime+" MST"))
	t.row("kind", kindOf(r.Backup))
	t.row("where", fmt.Sprintf("%s, %s%s", orDash(r.Where), bytesText(r.Size), map[bool]string{true: ", encrypted"}[r.Encrypted]))
	for _, p := range r.Collections {
		t.row("collection", fmt.Sprintf("%s: %d instances, log up to %d", p.Name, p.Instances, p.Head))
	}
	t.row("originals", fmt.Sprintf("%d, %s", r.Originals, bytesText(r.OriginalBytes)))
	for _, k := range r.LeftOut {
		t.row("not in it", fmt.Sprintf("%s: keep it elsewhere, there is no other", k.Name))
	}
	t.flush()
	printDamages(w, r.Backup)
}

func kindOf(b store.Backup) string {
	if b.IsFull() {
		return "full"
	}
	return "incremental, on " + b.Base
}

func printDamages(w io.Writer, b store.Backup) {
	if b.Damaged == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s could not be read as stored:\n", count(b.Damaged, "thing"))
	t := table(w, "COLLECTION", "WHAT", "KEY", "NAME", "REASON")
	for _, f := range b.Damages {
		t.row(orDash(f.Collection), f.What, keyText(f.Key), orDash(f.Name), f.Reason)
	}
	t.flush()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"nearcase/api"
	"nearcase/store"
	"nearcase/store/backup"
	"nearcase/store/local"
)

type restoreCommand struct {
	Backup     []string `arg:"" help:"A full backup and the incremental ones that follow it, in order; or the folder that they are in." placeholder:"FILE|DIR"`
	At         string   `help:"Of a folder: the backup whose state is wanted (default: the last)." placeholder:"ID"`
	Collection string   `short:"c" help:"Restore this collection alone, into a data directory that there is."`
	As         string   `help:"What it is called there." placeholder:"NAME"`
	identityFlags
}

func (restoreCommand) Help() string {
	return `Makes a data directory from backups, in a folder that is empty or not there. All of
it is checked; nothing can be opened before everything is there. If it is stopped,
run it once more.

  nearcase restore /mnt/backups --data /var/lib/nearcase
  nearcase restore full.tar.zst incremental.tar.zst --data restored
  nearcase restore full.tar.zst.age --identity key.txt --data restored

With --collection a collection is added to a data directory that no server has open,
under a name that is not in use there:

  nearcase restore /mnt/backups --collection cxr --as cxr-before --data nearcase-data`
}

func (q restoreCommand) Run(ctx context.Context, s *session) error {
	if s.Server != "" {
		return errors.New("restore works on a data directory, not on --server")
	}
	if (q.Collection == "") != (q.As == "") {
		return errors.New("--collection and --as belong together")
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	from, err := q.sources()
	if err != nil {
		return err
	}
	o := local.RestoreOptions{Beside: slices.Concat(besideStore, keyFiles), Recorded: api.RecordOf, Told: s.toldRestore()}
	if o.Identities, err = q.identities(); err != nil {
		return err
	}
	if q.Collection != "" {
		return q.one(ctx, s, c, from, o)
	}
	if o.Key, err = c.Encryption.key(); err != nil {
		return err
	}
	o.Memory = c.Store.MemoryBytes
	b, err := local.Restore(ctx, c.Data, from, o)
	if err != nil {
		return err
	}
	return s.print(b.Brief(), func(w io.Writer) { printRestored(w, c.Data, b) })
}

// toldRestore tells people which backup is being read.
func (s *session) toldRestore() func(string, store.Backup) {
	if s.Quiet || !isTerminal(s.stderr) {
		return nil
	}
	return func(name string, b store.Backup) { fmt.Fprintf(s.stderr, "reading %s: %s\n", name, kindOf(b)) }
}

// sources are the backups in order.
func (q restoreCommand) sources() (from []local.Source, err error) {
	files := q.Backup
	if info, err := os.Stat(files[0]); err == nil && info.IsDir() {
		if len(files) > 1 {
			return nil, errors.New("name one folder, or files")
		}
		all, err := backup.Folder{Path: files[0]}.List()
		chain, bad := backup.Chain(all, q.At)
		if bad != nil {
			return nil, errors.Join(bad, err)
		}
		files = nil
		for _, k := range chain {
			files = append(files, filepath.Join(q.Backup[0], k.File))
		}
	}
	for _, file := range files {
		from = append(from, local.Source{Name: file, Open: func() (io.ReadCloser, error) { return os.Open(file) }})
	}
	return from, nil
}

// one adds one collection to a data directory that there is.
func (q restoreCommand) one(ctx context.Context, s *session, c config, from []local.Source, o local.RestoreOptions) error {
	catalog, err := s.openCatalog(c.calm(), existing)
	if err != nil {
		return err
	}
	made, err := catalog.RestoreCollection(ctx, from, o, q.Collection, q.As)
	if err == nil {
		status, failed := catalog.Status(ctx, q.As)
		err = errors.Join(failed, s.print(made, func(w io.Writer) {
			fmt.Fprintf(w, "%s is restored as %s: %s, log up to %d\n", q.Collection, made.Name, count(status.Instances, "instance"), status.Head)
		}))
	}
	return errors.Join(err, catalog.Close())
}

func printRestored(w io.Writer, dir string, b store.Backup) {
	fmt.Fprintf(w, "%s is restored as it was at %s\n", dir, moment(b.Created))
	t := table(w)
	for _, p := range b.Collections {
		t.row("collection", fmt.Sprintf("%s: %s, log up to %d", p.Name, count(p.Instances, "instance"), p.Head))
	}
	for _, k := range b.LeftOut {
		t.row("missing", fmt.Sprintf("%s: put the one kept elsewhere there (SHA-256 %.16s…)", filepath.Join(dir, k.Name), k.SHA256))
	}
	t.flush()
	printDamages(w, b)
}

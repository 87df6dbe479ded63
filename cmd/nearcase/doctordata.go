package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nearcase/store"
	"nearcase/store/local"
)

const (
	// slowSync is how long a disk may take to make a little data durable before
	// doctor warns: each commit waits for it.
	slowSync = 25 * time.Millisecond
	syncs    = 15 // that are timed
)

// directory checks the data directory, and what it is on.
func (d *doctor) directory() {
	info, err := os.Stat(d.c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		d.add("data directory", unknown("%s is not there; nearcase serve and ingest make it", d.c.Data))
		return
	}
	if err != nil || !info.IsDir() {
		d.add("data directory", broken("name another by data in the configuration", "%s is no folder that can be looked at: %v", d.c.Data, err))
		return
	}
	d.add("data directory", d.content())
	d.add("permissions", d.permissions(info))
	d.disk()
	d.add("encryption", d.encryption())
	d.add("patient key", d.key())
	d.add("newest entry", d.newest())
}

// content opens the log and reads what it is.
func (d *doctor) content() finding {
	key, err := d.c.Encryption.key()
	if err != nil {
		return unknown("its key cannot be read: see encryption")
	}
	e, err := local.Examine(d.c.Data, key)
	switch {
	case err == nil && len(e.Damaged) > 0:
		d.data = &e
		return broken("nearcase verify, and then send what it names again or restore a backup", "files of the log were damaged: %s", strings.Join(e.Damaged, "; "))
	case err == nil:
		d.data = &e
		return ok("%s, %s", d.c.Data, count(len(e.Collections), "collection"))
	case errors.Is(err, store.ErrLocked):
		return unknown("in use by %s: ask that by --server", local.Owner(d.c.Data))
	case errors.Is(err, store.ErrKey):
		return unknown("it takes another key: see encryption")
	case errors.Is(err, store.ErrFormat):
		return broken("use the version that wrote it, or restore a backup", "%v", err)
	case errors.Is(err, fs.ErrNotExist):
		return broken("name a data directory, or an empty folder to make one in", "%s has files and no log", d.c.Data)
	}
	return broken("restore a backup, or ask for help with this message", "%v", err)
}

// permissions checks that no other user can read what is stored.
func (d *doctor) permissions(info fs.FileInfo) finding {
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return broken("chmod 700 "+d.c.Data, "mode %#o lets other users in", info.Mode().Perm())
	}
	probe, err := os.CreateTemp(d.c.Data, ".doctor-")
	if err != nil {
		return broken("give it to the user that nearcase runs as", "files cannot be made there: %v", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return broken("give it to the user that nearcase runs as", "files cannot be removed there: %v", err)
	}
	return ok("mode %#o", info.Mode().Perm())
}

// disk checks what the data directory is on.
func (d *doctor) disk() {
	on, err := diskOf(d.c.Data)
	if err != nil {
		d.add("disk", unknown("%v", err))
	} else {
		d.add("disk", d.room(on))
	}
	took, err := d.timeSync()
	switch {
	case err != nil:
		d.add("sync", broken("mend the disk: nothing can be stored durably", "%v", err))
	case took > slowSync:
		d.add("sync", warning("put the data directory on a local SSD: every commit waits for it", "%s until some data is durable", took))
	default:
		d.add("sync", ok("%s until some data is durable", took))
	}
}

func (d *doctor) room(on disk) finding {
	text := fmt.Sprintf("%s, %s free", on.kind, bytesText(on.free))
	switch {
	case on.free < d.c.Limits.DiskFreeBytes:
		return broken("make room, or lower limits.disk_free_bytes", "%s, less than the %s of limits.disk_free_bytes", text, bytesText(d.c.Limits.DiskFreeBytes))
	case on.network:
		return warning("use a disk of this machine: locks and syncs of network file systems are not to be relied on", "%s", text)
	case on.kind == "tmpfs":
		return warning("use a disk: what is stored is lost when the machine ends", "%s", text)
	}
	return ok("%s", text)
}

// timeSync is how long the disk usually takes to make 4 KiB durable.
func (d *doctor) timeSync() (time.Duration, error) {
	f, err := os.CreateTemp(d.c.Data, ".doctor-")
	if err != nil {
		return 0, err
	}
	took := make([]time.Duration, syncs)
	for i := range took {
		began := time.Now()
		_, failed := f.Write(make([]byte, 4096))
		if err = errors.Join(failed, f.Sync()); err != nil {
			break
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[syncs/2].Round(10 * time.Microsecond), errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// key checks that patients can be recognised again.
func (d *doctor) key() finding {
	path := d.c.Privacy.KeyFile
	if path == "" {
		path = filepath.Join(d.c.Data, "patient.key")
	}
	_, err := readKey(path)
	needed := d.data != nil && slices.ContainsFunc(d.data.Collections, func(c store.Collection) bool { return c.Pseudonyms != "" })
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.c.Privacy.KeyFile == "" && !needed:
		return unknown("%s is not there; it is made when it is needed first", path)
	case err != nil:
		return broken("restore it from its backup: no patient stored before can be recognised without it", "%v", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return broken("chmod 600 "+path, "mode %#o lets other users read it", info.Mode().Perm())
	}
	return ok("%s; keep a backup of it apart from the data, there is no other way to recognise patients", path)
}

// newest compares the clock with the log.
func (d *doctor) newest() finding {
	if d.data == nil || d.data.Newest.IsZero() {
		return unknown("none that can be looked at")
	}
	ahead := time.Until(d.data.Newest)
	if ahead > 10*time.Minute { // labels may be a little ahead
		return broken("set the clock, or it was wrong when this was stored", "made at %s, which is %s from now", d.data.Newest.UTC().Format(time.RFC3339), ahead.Round(time.Second))
	}
	return ok("made at %s", d.data.Newest.UTC().Format(time.RFC3339))
}

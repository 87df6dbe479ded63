package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is what a folder is on.
type disk struct {
	kind    string // of file system
	network bool   // files are on another machine
	free    int64  // bytes that this user may still write
}

// kinds of file systems by their magic number; statfs(2).
var kinds = map[int64]disk{
	unix.EXT4_SUPER_MAGIC: {kind: "ext4"}, unix.XFS_SUPER_MAGIC: {kind: "xfs"}, unix.BTRFS_SUPER_MAGIC: {kind: "btrfs"},
	unix.TMPFS_MAGIC: {kind: "tmpfs"}, unix.OVERLAYFS_SUPER_MAGIC: {kind: "overlay"}, unix.F2FS_SUPER_MAGIC: {kind: "f2fs"},
	0x2fc12fc1: {kind: "zfs"}, unix.NFS_SUPER_MAGIC: {kind: "nfs", network: true}, unix.SMB_SUPER_MAGIC: {kind: "smb", network: true},
	unix.CIFS_SUPER_MAGIC: {kind: "cifs", network: true}, unix.SMB2_SUPER_MAGIC: {kind: "smb", network: true},
	unix.CEPH_SUPER_MAGIC: {kind: "ceph", network: true}, unix.V9FS_MAGIC: {kind: "9p", network: true},
	unix.FUSE_SUPER_MAGIC: {kind: "fuse", network: true}, unix.AFS_SUPER_MAGIC: {kind: "afs", network: true},
}

// diskOf tells what a folder is on.
func diskOf(path string) (disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return disk{}, fmt.Errorf("disk of %s: %w", path, err)
	}
	d, ok := kinds[int64(s.Type)]
	if !ok {
		d.kind = fmt.Sprintf("kind %#x", s.Type)
	}
	d.free = int64(s.Bavail) * s.Bsize
	return d, nil
}

// descriptors is how many files and connections this process may have open. The
// runtime has raised that to the most the system lets it.
func descriptors() (uint64, error) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return r.Cur, err
}

// clockSynchronised reports whether a time service adjusts the clock.
func clockSynchronised() (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return state != unix.TIME_ERROR, err
}

// memoryLimit is how much memory this process may use, and what says so.
func memoryLimit() (limit int64, of string, err error) {
	limit, of = 0, "the machine"
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, "", err
	}
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			limit, err = strconv.ParseInt(f[1], 10, 64)
			limit *= 1024
		}
	}
	if group := groupLimit(); group > 0 && group < limit {
		limit, of = group, "the control group"
	}
	return limit, of, err
}

// groupLimit is the least limit of the control groups that this process is in; 0
// for none.
func groupLimit() (least int64) {
	groups, _ := os.ReadFile("/proc/self/cgroup") // without it there is none
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		root, name := "/sys/fs/cgroup", "memory.max"
		if f[1] == "memory" {
			root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if f[1] != "" {
			continue
		}
		for at := f[2]; ; at = filepath.Dir(at) {
			text, _ := os.ReadFile(filepath.Join(root, at, name))
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && (least == 0 || n < least) {
				least = n
			}
			if at == "/" || at == "." {
				break
			}
		}
	}
	return least
}

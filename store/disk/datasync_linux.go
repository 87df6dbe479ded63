package disk

import (
	"os"
	"syscall"
)

// SyncData makes the bytes of a file durable, with the size and where they are, as
// Sync does; but for when it was changed, which costs the disk another write.
func SyncData(f File) error {
	file, ok := f.(*os.File)
	if !ok {
		return f.Sync()
	}
	for {
		if err := syscall.Fdatasync(int(file.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

package local

import (
	"os"
	"path/filepath"
	"testing"

	"nearcase/store/disk"
	"nearcase/store/disk/faulty"
)

// Law: where the sync of the new log's name has failed, and the old log was removed when
// the directory was opened again, no loss of power leaves neither.
func TestAnExchangeThatWasNotSyncedLeavesALog(t *testing.T) {
	for seed := range uint64(200) {
		dir := t.TempDir()
		in := faulty.New(dir, seed)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for _, name := range []string{oldLogDir, newLogDir} {
			must(in.Mkdir(filepath.Join(dir, name), 0o700))
		}
		must(in.SyncDir(dir))
		must(in.Rename(filepath.Join(dir, newLogDir), filepath.Join(dir, logDir)))
		must(settleLog(files{FS: in}, dir))
		must(in.Cut())
		must(settleLog(files{FS: disk.System{}}, dir))
		_, err := os.Stat(filepath.Join(dir, logDir))
		must(err)
	}
}

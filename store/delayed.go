package store

import (
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// delayedDisk lengthens every wait for the disk of the write-ahead log: a rehearsal of a
// slower one.
type delayedDisk struct {
	vfs.FS
	by time.Duration
}

func (d delayedDisk) Create(name string, of vfs.DiskWriteCategory) (vfs.File, error) {
	return d.slow(name)(d.FS.Create(name, of))
}

func (d delayedDisk) ReuseForWrite(old, name string, of vfs.DiskWriteCategory) (vfs.File, error) {
	return d.slow(name)(d.FS.ReuseForWrite(old, name, of))
}

func (d delayedDisk) Unwrap() vfs.FS { return d.FS }

// slow makes a file slow that is part of the log.
func (d delayedDisk) slow(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err != nil || !strings.HasSuffix(name, ".log") {
			return f, err
		}
		return delayedFile{f, d.by}, nil
	}
}

type delayedFile struct {
	vfs.File
	by time.Duration
}

func (f delayedFile) Sync() error {
	time.Sleep(f.by)
	return f.File.Sync()
}

func (f delayedFile) SyncData() error {
	time.Sleep(f.by)
	return f.File.SyncData()
}

func (f delayedFile) SyncTo(length int64) (full bool, err error) {
	time.Sleep(f.by)
	return f.File.SyncTo(length)
}

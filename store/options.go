package store

import (
	"bytes"
	"log/slog"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/keys"
)

// Options are the settings of a store. The zero value works.
type Options struct {
	CacheSize    int64        // bytes of blocks kept in memory; 0 is 256 MiB
	HeadsSize    int64        // bytes for the table of heads; 0 is 64 MiB, less is none
	MemTableSize uint64       // bytes gathered in memory before a table is written; 0 is 128 MiB
	Log          *slog.Logger // nil is slog.Default
	Wall         func() int64 // the physical clock, milliseconds since 1970; nil is the system's

	// Fatal is called when the database can go on no more, after a failed write
	// of its log; it must not return. nil logs and ends the process with status 1:
	// what was acknowledged is on disk, and a restart is the recovery.
	Fatal func(message string)

	FeedAge    time.Duration // how long the feed is kept; 0 is 7 days
	FeedSize   int64         // bytes of feed that are kept at most; 0 is a fifth of the disk
	OutboxSize int64         // bytes of feed that may wait for the outbox; 0 is a fifth of the disk

	SyncDelay time.Duration // lengthens every sync of the log, to rehearse a slower disk

	FS vfs.FS // nil is the disk; tests have one that can crash
}

func (o Options) withDefaults() Options {
	if o.CacheSize == 0 {
		o.CacheSize = 256 << 20
	}
	if o.HeadsSize == 0 {
		o.HeadsSize = 64 << 20
	}
	if o.MemTableSize == 0 {
		o.MemTableSize = 128 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.FeedAge == 0 {
		o.FeedAge = 7 * 24 * time.Hour
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SyncDelay > 0 {
		o.FS = delayedDisk{o.FS, o.SyncDelay}
	}
	if o.Wall == nil {
		o.Wall = func() int64 { return time.Now().UnixMilli() }
	}
	return o
}

// withShares sets those limits that are a share of the disk that the directory is on.
func (o Options) withShares(dir string) Options {
	share := int64(unknownDisk / 5)
	if usage, err := o.FS.GetDiskUsage(dir); err == nil && usage.TotalBytes > 0 {
		share = int64(usage.TotalBytes / 5)
	}
	if o.FeedSize == 0 {
		o.FeedSize = share
	}
	if o.OutboxSize == 0 {
		o.OutboxSize = share
	}
	return o
}

// unknownDisk is how large a disk is taken to be that does not say so, in bytes.
const unknownDisk = 100 << 30

// comparer orders keys byte by byte and splits a waybill's keys behind the
// number, so that one filter answers for all of them. Its name is written into
// the directory.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "waytrace.3"
	c.Split = keys.Split
	c.Compare = bytes.Compare
	// The next prefix after a number's is that of a number beyond it: another zero
	// byte would still be in this one.
	c.ImmediateSuccessor = func(dst, prefix []byte) []byte {
		dst = append(dst, prefix...)
		if n := len(prefix); n > 0 && prefix[n-1] == 0 && keys.Split(prefix) == n && keys.Grouped(prefix[0]) {
			dst[len(dst)-1] = 1
			return dst
		}
		return append(dst, 0)
	}
	return &c
}()

// What is written often, above, is not compressed; what stays is well.
var compression = func() pebble.DBCompressionSettings {
	c := pebble.UniformDBCompressionSettings(block.NoCompression)
	c.Name = "waytrace"
	c.Levels[len(c.Levels)-2] = block.FastestCompression
	c.Levels[len(c.Levels)-1] = block.ZstdCompression
	return c
}()

// The database stops writes at so many memtables, and at so many tables one over
// the other on its first level; see Busy.
const (
	stopMemtables = 3
	stopSublevels = 32

	mostCompactions = 4 // at once, on half of the cores at most: the others answer
)

// pebble gives the database's own settings. What they rest on is in
// docs/decisions/0003-pebble-settings.md.
func (s *Store) pebbleOptions(cache *pebble.Cache, o Options) *pebble.Options {
	po := &pebble.Options{
		// The zero value would be an old form without columnar blocks.
		FormatMajorVersion:          pebble.FormatNewest,
		FS:                          pacedDisk{o.FS, &s.pace},
		Cache:                       cache,
		Comparer:                    comparer,
		MemTableSize:                o.MemTableSize,
		MemTableStopWritesThreshold: stopMemtables,
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       stopSublevels,
		LBaseMaxBytes:               512 << 20,
		MaxOpenFiles:                4096,
		BytesPerSync:                1 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(1, min(runtime.NumCPU()/2, mostCompactions)) },
		Logger:                      pebbleLog{s},
		EventListener:               s.listener(),
	}
	po.TargetFileSizes[0] = 8 << 20
	for i := range po.Levels {
		po.Levels[i].BlockSize = 24 << 10
		po.Levels[i].IndexBlockSize = 256 << 10
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	po.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return compression })
	// Behind a split, the database takes the suffix for a version and moves all
	// but the first value of a prefix elsewhere. Ours are events that are read
	// together: they stay in place.
	po.Experimental.SpanPolicyFunc = func([]byte) (pebble.SpanPolicy, []byte, error) {
		return pebble.SpanPolicy{
			DisableValueSeparationBySuffix: true,
			ValueStoragePolicy:             pebble.ValueStorageLowReadLatency,
		}, nil, nil
	}
	po.Experimental.CompactionScheduler = &s.compactions
	return po
}

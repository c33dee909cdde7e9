// Package store keeps events, heads and the feed in one Pebble directory.
//
// There is one way in, Append, and it answers only when the disk has it, synced.
// Behind it stands one writer: a single goroutine owns every head, so nothing is
// locked, and numbers what it learned: the feed. Readers read the database and
// nothing else.
//
//	s, err := store.Open(dir, store.Options{})
//	fresh, err := s.Append(ctx, facts)
//	err = s.Trace(&t, number, "", true)
//	err = s.Close()
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/trace"
)

// A Store is one directory, opened by one process. Its methods are safe for
// concurrent use.
type Store struct {
	dir   string
	db    *pebble.DB
	cache *pebble.Cache
	log   *slog.Logger
	fatal func(string)

	node   trace.Origin
	mark   uint64  // of this start
	starts []start // all under this id, in their order
	clock  trace.Clock
	wall   func() int64

	compactions compactions

	// The writer's own, but for what birth sets before it starts.
	next     counters
	reserved trace.HLC // no reading on disk is greater

	in      chan *request
	closing chan struct{} // closed first: nothing more is taken in
	stopped chan struct{} // closed last: all that was taken in is answered
	close   sync.Once

	reading sync.RWMutex // held for reading by whoever reads the database
	closed  bool         // under reading

	stamps   stamps
	known    known
	heads    headTable
	distress distress
	pace     pace
	learned  chan struct{} // closed when the scan that fills known has ended

	partitions       [trace.Partitions]partition
	trimming         sync.Mutex // held by who trims the feed
	complainedOfHeld time.Time  // see there; under trimming
	landing          landing
	outbox           atomic.Pointer[Outbox] // nil: nobody ships
	limits           limits

	legs       atomic.Bool           // some parcel goes on under another number
	stale      atomic.Bool           // heads were folded under other settings
	waybills   atomic.Uint64         // how many there are
	safe       atomic.Uint64         // highest seq that is synced
	failed     atomic.Pointer[error] // why nothing can be written any more
	fs         vfs.FS
	memtable   uint64 // bytes of one
	room       uint64 // bytes that must be free on the disk
	opened     time.Time
	looked     atomic.Int64 // when the disk's room was looked at last, since opened
	short      atomic.Bool  // there was too little
	writing    atomic.Int64 // since when the writer is at a batch, unix nanoseconds; 0 is idle
	complained atomic.Int64 // when background work last complained in the log, unix seconds
	syncing    atomic.Int64 // since when the oldest unsynced batch waits for the disk; 0 is none
}

// Open opens the directory, making it where there is none. It fails when
// another process has it open, when a newer version wrote it, or when it holds
// something else.
func Open(dir string, o Options) (*Store, error) {
	isDisk := o.FS == nil
	o = o.withDefaults()
	_, err := o.FS.Stat(dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	s, err := openDatabase(dir, o, func(*pebble.Options) {})
	if err != nil {
		return nil, err
	}
	err = s.birth()
	if err == nil && o.HeadsSize > 0 {
		s.heads.ring, err = newRing(o.HeadsSize)
	}
	if err == nil && isNew && isDisk {
		err = os.Chmod(dir, 0o700) // parcels are nobody else's business
	}
	if err != nil {
		s.heads.free()
		s.shut()
		return nil, err
	}
	o = o.withShares(dir)
	s.limits = limits{o.FeedAge, uint64(o.FeedSize), uint64(o.OutboxSize)}
	s.known.start(s.waybills.Load())
	go s.learn()
	go s.write()
	return s, nil
}

// openDatabase opens the database alone, with no writer over it. change may change its
// settings.
func openDatabase(dir string, o Options, change func(*pebble.Options)) (*Store, error) {
	s := &Store{
		dir: dir, log: o.Log, fatal: o.Fatal, fs: o.FS, wall: o.Wall, opened: time.Now(),
		memtable: o.MemTableSize, room: memtablesOfRoom * o.MemTableSize,
		clock:   trace.Clock{Wall: o.Wall},
		in:      make(chan *request, queueLength),
		closing: make(chan struct{}), stopped: make(chan struct{}), learned: make(chan struct{}),
		stamps: newStamps(),
	}
	s.landing.moved.L = &s.landing.mu
	if s.fatal == nil {
		s.fatal = func(string) { os.Exit(1) }
	}
	// Reading the log of the last run may have to write tables, which may never end on
	// a full disk: whoever waits should know.
	slow := time.AfterFunc(5*time.Second, func() {
		s.log.Warn("store: opening takes long, reading the log of the last run; is the disk full?", "directory", dir)
	})
	defer slow.Stop()
	// The database takes its memtables out of the cache.
	s.cache = pebble.NewCache(o.CacheSize + stopMemtables*int64(o.MemTableSize))
	settings := s.pebbleOptions(s.cache, o)
	change(settings)
	// Before it returns, opening waits for every compaction that the tables made of the
	// log have set off, and one of them may take longer than all the rest.
	s.compactions.refuse(true)
	// The database makes the directory itself, and syncs the entry in its parent:
	// one that was made before it came would be gone after a power cut.
	db, err := pebble.Open(dir, settings)
	s.compactions.refuse(false)
	if err != nil {
		s.cache.Unref()
		return nil, openError(dir, err)
	}
	s.db = db
	if got := db.FormatMajorVersion(); got != pebble.FormatNewest {
		s.shut()
		return nil, fmt.Errorf("%s: the database has format %s, not %s", dir, got, pebble.FormatNewest)
	}
	return s, nil
}

// shut closes the database alone.
func (s *Store) shut() error {
	s.pace.hurried.Store(true)
	err := s.db.Close()
	s.cache.Unref()
	return err
}

// memtablesOfRoom is how many memtables must fit on the disk for writes to be
// taken: those in memory, and the log that is being written.
const memtablesOfRoom = 3

// openError says what would help.
func openError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be used by this user: change its owner, or choose another directory with --data: %w", dir, err)
	case errors.Is(err, syscall.EAGAIN): // of the lock file
		return fmt.Errorf("%s is in use by another waytrace: stop it, or choose another directory with --data", dir)
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		return noDirectory(dir)
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is damaged: clone another node, or restore a backup: %w", dir, err)
	case strings.Contains(err.Error(), "lock held by current process"):
		return fmt.Errorf("%s is open in this process already", dir)
	}
	return fmt.Errorf("%s cannot be opened (written by a newer waytrace, or not by waytrace?): %w", dir, err)
}

func noDirectory(dir string) error {
	return fmt.Errorf("%s holds no data of waytrace: %w", dir, trace.ErrNotFound)
}

// Node is the node's id, born with the directory.
func (s *Store) Node() trace.Origin { return s.node }

// Now is the next reading of the node's clock.
func (s *Store) Now() trace.HLC { return s.clock.Now() }

// Stale reports whether the heads were folded under other settings of the fold than
// those of now, so that a Refold is due.
func (s *Store) Stale() bool { return s.stale.Load() }

// SafeMark is the highest seq of the feed that is synced. What is beyond it must
// not leave the node.
func (s *Store) SafeMark() uint64 { return s.safe.Load() }

// Ready says why the store cannot take writes now: nil when it can. The error's
// kind is ErrUnavailable.
func (s *Store) Ready() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	waited := s.Stalled()
	if waited <= stallLimit && s.full() {
		return fmt.Errorf("the disk has less than %d MiB left, which the store needs for itself: free some: %w", s.room>>20, trace.ErrUnavailable)
	}
	if waited > stallLimit {
		return fmt.Errorf("the disk has not taken a write for %s: is it full, or slow?: %w",
			waited.Round(100*time.Millisecond), trace.ErrUnavailable)
	}
	return nil
}

// full reports whether the disk has too little room for what is in memory to be
// written: a log that meets the end of the disk cannot be written on, so writes
// stop before. It looks at most once in lookEvery.
func (s *Store) full() bool {
	now := int64(time.Since(s.opened))
	if last := s.looked.Load(); (last == 0 || now-last >= int64(lookEvery)) && s.looked.CompareAndSwap(last, now) {
		usage, err := s.fs.GetDiskUsage(s.dir)
		s.short.Store(err == nil && usage.AvailBytes < s.room)
	}
	return s.short.Load()
}

const lookEvery = 250 * time.Millisecond

// stallLimit is how long a write may take before the store is not ready: the
// carriers' three seconds.
const stallLimit = 3 * time.Second

// Stalled is how long the oldest write under way has waited; 0 when none is.
func (s *Store) Stalled() time.Duration {
	var longest time.Duration
	for _, since := range [...]int64{s.writing.Load(), s.syncing.Load()} {
		if since != 0 {
			longest = max(longest, time.Duration(time.Now().UnixNano()-since))
		}
	}
	return longest
}

// fail makes the store read-only: after a failed commit nobody knows what the
// disk has until the directory is opened again.
func (s *Store) fail(err error) {
	err = fmt.Errorf("the store is read-only after a failed write, restart waytrace once the disk is sound (%w): %w",
		err, trace.ErrUnavailable)
	s.heads.off.Store(true)
	if s.failed.CompareAndSwap(nil, &err) {
		s.log.Error("store is read-only", "err", err)
	}
}

// Quiet refuses further compactions, so that Close need wait only for those that
// run. Writes and reads go on.
func (s *Store) Quiet() { s.compactions.Refuse() }

// Close takes nothing more in, finishes what was taken in, and closes the
// directory. It waits for running compactions; see Quiet. Reads that are under way
// are finished; later ones are ErrUnavailable.
func (s *Store) Close() (err error) {
	s.close.Do(func() {
		s.Quiet()
		close(s.closing)
		<-s.stopped
		<-s.learned
		s.reading.Lock()
		defer s.reading.Unlock()
		s.closed = true
		err = s.shut()
		s.heads.free()
	})
	return err
}

// enter lets a read begin, unless the store is closed; then leave ends it.
func (s *Store) enter() error {
	s.reading.RLock()
	if s.closed {
		s.reading.RUnlock()
		return errClosing
	}
	return nil
}

func (s *Store) leave() { s.reading.RUnlock() }

// Checkpoint writes a copy of the directory as it is now into dir, which must
// not exist. Files are linked where the file system can, so it is cheap, and
// costs space as the original changes. The copy has this node's id: it is to be
// restored, not run beside the original.
func (s *Store) Checkpoint(dir string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("checkpoint to %s: %w", dir, err)
	}
	return nil
}

// flushFrom is how much of the log makes a flush worth its while, in bytes: a start
// reads so much within a tenth of a second.
const flushFrom = 8 << 20

// Flush writes what is in memory and the log alone into tables, so that the next Open
// need not read it, and waits for that, but not longer than most. Writes and reads go
// on.
func (s *Store) Flush(most time.Duration) {
	if s.enter() != nil {
		return
	}
	defer s.leave()
	if s.db.Metrics().WAL.Size < flushFrom {
		return
	}
	s.pace.hurried.Store(true)
	defer s.pace.hurried.Store(false)
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return // then the log is read
	}
	select {
	case <-flushed:
	case <-time.After(most):
	}
}

// Compact compacts the whole directory, table by table, until ctx ends. Reads and
// writes go on, slower.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	for kind := byte('a'); kind <= 'z'; kind++ {
		if err := s.db.Compact(ctx, []byte{kind}, []byte{kind + 1}, false); err != nil {
			return fmt.Errorf("compact: %w (%w)", trace.ErrUnavailable, err)
		}
	}
	return nil
}

// errClosing answers whoever comes while the store closes.
var errClosing = fmt.Errorf("the store is closing: %w", trace.ErrUnavailable)

// Append merges facts into what is known and returns when that is synced: how
// many of the events were news. Each event must have passed Check and been sealed
// with a reading of Now; its Taken is set. A repeat is answered only when what it
// repeats is synced.
//
// The error is of kind ErrUnavailable: ctx ended first, the disk failed, the
// store closes; with the code outbox_full, too much waits to be shipped. Then some of the facts may be stored, and sending them again
// completes them; and the facts still belong to the store, which may read them
// at any later time: they must not be reset or used again.
func (s *Store) Append(ctx context.Context, facts *trace.Facts) (fresh int, err error) {
	if o := s.outbox.Load(); o != nil {
		if err := o.room(); err != nil {
			return 0, err
		}
	}
	r := requests.Get().(*request)
	r.facts = facts
	if err := s.submit(ctx, r); err != nil {
		return 0, err
	}
	fresh, err = r.fresh, r.err
	r.giveBack()
	return fresh, err
}

// Quarantine keeps a request that was not understood, once however often it
// comes, and returns when it is synced. The error is as Append's; q is not kept.
func (s *Store) Quarantine(ctx context.Context, q *trace.Quarantined) error {
	r := &request{hash: q.Hash(), kept: q.Append(nil), heard: q.Heard, done: make(chan struct{}, 1)}
	if err := s.submit(ctx, r); err != nil {
		return err
	}
	return r.err
}

// submit hands a request to the writer and waits for its answer.
func (s *Store) submit(ctx context.Context, r *request) error {
	// A disk that has not answered for seconds will not answer this one in time,
	// and one that is full is not asked.
	if err := s.Ready(); err != nil {
		return err
	}
	select {
	case <-s.closing:
		return errClosing
	default:
	}
	select {
	case s.in <- r:
	case <-ctx.Done():
		return fmt.Errorf("the store is busy: %w", trace.ErrUnavailable)
	case <-s.closing:
		return errClosing
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		if r.claimed.CompareAndSwap(false, true) {
			r.facts, r.kept, r.refold = nil, nil, nil // they wait for nothing in the queue
		}
		return fmt.Errorf("the disk was too slow: %w", trace.ErrUnavailable)
	case <-s.stopped:
		// The writer went away between the two selects. It answered all that it
		// took; whether it took this one is settled now.
		select {
		case <-r.done:
			return nil
		default:
			return errClosing
		}
	}
}

package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/keys"
	"waytrace/trace"
)

// rawStore is the limit of the write rows: Pebble as the store opens it, one key
// an event and nothing else. Its keys are made as the store makes them, its
// values are stored events; both are made before the commit.
type rawStore struct {
	db     *pebble.DB
	cache  *pebble.Cache
	stock  *stock
	values [][]byte      // of sealed events, parcel by parcel
	made   atomic.Uint64 // identities given out; event k of parcel i of the set got the one after i*eventsLoaded+k
}

// The values are those of so many parcels, each eight events long, used over and
// over: enough that no block or window of a compressor sees one twice.
const rawParcels = 8192

// openRaw opens a new directory with the options that another Pebble directory
// wrote down, in the form of its OPTIONS file; "" means Pebble's own. fatal is
// called when Pebble can go on no more, and must not return.
func openRaw(dir, options string, p *parcels, fatal func(message string)) (*rawStore, error) {
	r := &rawStore{stock: newStock(p)}
	po := &pebble.Options{}
	comparer := *pebble.DefaultComparer
	comparer.Split = keys.Split
	err := po.Parse(options, &pebble.ParseHooks{
		NewComparer: func(name string) (*pebble.Comparer, error) {
			comparer.Name = name
			return &comparer, nil
		},
		NewFilterPolicy: func(name string) (pebble.FilterPolicy, error) {
			if name == pebble.NoFilterPolicy.Name() {
				return pebble.NoFilterPolicy, nil
			}
			return bloom.FilterPolicy(10), nil
		},
		SkipUnknown: func(string, string) bool { return true },
	})
	if err != nil {
		return nil, fmt.Errorf("options of the daemon's store: %w", err)
	}
	// What the file does not hold. The form that it names can be out of date.
	po.FormatMajorVersion = pebble.FormatNewest
	po.WALDir = ""
	po.Experimental.SpanPolicyFunc = func([]byte) (pebble.SpanPolicy, []byte, error) {
		return pebble.SpanPolicy{
			DisableValueSeparationBySuffix: true,
			ValueStoragePolicy:             pebble.ValueStorageLowReadLatency,
		}, nil, nil
	}
	if po.CacheSize > 0 {
		r.cache = pebble.NewCache(po.CacheSize)
		po.Cache = r.cache
	}
	po.Logger = quiet{fatal}
	if r.db, err = pebble.Open(dir, po); err != nil {
		r.unref()
		return nil, fmt.Errorf("open raw Pebble: %w", err)
	}

	var facts trace.Facts
	for n := range min(rawParcels, p.set) {
		for k := range eventsLoaded {
			facts.Reset()
			r.values = append(r.values, append([]byte(nil), p.event(&facts, n, k).Value...))
		}
	}
	return r, nil
}

// quiet keeps Pebble from telling about each table.
type quiet struct{ fatal func(message string) }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// Fatalf does not return: else a write that failed would count as done.
func (q quiet) Fatalf(format string, args ...any) {
	q.fatal("raw Pebble cannot go on: " + fmt.Sprintf(format, args...))
}

// appendKey appends an event's key, as the store makes it.
func (r *rawStore) appendKey(dst []byte, e pick, made uint64) []byte {
	var text [numberLength]byte
	number := r.stock.parcels.appendNumber(text[:0], e.parcel)
	at := r.stock.parcels.began - int64(mix(uint64(e.parcel))%5_000_000) + int64(e.event)*2400
	return keys.Event(dst, trace.Waybill{Number: string(number), Carrier: "sf"}, at*1000, trace.ID(mix(made)))
}

// set adds an event to a batch.
func (r *rawStore) set(b *pebble.Batch, e pick, buf []byte) ([]byte, int, error) {
	buf = r.appendKey(buf[:0], e, r.made.Add(1))
	value := r.values[(e.parcel*eventsLoaded+e.event)%len(r.values)]
	return buf, len(value), b.Set(buf, value, nil)
}

// load puts the set in, as the daemon was given it: through memtables and log,
// so that the log's files are used ones afterwards. told hears of events.
func (r *rawStore) load(ctx context.Context, told func(events int)) error {
	var picks []pick
	var key []byte
	b := r.db.NewBatch()
	defer func() { b.Close() }()
	for ctx.Err() == nil {
		if picks = r.stock.load(picks[:0]); len(picks) == 0 {
			break
		}
		for _, e := range picks {
			var err error
			if key, _, err = r.set(b, e, key); err != nil {
				return fmt.Errorf("raw Pebble: %w", err)
			}
		}
		told(len(picks))
		if b.Len() < 256<<10 {
			continue
		}
		if err := b.Commit(pebble.NoSync); err != nil {
			return fmt.Errorf("raw Pebble: %w", err)
		}
		b.Close()
		b = r.db.NewBatch()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("raw Pebble: %w", err)
	}
	return nil
}

// settle waits until no flush and no compaction runs, but not longer than most,
// and returns how long that took.
func (r *rawStore) settle(ctx context.Context, most time.Duration) time.Duration {
	return settle(ctx, most, func() bool {
		m := r.db.Metrics()
		return m.Compact.NumInProgress > 0 || m.Flush.NumInProgress > 0
	})
}

func (r *rawStore) close() error {
	err := r.db.Close()
	r.unref()
	return err
}

func (r *rawStore) unref() {
	if r.cache != nil {
		r.cache.Unref()
	}
}

// A committer commits one synced batch after the other.
type committer struct {
	raw   *rawStore
	next  func(dst []pick) []pick
	picks []pick
	key   []byte
	batch *pebble.Batch
	size  int
	err   error
}

func (c *committer) prepare() bool {
	if c.picks = c.next(c.picks[:0]); len(c.picks) == 0 {
		return false
	}
	c.close()
	c.batch = c.raw.db.NewBatch()
	c.size, c.err = 0, nil
	for _, e := range c.picks {
		var n int
		if c.key, n, c.err = c.raw.set(c.batch, e, c.key); c.err != nil {
			break
		}
		c.size += n
	}
	return true
}

func (c *committer) do(time.Time) (units, size int, err error) {
	if c.err == nil {
		c.err = c.batch.Commit(pebble.Sync)
	}
	if c.err != nil {
		return 0, 0, fmt.Errorf("raw Pebble: %w", c.err)
	}
	return len(c.picks), c.size, nil
}

func (c *committer) close() {
	if c.batch != nil {
		c.batch.Close()
		c.batch = nil
	}
}

// An asker gets one loaded event after the other, by its key.
type asker struct {
	raw  *rawStore
	pick func() int
	key  []byte
}

func (a *asker) prepare() bool {
	n := a.pick()
	a.key = a.raw.appendKey(a.key[:0], pick{n / eventsLoaded, n % eventsLoaded}, uint64(n)+1)
	return true
}

func (a *asker) do(time.Time) (units, size int, err error) {
	value, closer, err := a.raw.db.Get(a.key)
	if err != nil {
		return 0, 0, fmt.Errorf("raw Pebble: %w", err)
	}
	return 1, len(value), closer.Close()
}

func (a *asker) close() {}

// debt is how many bytes wait to be compacted, and whether some are being.
func (r *rawStore) debt() (bytes int64, busy bool) {
	m := r.db.Metrics()
	return int64(m.Compact.EstimatedDebt), m.Compact.NumInProgress > 0 || m.Flush.NumInProgress > 0
}

// measureSync appends 4 KiB to a new file and waits for the disk, again and
// again for a while: nothing that is durable can be faster. It adds how long
// each took to h and returns how many there were.
func measureSync(ctx context.Context, file string, d time.Duration, h *hdrhistogram.Histogram) (n int, err error) {
	f, err := vfs.Default.Create(file, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(file)) }()
	page := make([]byte, 4<<10)
	for until := time.Now().Add(d); ctx.Err() == nil; n++ {
		began := time.Now()
		if !began.Before(until) {
			return n, nil
		}
		binary.BigEndian.PutUint64(page, uint64(n))
		if _, err := f.Write(page); err != nil {
			return n, err
		}
		if err := f.SyncData(); err != nil {
			return n, err
		}
		record(h, time.Since(began))
	}
	return n, ctx.Err()
}

// storeOptions reads what the daemon's Pebble wrote down about its options.
func storeOptions(data string) (string, error) {
	newest := ""
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		// The daemon is at work: a file that is gone again was a temporary one.
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && strings.HasPrefix(d.Name(), "OPTIONS-") && path > newest {
			newest = path
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look for the store's options: %w", err)
	}
	if newest == "" {
		return "", fmt.Errorf("%s has no OPTIONS file of Pebble: raw Pebble cannot be opened as the store is", data)
	}
	text, err := os.ReadFile(newest)
	return string(text), err
}

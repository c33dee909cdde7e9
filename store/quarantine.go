package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A Quarantine keeps, in a store's directory, the requests that were not
// understood, and minds how much that is. Its methods are safe for concurrent use.
//
// The store's writer writes them; what goes is deleted here. A request that is on
// its way in is not deleted, and one that is being deleted is not taken in, so both
// agree on what is counted. Nobody waits for a sync with mu held.
type Quarantine struct {
	store *Store
	limit int64

	mu       sync.Mutex
	requests int
	bytes    int64 // of weights
	coming   map[[16]byte]*arrival
	touched  map[[16]byte]touch
}

// A touch is what is being done to a request that is there.
type touch uint8

const (
	dropping touch = iota + 1
	refaulting
)

// An arrival is a request on its way to the writer, however often it comes at once.
type arrival struct {
	times int
	news  bool // it was not there before, and is counted already
	taken bool // by the writer, at least once
}

// A QuarantineLoad is how much lies in quarantine.
type QuarantineLoad struct {
	Requests int   `json:"requests"`
	Bytes    int64 `json:"bytes"`
	Limit    int64 `json:"limit_bytes"`
}

// Filling reports whether so much of the room is taken that somebody should look:
// four fifths.
func (l QuarantineLoad) Filling() bool { return l.Bytes >= l.Limit/5*4 }

// OpenQuarantine counts what lies in quarantine. It holds up to limit bytes.
func (s *Store) OpenQuarantine(limit int64) (*Quarantine, error) {
	k := &Quarantine{store: s, limit: limit, coming: make(map[[16]byte]*arrival), touched: make(map[[16]byte]touch)}
	err := s.EachQuarantined(func(_ [16]byte, q *trace.Quarantined) bool {
		k.requests++
		k.bytes += weight(q)
		return true
	})
	return k, err
}

// weight is what a request takes of the room, in bytes: the same whenever and with
// whatever faults it came.
func weight(q *trace.Quarantined) int64 {
	const besides = 512 // its key and its faults, more or less
	return int64(len(q.Raw) + len(q.Query) + len(q.Path) + besides)
}

// Load is how much lies in quarantine now.
func (k *Quarantine) Load() QuarantineLoad {
	k.mu.Lock()
	defer k.mu.Unlock()
	return QuarantineLoad{k.requests, k.bytes, k.limit}
}

// Keep keeps a request, once however often it comes, and returns when it is
// synced. The error is as Append's; where there is no room it has the code
// quarantine_full. A request that is there already needs none.
func (k *Quarantine) Keep(ctx context.Context, q *trace.Quarantined) error {
	hash, size := q.Hash(), weight(q)
	if err := k.enter(hash, size); err != nil {
		return err
	}
	r := &request{hash: hash, kept: q.Append(nil), heard: q.Heard, done: make(chan struct{}, 1)}
	err := k.store.submit(ctx, r)
	// What the writer has, it writes, even if nobody waits any more; what submit took
	// back is empty.
	taken := r.claimed.Load() && r.kept != nil
	if err == nil {
		err = r.err
		taken = err == nil
	}
	k.leave(hash, size, taken)
	return err
}

// enter counts a request that comes, before it is written: many that come at once
// must not be more than there is room for.
func (k *Quarantine) enter(hash [16]byte, size int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.coming[hash]; a != nil {
		a.times++
		return nil
	}
	if k.touched[hash] == dropping {
		return trace.Problemf(trace.ErrUnavailable, "busy", "the same request is just being removed from quarantine")
	}
	known := true
	if _, err := k.get(hash); errors.Is(err, trace.ErrNotFound) {
		known = false
	} else if err != nil {
		return err
	}
	if !known {
		if k.bytes+size > k.limit {
			return trace.Problemf(trace.ErrUnavailable, "quarantine_full",
				"the quarantine holds %d requests, %d bytes of %d: replay or drop some (waytrace quarantine), or raise quarantine.max_size", k.requests, k.bytes, k.limit)
		}
		k.count(1, size)
	}
	k.coming[hash] = &arrival{times: 1, news: !known}
	return nil
}

// leave takes the count back where nothing was written.
func (k *Quarantine) leave(hash [16]byte, size int64, taken bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.coming[hash]
	a.taken = a.taken || taken
	if a.times--; a.times > 0 {
		return
	}
	delete(k.coming, hash)
	if a.news && !a.taken {
		k.count(-1, -size)
	}
}

func (k *Quarantine) count(requests int, size int64) {
	k.requests += requests
	k.bytes += size
}

// Find gives a request; ErrNotFound where there is none.
func (k *Quarantine) Find(hash [16]byte) (*trace.Quarantined, error) { return k.get(hash) }

func (k *Quarantine) get(hash [16]byte) (*trace.Quarantined, error) {
	s := k.store
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	value, closer, err := s.db.Get(keys.Quarantine(nil, hash))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil, trace.Problemf(trace.ErrNotFound, "not_found", "there is no request %x in quarantine", hash)
	case err != nil:
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer closer.Close()
	q := new(trace.Quarantined)
	if err := trace.DecodeQuarantined(q, value); err != nil {
		return nil, fmt.Errorf("request %x: %w", hash, err)
	}
	return q, nil
}

// A QuarantineItem is a request in quarantine with its hash.
type QuarantineItem struct {
	Hash [16]byte
	*trace.Quarantined
}

// Next gives requests in the order of their hashes, those behind after, or from the
// first where it is nil: up to most of them, and no more than a few megabytes. None
// is the end.
func (k *Quarantine) Next(after *[16]byte, most int) (items []QuarantineItem, err error) {
	const megabytes = 8 << 20
	s := k.store
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	lower := []byte{keys.KindQuarantine}
	upper := keys.End(nil, lower)
	if after != nil {
		lower = append(keys.Quarantine(nil, *after), 0)
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	size := int64(0)
	err = each(it, func(key, value []byte) (bool, error) {
		parsed, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		q := new(trace.Quarantined)
		if err := trace.DecodeQuarantined(q, value); err != nil {
			return false, err
		}
		items = append(items, QuarantineItem{parsed.Hash, q})
		size += weight(q)
		return len(items) < most && size < megabytes, nil
	})
	return items, err
}

// Refault writes down anew why a request was not understood, unless it has gone, or
// is just going. It returns when that is synced. An error is ErrUnavailable.
func (k *Quarantine) Refault(hash [16]byte, faults []trace.Fault) error {
	_, err := k.change(refaulting, [][16]byte{hash}, func(b *pebble.Batch, hash [16]byte, q *trace.Quarantined) error {
		q.Faults = faults
		return b.Set(keys.Quarantine(nil, hash), q.Append(nil), nil)
	})
	return err
}

// Drop removes requests, and returns how many of them were there when that is
// synced. One that is being pushed again at this moment stays. An error is
// ErrUnavailable.
func (k *Quarantine) Drop(hashes ...[16]byte) (n int, err error) {
	return k.change(dropping, hashes, func(b *pebble.Batch, hash [16]byte, _ *trace.Quarantined) error {
		return b.Delete(keys.Quarantine(nil, hash), nil)
	})
}

// change writes a batch of changes to those requests that are there and with which
// nobody else is busy, and returns how many that were.
func (k *Quarantine) change(as touch, hashes [][16]byte, one func(*pebble.Batch, [16]byte, *trace.Quarantined) error) (n int, err error) {
	if hashes = k.touch(as, hashes); len(hashes) == 0 {
		return 0, nil
	}
	size := int64(0)
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, hash := range hashes {
			delete(k.touched, hash)
		}
		if err == nil && as == dropping {
			k.count(-n, -size)
		}
	}()
	if err := k.store.Ready(); err != nil {
		return 0, err
	}
	b := k.store.db.NewBatch()
	defer b.Close()
	there := 0
	for _, hash := range hashes {
		q, err := k.get(hash)
		if errors.Is(err, trace.ErrNotFound) {
			continue
		} else if err != nil {
			return 0, err
		}
		there++
		size += weight(q)
		if err := one(b, hash, q); err != nil {
			return 0, err
		}
	}
	if err := k.commit(b); err != nil {
		return 0, err
	}
	return there, nil
}

// touch notes that something is being done to requests, and gives those with which
// nobody else is busy, each once.
func (k *Quarantine) touch(as touch, hashes [][16]byte) (free [][16]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, hash := range hashes {
		if k.touched[hash] == 0 && (as == refaulting || k.coming[hash] == nil) {
			k.touched[hash] = as
			free = append(free, hash)
		}
	}
	return free
}

// Expire removes the requests that came before a moment, and returns how many.
func (k *Quarantine) Expire(before time.Time) (n int, err error) {
	limit := trace.HLCAt(before.UnixMilli())
	for after := (*[16]byte)(nil); ; {
		items, err := k.Next(after, 1000)
		if err != nil || len(items) == 0 {
			return n, err
		}
		var old [][16]byte
		for i := range items {
			if items[i].Heard < limit {
				old = append(old, items[i].Hash)
			}
		}
		if len(old) > 0 {
			dropped, err := k.Drop(old...)
			if n += dropped; err != nil {
				return n, err
			}
		}
		after = &items[len(items)-1].Hash
	}
}

// commit writes a batch and waits until it is synced.
func (k *Quarantine) commit(b *pebble.Batch) error {
	s := k.store
	if b.Empty() {
		return nil
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := b.Commit(pebble.Sync); err != nil {
		s.fail(err)
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}

// WriteMetrics writes how much lies in quarantine, in Prometheus text form.
func (k *Quarantine) WriteMetrics(w io.Writer) {
	load, full := k.Load(), 0
	if load.Filling() {
		full = 1
	}
	fmt.Fprintf(w, "waytrace_quarantine_requests %d\nwaytrace_quarantine_bytes %d\nwaytrace_quarantine_limit_bytes %d\nwaytrace_quarantine_full %d\n",
		load.Requests, load.Bytes, load.Limit, full)
}

package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"path"
	"runtime"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A Bulk makes a new directory out of events: they are sorted, each waybill is folded
// once, and what comes out is written as tables that the database takes in at the end,
// all of them or none. Heads, events and references are what Append would have made of
// the same events in the same order; but they are history, and no news: the feed has none
// of them, so that no follower hears of them, and neither do other nodes.
//
//	b, err := store.OpenBulk(dir, store.Options{}, store.BulkOptions{})
//	defer b.Close()
//	facts.Judge(b.Now(), …)
//	err = b.Add(facts)
//	done, err := b.Finish(ctx)
//
//	Add ──▶ sorter of events ──▶ portions ──▶ tables, each by one goroutine ──▶ Ingest
//	                  Sorted ──────────────────▲      └─▶ sorter of references ──▲
type Bulk struct {
	store   *Store
	options BulkOptions
	pebble  *pebble.Options // of the database, for the form of the tables

	events, references *sorter

	refusing sync.Mutex

	mu     sync.Mutex
	tables []string // as they are called until they are taken in
	made   int      // names given out
	done   Imported
	heard  trace.HLC // the greatest reading in them
}

// BulkOptions are what a Bulk may take. The zero value works.
type BulkOptions struct {
	Memory int64 // bytes for sorting and for what is being written, about; 0 is 512 MiB

	// Refused hears of an event for which its waybill had no room, as it was given to
	// Add, borrowed until it returns; an error ends Finish. nil is one such error.
	Refused func(e *trace.Event) error
	// Progress hears of how many of the events that were added are in tables.
	Progress func(done, total uint64)
}

// An Imported says what a Bulk made.
type Imported struct {
	Waybills uint64
	Events   uint64 // stored
	Known    uint64 // copies of them: repeats, and what was united with them
	Refused  uint64 // for which their waybill had no room
}

const (
	defaultBulkMemory = 512 << 20
	mostPortion       = 64 << 20 // bytes of events that become one table
	mostBlock         = 1 << 20  // and of those that are handed on together
	progressEvery     = 1 << 14  // events
)

// OpenBulk begins a directory, which must not be there or be empty, and which holds
// nothing before Finish has ended. Nobody else may open it meanwhile.
func OpenBulk(dir string, o Options, b BulkOptions) (*Bulk, error) {
	o = o.withDefaults()
	if b.Memory <= 0 {
		b.Memory = defaultBulkMemory
	}
	if b.Refused == nil {
		b.Refused = func(e *trace.Event) error {
			return fmt.Errorf("waybill %s of %s has as many events, sources or references as it may: %w", e.Number, e.Carrier, trace.ErrInvalid)
		}
	}
	if b.Progress == nil {
		b.Progress = func(_, _ uint64) {}
	}
	if names, err := o.FS.List(dir); err == nil && len(names) > 0 {
		return nil, fmt.Errorf("%s is not empty: name a directory that is not there yet", dir)
	}
	bulk := &Bulk{options: b}
	s, err := openDatabase(dir, o, func(po *pebble.Options) { bulk.pebble = po })
	if err != nil {
		return nil, err
	}
	if err := s.birth(); err != nil {
		s.shut()
		return nil, err
	}
	bulk.store = s
	bulk.pebble.EnsureDefaults()
	bulk.events = newSorter(o.FS, path.Join(dir, "events"+bulkEnding), int(b.Memory/4))
	bulk.references = newSorter(o.FS, path.Join(dir, "references"+bulkEnding), int(b.Memory/8))
	return bulk, nil
}

// bulkEnding is that of files which mean nothing once their maker has gone.
const bulkEnding = ".dbtmp"

// Now is a reading of the clock of the node that the directory will be.
func (b *Bulk) Now() trace.HLC { return b.store.Now() }

// Add takes events in, which must have passed Check and been sealed; the facts are the
// caller's again when it returns. Those of one waybill count as heard in the order of
// their Item. An error is ErrInvalid for facts that a Bulk does not take: all but events,
// and events that name a leg or a code that nobody knows. It is safe for concurrent use.
func (b *Bulk) Add(facts *trace.Facts) error {
	if err := bulkable(facts); err != nil {
		return err
	}
	var key, value []byte
	for i := range facts.Events {
		e := &facts.Events[i]
		key = append(append(append(append(key[:0], e.Number...), 0), e.Carrier...), 0)
		key = binary.BigEndian.AppendUint64(key, uint64(e.Item))
		value = binary.BigEndian.AppendUint64(value[:0], uint64(e.At.Local))
		value = binary.BigEndian.AppendUint64(value, uint64(e.ID))
		value = binary.BigEndian.AppendUint64(value, e.Mark.Hash)
		value = binary.BigEndian.AppendUint64(value, e.Mark.Text)
		value = append(append(value, e.Mark.Fields), e.Value...)
		if err := b.events.add(key, value); err != nil {
			return err
		}
	}
	return nil
}

// bulkable refuses what needs more than its own waybill.
func bulkable(facts *trace.Facts) error {
	if len(facts.Lists)+len(facts.Legs)+len(facts.Records)+len(facts.Overrides) > 0 || facts.Judged {
		return fmt.Errorf("only events can be imported: %w", trace.ErrInvalid)
	}
	for i := range facts.Events {
		if e := &facts.Events[i]; e.Leg != (trace.LegTo{}) || e.Unmapped {
			return fmt.Errorf("event %s of waybill %s names a leg or an unknown code, and must be pushed: %w", e.ID, e.Number, trace.ErrInvalid)
		}
	}
	return nil
}

// readBulk reads what Add wrote. number and carrier are strings of theirs where they
// are the same.
func readBulk(e *trace.Event, key, value []byte, last trace.Waybill) error {
	const lengths = 8 + 8 + 8 + 8 + 1
	w, order := key[:len(key)-8], key[len(key)-8:]
	number := w[:slices.Index(w, 0)]
	carrier := w[len(number)+1 : len(w)-1]
	if last.Number != string(number) || last.Carrier != string(carrier) {
		last = trace.Waybill{Number: string(number), Carrier: string(carrier)}
	}
	n := func(at int) uint64 { return binary.BigEndian.Uint64(value[at:]) }
	stored := value[lengths:]
	if err := trace.DecodeEvent(e, last, int64(n(0)), trace.ID(n(8)), stored); err != nil {
		return err
	}
	e.Value, e.Item = stored, int(binary.BigEndian.Uint64(order))
	e.Mark = trace.Mark{Table: e.Table, Fields: value[lengths-1], Hash: n(16), Text: n(24)}
	return nil
}

// Sorted makes a table at once of events that are in order already: next fills facts
// with all of one waybill, in the order that they count as heard, and is called until it
// says that there are no more. Values may lie in the memory of facts; texts may not, for
// they are in use until the number has ended. Numbers ascend, carriers within a number too, and those of
// one call are all before or all behind those of another, and of what was added. It is
// safe for concurrent use; the errors are next's and Add's.
func (b *Bulk) Sorted(ctx context.Context, next func(*trace.Facts) (more bool, err error)) error {
	return b.table(func(t *bulkTable) error {
		var facts trace.Facts
		for ctx.Err() == nil {
			facts.Reset()
			more, err := next(&facts)
			if err != nil || !more {
				return err
			}
			if err := bulkable(&facts); err != nil {
				return err
			}
			if err := t.take(&facts); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// Finish makes tables of all that was added and gives them to the database: when it
// returns, the directory is whole and synced. It is called once, and Close behind it.
func (b *Bulk) Finish(ctx context.Context) (Imported, error) {
	err := b.sortEvents(ctx)
	if err == nil {
		err = b.sortReferences(ctx)
	}
	if err == nil {
		err = b.about()
	}
	if err != nil {
		return Imported{}, err
	}
	// What birth wrote is out of the way then, and all tables come at once.
	if err = b.store.db.Flush(); err == nil {
		err = b.store.db.Ingest(ctx, b.tables)
	}
	if err != nil {
		return Imported{}, fmt.Errorf("%s: the tables could not be taken in: %w", b.store.dir, err)
	}
	return b.done, nil
}

// Close gives the directory up. Without a Finish that succeeded it is that of a new node
// which has heard nothing, and files that mean nothing lie in it.
func (b *Bulk) Close() error {
	err := b.events.close()
	if e := b.references.close(); err == nil {
		err = e
	}
	if e := b.store.shut(); err == nil {
		err = e
	}
	return err
}

// A portion is a part of the sorted events, in blocks of whole pairs, that becomes one
// table. It holds a whole one, so that who sorts seldom waits for who writes.
type portion chan []byte

// sortEvents makes tables of what was added.
func (b *Bulk) sortEvents(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	writers := runtime.GOMAXPROCS(0)
	size := int(min(mostPortion, max(1, b.options.Memory/4/int64(writers+2))))
	portions := make(chan portion, 1)
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for s := range portions {
				if err := b.table(func(t *bulkTable) error { return t.takeBlocks(ctx, s) }); err != nil {
					stop(err)
				}
			}
		})
	}
	err := b.cut(ctx, portions, size)
	if err != nil {
		stop(err)
	}
	close(portions)
	writing.Wait()
	return context.Cause(ctx)
}

// cut sorts the events and hands them out in portions of about size bytes, each of which
// ends with a number.
func (b *Bulk) cut(ctx context.Context, portions chan<- portion, size int) error {
	blockSize := max(1, min(mostBlock, size/4))
	var (
		now    portion // nil between two
		number []byte
		block  []byte
		length int // of now
		done   uint64
	)
	total := b.events.count()
	hand := func() error {
		if len(block) == 0 {
			return nil
		}
		if now == nil {
			now = make(portion, size/blockSize+1)
			select {
			case portions <- now:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		select {
		case now <- block:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		block = nil
		return nil
	}
	end := func() error {
		err := hand()
		if now != nil {
			close(now)
			now, length = nil, 0
		}
		return err
	}
	err := b.events.merge(ctx, func(key, value []byte) error {
		of := key[:slices.Index(key, 0)]
		if length >= size && string(of) != string(number) {
			if err := end(); err != nil {
				return err
			}
		}
		number = append(number[:0], of...)
		if block == nil {
			block = make([]byte, 0, blockSize+len(key)+len(value)+2*binary.MaxVarintLen64)
		}
		before := len(block)
		block = appendPair(block, key, value)
		length += len(block) - before
		if done++; done%progressEvery == 0 || done == total {
			b.options.Progress(done, total)
		}
		if len(block) >= blockSize {
			return hand()
		}
		return nil
	})
	if err != nil {
		if now != nil {
			close(now)
		}
		return err
	}
	return end()
}

// sortReferences makes tables of the references that the events named.
func (b *Bulk) sortReferences(ctx context.Context) error {
	var t *tableFile
	var last []byte
	err := b.references.merge(ctx, func(key, _ []byte) (err error) {
		if string(key) == string(last) {
			return nil
		}
		if t != nil && t.size >= mostPortion {
			if err := t.close(); err != nil {
				return err
			}
			t = nil
		}
		if t == nil {
			if t, err = b.create(); err != nil {
				return err
			}
		}
		last = append(last[:0], key...)
		return t.set(key, nil)
	})
	if t != nil {
		if e := t.close(); err == nil {
			err = e
		}
	}
	return err
}

// about makes the table of what the directory knows about itself beyond what a new one
// does. The clock is reserved ahead, as the writer does it.
func (b *Bulk) about() error {
	t, err := b.create()
	if err != nil {
		return err
	}
	next := b.store.next
	next.waybills = b.done.Waybills
	reserved := trace.HLCAt(max(b.heard, b.store.Now()).Milli() + reserveAhead.Milliseconds())
	err = t.set(keys.Meta(nil, metaClock), binary.BigEndian.AppendUint64(nil, uint64(reserved)))
	if err == nil {
		err = t.set(keys.Meta(nil, metaNext), next.append(nil))
	}
	if e := t.close(); err == nil {
		err = e
	}
	return err
}

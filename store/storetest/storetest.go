// Package storetest runs stores on disks in memory for the tests of other rooms: nodes
// whose power can be cut at any moment.
//
//	n := storetest.New(t, seed)
//	facts, err := n.Push(func(f *trace.Facts) { facttest.Load(f, rng) })
//	n.Crash(20)           // a fifth of what was not synced survives
//	dump := n.Dump()      // alike on all nodes with the same facts
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store"
	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// dir is where the store lies on its disk.
const dir = "data"

// A Node is a store that can crash. Its methods are safe for concurrent use, and fail
// the test where the store fails for another reason than a crash.
type Node struct {
	t     testing.TB
	ahead atomic.Int64 // of the clock, milliseconds

	mu   sync.RWMutex // held for writing while the power is cut
	rng  *rand.Rand
	disk *vfs.MemFS
	life *life

	dying sync.WaitGroup // stores that were left behind
}

// A life is one start of a node.
type life struct {
	store  *store.Store
	outbox *store.Outbox
}

// New starts a node on an empty disk. seed decides what a crash leaves.
func New(t testing.TB, seed uint64) *Node {
	n := &Node{t: t, rng: rand.New(rand.NewPCG(seed, 5)), disk: vfs.NewCrashableMem()}
	n.start()
	t.Cleanup(func() {
		n.Close()
		n.dying.Wait()
	})
	return n
}

// start opens the directory, for whoever holds mu or has n alone.
func (n *Node) start() {
	s, err := store.Open(dir, n.options())
	if err != nil {
		n.t.Fatal(err)
	}
	o, err := s.OpenOutbox()
	if err != nil {
		n.t.Fatal(err)
	}
	n.life = &life{s, o}
}

func (n *Node) options() store.Options {
	return store.Options{FS: n.disk, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		CacheSize: 4 << 20, MemTableSize: 512 << 10,
		Wall: func() int64 { return time.Now().UnixMilli() + n.ahead.Load() }}
}

// Pass moves the node's clock ahead.
func (n *Node) Pass(d time.Duration) { n.ahead.Add(d.Milliseconds()) }

// Store is the store as it runs now. What it answers after a crash may be lost.
func (n *Node) Store() *store.Store {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.life.store
}

// Outbox is the outbox of the store that runs now. After a crash it gives nothing out.
func (n *Node) Outbox() *Outbox {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return &Outbox{n.life.outbox, n, n.life}
}

// An Outbox ends with the start of the node that it is of: a process that has died ships
// nothing more.
type Outbox struct {
	*store.Outbox
	node *Node
	life *life
}

// Next is the store's. After a crash it is ErrUnavailable.
func (o *Outbox) Next(partition uint16, records, bytes int) (trace.Load, error) {
	load, err := o.Outbox.Next(partition, records, bytes)
	o.node.mu.RLock()
	defer o.node.mu.RUnlock()
	if o.node.life != o.life {
		return trace.Load{}, errCrashed
	}
	return load, err
}

var errCrashed = fmt.Errorf("the node has crashed: %w", trace.ErrUnavailable)

// Push appends the facts that fill gives, judged as ingest does. The error is
// ErrUnavailable where the node crashed before they were acknowledged.
func (n *Node) Push(fill func(*trace.Facts)) (*trace.Facts, error) {
	n.mu.RLock()
	at := n.life
	n.mu.RUnlock()
	facts := &trace.Facts{}
	fill(facts)
	facts.Judge(at.store.Now(), at.store.Now, func(field string) string { return field })
	if len(facts.Faults) > 0 {
		n.t.Errorf("these facts do not pass: %v", facts.Faults)
	}
	_, err := at.store.Append(context.Background(), facts)
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.life != at {
		return facts, errCrashed
	}
	if err != nil {
		n.t.Errorf("push: %v", err)
	}
	return facts, err
}

// Crash cuts the power and starts the node again from what that left on its disk: all
// that was synced, and of the rest so many blocks in a hundred. Whoever is at the store
// goes on with a ghost of it, whose acknowledgements mean nothing.
func (n *Node) Crash(percentKept int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ghost := n.life
	n.disk = n.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percentKept, RNG: n.rng})
	n.start()
	n.dying.Go(func() {
		ghost.outbox.Close()
		ghost.store.Close()
	})
}

// Restart stops the node in order and starts it again. Nobody may be at it meanwhile.
func (n *Node) Restart() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stop()
	n.start()
}

// Copy starts another node on a copy of this one's disk, under the same id.
func (n *Node) Copy(seed uint64) *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &Node{t: n.t, rng: rand.New(rand.NewPCG(seed, 5))}
	c.disk = n.disk.CrashClone(vfs.CrashCloneCfg{})
	c.ahead.Store(n.ahead.Load())
	c.start()
	n.t.Cleanup(func() {
		c.Close()
		c.dying.Wait()
	})
	return c
}

// Rebirth stops the node, gives it a new id and starts it again.
func (n *Node) Rebirth() store.Reborn {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stop()
	r, err := store.Rebirth(dir, n.options())
	if err != nil {
		n.t.Fatal(err)
	}
	n.start()
	return r
}

// Close stops the node in order. It may be called again.
func (n *Node) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stop()
}

func (n *Node) stop() {
	n.life.outbox.Close()
	if err := n.life.store.Close(); err != nil {
		n.t.Error(err)
	}
}

// Dump is what all nodes with the same facts have alike; see facttest.Dump. Nobody may
// be at the node meanwhile.
func (n *Node) Dump() (dump string) {
	n.t.Helper()
	n.raw(func(scan facttest.Scanner) (err error) {
		dump, err = facttest.Dump(scan)
		return err
	})
	return dump
}

// Disagreement says what in the node's directory does not fit the rest, nil where
// nothing does not. Its feed must be whole, and nobody may be at the node.
func (n *Node) Disagreement() (disagreement error) {
	n.t.Helper()
	n.raw(func(scan facttest.Scanner) error {
		_, disagreement = facttest.Disagreement(scan)
		return nil
	})
	return disagreement
}

// raw reads a copy of the directory past the store.
func (n *Node) raw(read func(facttest.Scanner) error) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	// A name used once may come back with the disk of a crash.
	name := fmt.Sprint("dump-", dumps.Add(1))
	if err := n.life.store.Checkpoint(name); err != nil {
		n.t.Fatal(err)
	}
	defer n.disk.RemoveAll(name)
	db, err := pebble.Open(name, &pebble.Options{FS: n.disk, Comparer: comparer, ReadOnly: true, FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
	if err != nil {
		n.t.Fatal(err)
	}
	defer db.Close()
	err = read(func(prefix []byte, take func(key, value []byte) (bool, error)) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix)})
		if err != nil {
			return err
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			if more, err := take(it.Key(), it.Value()); err != nil || !more {
				return err
			}
		}
		return it.Error()
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

var dumps atomic.Int64

// comparer is the store's, as far as reading needs it.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name, c.Split, c.Compare = "waytrace.3", keys.Split, bytes.Compare
	return &c
}()

// silent is a database that says nothing.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

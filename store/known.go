package store

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
)

// known is a Bloom filter of all numbers that have a head: what is not in it is not in
// the database either, once it is complete. It answers those who ask too early or
// guess, and tells the writer which parcels are new, both without a look at the disk.
//
// It begins empty and is filled by a scan behind the daemon's back, while the writer
// adds what is new; until the scan is through it knows nothing.
//
// The writer and the scan add, everybody asks.
type known struct {
	complete atomic.Bool
	layers   atomic.Pointer[[]*layer] // each twice as large as the one before; the last is added to

	adding sync.Mutex
	count  int64 // in the last layer
}

// A layer is a filter of a fixed size: blocks of a cache line, of which a number has
// one, and in it bitsEach bits.
type layer struct {
	blocks   [][blockWords]atomic.Uint64
	capacity int64
}

const (
	blockWords   = 8
	bitsOfBlock  = 64 * blockWords
	bitsOfNumber = 12 // of memory: a strange number is taken for a known one once in 200 times
	bitsEach     = 6
	leastKnown   = 1 << 22 // 6 MiB: most nodes never have a second layer, in which each number would be looked for, too
)

func newLayer(capacity int64) *layer {
	blocks := (capacity*bitsOfNumber + bitsOfBlock - 1) / bitsOfBlock
	return &layer{make([][blockWords]atomic.Uint64, blocks), capacity}
}

// start makes room for n numbers, and as many again.
func (k *known) start(n uint64) { k.room(max(2*int64(n), leastKnown)) }

func (k *known) room(capacity int64) {
	k.layers.Store(&[]*layer{newLayer(capacity)})
}

// block is the one that a number's bits are in.
func (l *layer) block(hash uint64) *[blockWords]atomic.Uint64 {
	return &l.blocks[(hash>>32)*uint64(len(l.blocks))>>32]
}

// bitsOf are where a number's bits stand in its block, nine bits each.
func bitsOf(hash uint64) uint64 { return hash * 0x9E3779B97F4A7C15 >> 10 }

// add adds a number.
func (k *known) add(hash uint64) {
	k.adding.Lock()
	defer k.adding.Unlock()
	if k.has(hash) {
		return // of another carrier, too; or one that looks the same
	}
	layers := *k.layers.Load()
	last := layers[len(layers)-1]
	if k.count++; k.count > last.capacity {
		last = newLayer(2 * last.capacity)
		grown := append(layers[:len(layers):len(layers)], last) // not layers: its address would cost memory each time
		k.layers.Store(&grown)
		k.count = 1
	}
	block, at := last.block(hash), bitsOf(hash)
	for range bitsEach {
		block[at>>6%blockWords].Or(1 << (at & 63))
		at >>= 9
	}
}

// has reports whether a number was added, or looks like one that was.
func (k *known) has(hash uint64) bool {
	layers := *k.layers.Load()
next:
	for i := len(layers) - 1; i >= 0; i-- {
		block, at := layers[i].block(hash), bitsOf(hash)
		for range bitsEach {
			if block[at>>6%blockWords].Load()>>(at&63)&1 == 0 {
				continue next
			}
			at >>= 9
		}
		return true
	}
	return false
}

// lacks reports whether there is certainly no head of a number.
func (k *known) lacks(hash uint64) bool { return k.complete.Load() && !k.has(hash) }

// Lacks reports whether there is certainly nothing of a number. It says false while the
// store has not yet seen all that it has after opening, and of one number in 200 that is
// not known. number is canonical, and borrowed.
func (s *Store) Lacks(number string) bool { return s.known.lacks(s.stamps.hash(number)) }

// learn adds all numbers that are in the database, a stretch at a time and resting as
// long as it works, until it is through or the store closes. Where the table of heads
// has room it puts in what it passes.
func (s *Store) learn() {
	defer close(s.learned)
	const stretch = 1 << 14
	from := []byte{keys.KindWaybill}
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-rest.C:
		}
		began := time.Now()
		more, err := s.learnFrom(&from, stretch)
		if err != nil {
			s.log.Warn("store: the filter of known numbers is not filled, unknown ones take longer", "err", err)
			return
		}
		if !more {
			s.known.complete.Store(true)
			return
		}
		rest.Reset(time.Since(began))
	}
}

// learnFrom adds so many numbers, and moves from behind them; more is false where
// there are no others.
func (s *Store) learnFrom(from *[]byte, most int) (more bool, err error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	// A number whose stamp has moved since may have another head than the iterator has.
	before := s.stamps.all()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: *from, UpperBound: keys.End(nil, []byte{keys.KindWaybill})})
	if err != nil {
		return false, err
	}
	defer it.Close()
	var number string
	var list []byte
	seen, full := 0, s.heads.ring == nil
	keep := func() {
		if len(list) == 0 || full {
			return
		}
		hash := s.stamps.hash(number)
		full = s.heads.ring.fill(hash, number, list, func() bool { return s.stamps.same(hash, before) })
	}
	for ok := it.First(); ok; {
		k, err := keys.Parse(it.Key())
		if err != nil {
			return false, err
		}
		if k.IsEvent { // past all events of the number
			ok = it.NextPrefix()
			continue
		}
		if k.Waybill.Number != number {
			keep()
			if seen == most {
				*from = append((*from)[:0], it.Key()...)
				return true, it.Error()
			}
			number, list = k.Waybill.Number, list[:0]
			s.known.add(s.stamps.hash(number))
			seen++
		}
		if !full {
			value, err := it.ValueAndErr()
			if err != nil {
				return false, err
			}
			list = appendHead(list, k.Waybill.Carrier, value)
		}
		ok = it.Next()
	}
	keep()
	return false, it.Error()
}

package query

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/trace"
)

// A Cache keeps rendered answers, each under the stamp that its number had when it was
// read; see Store.Stamp for what that is worth. Nobody tells it of changes: an answer
// whose stamp is no longer its number's is not given, and goes when its turn comes.
//
// It lies outside the Go heap, in shards, each a ring of entries and an index:
//
//	         tail                    head
//	ring  ────┬───────┬───────┬───────┬────     the oldest goes first; one that was asked
//	          │ entry │ entry │ entry │  free   for since it was written goes round again
//	      ────┴───────┴───────┴───────┴────
//	                   ▲
//	index  · · [hash, place] · [hash, place] ·  open addressing, 8 bytes a slot
//
// What the index does not point at is dead, and is passed over when the tail comes by.
// Bodies are copied out under the shard's lock, so that any entry may go at any time.
//
// Of what a read of any number takes, most is waiting for memory that nobody has touched
// for long: a slot, then the entry. So the processor is told of each as soon as it is
// known where it is (prefetch), and a slot says how long its entry is.
type Cache struct {
	seed   maphash.Seed
	shards []shard
}

// A shard has its lines of the processor's cache to itself.
type shard struct {
	mu    sync.Mutex
	ring  []byte
	index []byte // slots of hash, steps and place+1, of 32, 7 and 25 bits; 0 is none

	head, tail, used int // within the ring, in bytes
	entries          int

	hits, misses, evicted uint64

	_ [64]byte
}

// An entry begins on a multiple of entryAlign and reads
//
//	size(4) hash(4) stamp(4) body's length(4) key's length(1) asked(1) tag(20) key body
//
// in the processor's likely order of bytes. The body begins on such a multiple again,
// from where it is copied several times as fast as from elsewhere. One without a body
// knows the tag alone. What is left over at the ring's end has a size and nothing more.
const (
	entryAlign = 8

	atSize  = 0
	atHash  = 4
	atStamp = 8
	atBody  = 12
	atKey   = 16
	atAsked = 17
	atTag   = 18
	atRest  = atTag + tagSize

	maxKey  = 120       // bytes of a key
	maxKept = 64 << 10  // bytes of a body; a parcel with more scans than that is seldom asked for
	perSlot = 256       // bytes of ring behind one slot of the index; a status takes some 400
	leastOf = 256 << 10 // bytes of a shard

	// maxAgain is how many entries may go round again to make room for one: whoever fills
	// does not pay for all that others asked for.
	maxAgain = 8

	slotSize  = 8
	placeBits = 25 // so that a shard has up to 256 MiB
	mostSteps = 1<<(32-placeBits) - 1
	stepSize  = 512 // bytes; see prefetch
	mostOf    = 1 << placeBits * entryAlign
)

var order = binary.LittleEndian

// NewCache makes a cache that takes size bytes of memory at most, once it is full. For
// less than 256 KiB it makes none: nil is a cache that keeps nothing.
func NewCache(size int64) *Cache {
	if size < leastOf {
		return nil
	}
	const most = 256 // shards
	n := 1
	for n < most && int64(n)*2*leastOf <= size || size/int64(n) > mostOf {
		n *= 2
	}
	each := int(size) / n &^ 4095
	slots := 1 << bits.Len(uint(each/perSlot-1))
	c := &Cache{seed: maphash.MakeSeed(), shards: make([]shard, n)}
	memory := reserve(&c.shards[0], n*each)
	for i := range c.shards {
		s := &c.shards[i]
		of := memory[i*each : (i+1)*each : (i+1)*each]
		s.index, s.ring = of[:slots*slotSize:slots*slotSize], of[slots*slotSize:]
	}
	shown.Store(c)
	return c
}

// A key is what an answer is kept under: which door, language, whose references, number.
type key struct {
	text [maxKey]byte
	n    int // 0 is no key
	hash uint64
}

// set makes the key of a number's plain variant; false where it would be too long.
func (k *key) set(c *Cache, v *trace.Variant, number string) bool {
	if 2+len(v.Account)+len(number) > len(k.text) {
		return false
	}
	b := append(k.text[:0], byte(v.Lang)<<1, byte(len(v.Account)))
	if v.Events {
		b[0] |= 1
	}
	k.n = len(append(append(b, v.Account...), number...))
	k.hash = maphash.Bytes(c.seed, k.bytes())
	s := c.shard(k)
	prefetch(&s.index[k.short()&s.mask()*slotSize], 1)
	return true
}

func (k *key) bytes() []byte { return k.text[:k.n] }

func (c *Cache) shard(k *key) *shard { return &c.shards[int(k.hash)&(len(c.shards)-1)] }

// tag gives the tag that is kept under a key and a stamp.
func (c *Cache) tag(k *key, stamp uint32) (tag [tagSize]byte, ok bool) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(k, false)
	if e == nil || order.Uint32(e[atStamp:]) != stamp {
		s.misses++
		return tag, false
	}
	s.hits++
	touch(e)
	return [tagSize]byte(e[atTag:]), true
}

// get appends the body that is kept under a key and a stamp to dst, and gives its tag.
func (c *Cache) get(dst []byte, k *key, stamp uint32) (body []byte, tag [tagSize]byte, ok bool) {
	s := c.shard(k)
	s.mu.Lock()
	e := s.find(k, true)
	if e == nil || order.Uint32(e[atStamp:]) != stamp || order.Uint32(e[atBody:]) == 0 {
		s.misses++
		s.mu.Unlock()
		return dst, tag, false
	}
	s.hits++
	touch(e)
	from := aligned(atRest + int(e[atKey]))
	dst = append(dst, e[from:from+int(order.Uint32(e[atBody:]))]...)
	tag = [tagSize]byte(e[atTag:])
	s.mu.Unlock()
	return dst, tag, true
}

// put keeps a body and its tag under a key and a stamp; without a body, the tag alone.
func (c *Cache) put(k *key, stamp uint32, tag, body []byte) {
	s := c.shard(k)
	from := aligned(atRest + k.n)
	size := aligned(from + len(body))
	if len(tag) != tagSize || len(body) > maxKept || size > len(s.ring)/4 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(k, false); e != nil {
		if order.Uint32(e[atStamp:]) == stamp && (len(body) == 0 || order.Uint32(e[atBody:]) > 0) {
			return // somebody else was faster
		}
		s.forget(s.slotOf(e))
	}
	e := s.room(size)
	order.PutUint32(e[atSize:], uint32(size))
	order.PutUint32(e[atHash:], k.short())
	order.PutUint32(e[atStamp:], stamp)
	order.PutUint32(e[atBody:], uint32(len(body)))
	e[atKey], e[atAsked] = byte(k.n), 0
	copy(e[atTag:], tag)
	copy(e[atRest:], k.bytes())
	copy(e[from:], body)
	s.remember(e)
}

// expect tells the processor that the answer under a key will be asked for soon.
func (c *Cache) expect(k *key) {
	if k.n == 0 {
		return
	}
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	mask, short := s.mask(), k.short()
	for i := short & mask; ; i = (i + 1) & mask {
		switch hash, place, steps := s.slot(i); {
		case place == none:
			return
		case hash == short:
			prefetch(&s.ring[place], steps)
			return
		}
	}
}

func aligned(n int) int { return (n + entryAlign - 1) &^ (entryAlign - 1) }

// short is the hash that the index has.
func (k *key) short() uint32 { return uint32(k.hash >> 32) }

// touch notes that an entry was asked for.
func touch(e []byte) {
	if e[atAsked] == 0 { // what is not written to stays in the other processors' caches
		e[atAsked] = 1
	}
}

// mask makes a slot's number out of any.
func (s *shard) mask() uint32 { return uint32(len(s.index)/slotSize - 1) }

func (s *shard) slot(i uint32) (hash uint32, place, steps int) {
	v := order.Uint64(s.index[i*slotSize:])
	at := uint32(v)
	return uint32(v >> 32), (int(at&(1<<placeBits-1)) - 1) * entryAlign, int(at >> placeBits)
}

// none is the place of an empty slot.
const none = -entryAlign

// find gives the entry of a key, or nil; of its body more will be read where whole is true.
func (s *shard) find(k *key, whole bool) []byte {
	mask, short := s.mask(), k.short()
	for i := short & mask; ; i = (i + 1) & mask {
		hash, place, steps := s.slot(i)
		if place == none {
			return nil
		}
		if hash != short {
			continue
		}
		e := s.ring[place:]
		if whole {
			prefetch(&e[0], steps)
		}
		if n := int(e[atKey]); bytes.Equal(e[atRest:atRest+n], k.bytes()) {
			return e
		}
	}
}

// place is where an entry begins.
func (s *shard) place(e []byte) int { return cap(s.ring) - cap(e) }

// slotOf gives the slot that points at an entry; ok is false where none does, because it
// is dead.
func (s *shard) slotOf(e []byte) (slot uint32, ok bool) {
	mask, hash, at := s.mask(), order.Uint32(e[atHash:]), s.place(e)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch _, place, _ := s.slot(i); place {
		case at:
			return i, true
		case none:
			return 0, false
		}
	}
}

// remember lets the index point at an entry.
func (s *shard) remember(e []byte) {
	mask, hash := s.mask(), order.Uint32(e[atHash:])
	i := hash & mask
	for {
		if _, place, _ := s.slot(i); place == none {
			break
		}
		i = (i + 1) & mask
	}
	s.point(i, e)
	s.entries++
}

func (s *shard) point(slot uint32, e []byte) {
	steps := min((int(order.Uint32(e[atSize:]))+stepSize-1)/stepSize, mostSteps)
	order.PutUint64(s.index[slot*slotSize:], uint64(order.Uint32(e[atHash:]))<<32|uint64(steps)<<placeBits|uint64(s.place(e)/entryAlign+1))
}

// forget empties a slot and moves those behind it up, so that no search stops short of
// them.
func (s *shard) forget(slot uint32, ok bool) {
	if !ok {
		return
	}
	mask := s.mask()
	for i := (slot + 1) & mask; ; i = (i + 1) & mask {
		hash, place, _ := s.slot(i)
		if place == none {
			break
		}
		if (i-hash&mask)&mask >= (i-slot)&mask { // its search begins at the empty one or before
			copy(s.index[slot*slotSize:][:slotSize], s.index[i*slotSize:][:slotSize])
			slot = i
		}
	}
	clear(s.index[slot*slotSize:][:slotSize])
	s.entries--
}

// room makes room for an entry of some size, and gives it.
func (s *shard) room(size int) []byte {
	again := maxAgain
	for {
		if s.entries < len(s.index)/slotSize*3/4 {
			if e := s.take(size); e != nil {
				return e
			}
		}
		if s.drop(again > 0) {
			again--
		}
	}
}

// take takes room at the head, in one piece; nil where there is too little.
func (s *shard) take(size int) []byte {
	if s.used == 0 {
		s.head, s.tail = 0, 0
	}
	if end := len(s.ring) - s.head; s.head >= s.tail && s.used < len(s.ring) && end < size {
		left := s.ring[s.head:]
		order.PutUint32(left[atSize:], uint32(end))
		order.PutUint32(left[atHash:], 0)
		s.head, s.used = 0, s.used+end
	}
	free := s.tail - s.head
	if s.head >= s.tail {
		free = len(s.ring) - s.head
	}
	if s.used == len(s.ring) || free < size {
		return nil
	}
	e := s.ring[s.head:]
	s.used += size
	if s.head += size; s.head == len(s.ring) {
		s.head = 0
	}
	return e
}

// drop drops the entry at the tail. One that was asked for since it was written goes to
// the head instead, where it may, and again is true.
func (s *shard) drop(may bool) (again bool) {
	e := s.ring[s.tail:]
	size := int(order.Uint32(e[atSize:]))
	slot, alive := s.slotOf(e)
	s.used -= size
	if s.tail += size; s.tail == len(s.ring) {
		s.tail = 0
	}
	if !alive {
		return false
	}
	if may && e[atAsked] != 0 {
		// There is room: its own, if nothing else. The two may overlap.
		to := s.take(size)
		copy(to[:size], e[:size])
		to[atAsked] = 0
		s.point(slot, to)
		return true
	}
	s.forget(slot, true)
	s.evicted++
	return false
}

// shown is the cache that the metrics tell of: the newest, of which a daemon has one.
var shown atomic.Pointer[Cache]

func init() { metrics.RegisterMetricsWriter(func(w io.Writer) { shown.Load().writeMetrics(w) }) }

// writeMetrics writes the cache's figures in Prometheus text form; without a cache none.
func (c *Cache) writeMetrics(w io.Writer) {
	if c == nil {
		return
	}
	var hits, misses, evicted, entries, used uint64
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		hits, misses, evicted = hits+s.hits, misses+s.misses, evicted+s.evicted
		entries, used = entries+uint64(s.entries), used+uint64(s.used)
		s.mu.Unlock()
	}
	metrics.WriteCounterUint64(w, "waytrace_query_cache_hits_total", hits)
	metrics.WriteCounterUint64(w, "waytrace_query_cache_misses_total", misses)
	metrics.WriteCounterUint64(w, "waytrace_query_cache_evicted_total", evicted)
	metrics.WriteGaugeUint64(w, "waytrace_query_cache_entries", entries)
	metrics.WriteGaugeUint64(w, "waytrace_query_cache_bytes", used)
}

package store

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// A ring keeps values by key in a fixed amount of memory outside the Go heap, where the
// collector does not look and growth costs nothing before it is used. What was put
// in first goes first, unless it was asked for meanwhile: that is moved on once.
//
// Values of any size lie one behind the other, so that memory is never bound to a
// size that nobody uses any more. Each shard has its own ring, index and lock.
type ring struct {
	shards [ringShards]ringShard
}

const ringShards = 64

// A ringShard is a log of records whose end is overwritten by its beginning.
//
//	record: hash(8) size(4) key length(2) asked(1) 0(1) key value, up to a multiple of 8
//
// A record that lies at the end of the memory and would not fit is begun anew at the
// front; a size of 0 says so.
type ringShard struct {
	mu    sync.Mutex
	mem   []byte
	head  int      // where the next record goes
	tail  int      // the oldest record
	used  int      // bytes between, with what is skipped at the end
	index []uint64 // open addressing: tag(24) of the hash, place/8+1 (40); 0 is free
	n     int      // in the index
	keep  []byte   // of what is moved on
}

const (
	recordHead = 16
	leastIndex = 1 << 6
	// moveOn is how many records that were asked for one put moves on at most.
	moveOn = 4
)

// newRing makes a ring of so many bytes, index and all.
func newRing(bytes int64) (*ring, error) {
	r := new(ring)
	for i := range r.shards {
		// The rest is the index's, which takes up to an eighth of what the records take.
		mem, err := reserve(int(bytes / ringShards * 8 / 9 &^ 7))
		if err != nil {
			r.free()
			return nil, err
		}
		r.shards[i].mem = mem
	}
	return r, nil
}

// free gives the memory back. Nobody may use the ring any more.
func (r *ring) free() {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		giveBack(s.mem)
		s.mem, s.index, s.n, s.used = nil, nil, 0, 0
		s.mu.Unlock()
	}
}

func (r *ring) shard(hash uint64) *ringShard {
	return &r.shards[hash>>(64-bits.TrailingZeros(ringShards))]
}

// get appends the value of a key to dst.
func (r *ring) get(dst []byte, hash uint64, key string) (value []byte, ok bool) {
	s := r.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.find(hash, key)
	if slot < 0 {
		return dst, false
	}
	at := placeOf(s.index[slot])
	s.mem[at+14] = 1
	return append(dst, s.value(at)...), true
}

// put sets the value of a key. One that is too large for a ring of this size is
// dropped, with what the key had before.
func (r *ring) put(hash uint64, key string, value []byte) {
	s := r.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := s.find(hash, key); slot >= 0 {
		at := placeOf(s.index[slot])
		if recordSize(len(key), len(value)) == recordSize(len(key), len(s.value(at))) {
			copy(s.mem[at+recordHead+len(key):], value)
			binary.LittleEndian.PutUint32(s.mem[at+8:], uint32(recordHead+len(key)+len(value)))
			s.mem[at+14] = 1
			return
		}
		s.remove(slot)
	}
	s.append(hash, key, value)
}

// fill sets the value of a key that has none, unless may says no: it is asked under the
// key's lock. Nothing that is there makes room for it; full reports that there was none.
func (r *ring) fill(hash uint64, key string, value []byte, may func() bool) (full bool) {
	s := r.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full(recordSize(len(key), len(value))) {
		return true
	}
	if s.find(hash, key) < 0 && may() {
		s.append(hash, key, value)
	}
	return false
}

// drop forgets a key.
func (r *ring) drop(hash uint64, key string) {
	s := r.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := s.find(hash, key); slot >= 0 {
		s.remove(slot)
	}
}

// bytes are how many are in use, and n how many values there are.
func (r *ring) size() (bytes int64, n int) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		bytes += int64(s.used + 8*len(s.index))
		n += s.n
		s.mu.Unlock()
	}
	return bytes, n
}

func recordSize(key, value int) int { return (recordHead + key + value + 7) &^ 7 }

func placeOf(slot uint64) int { return int(slot&(1<<40-1)-1) << 3 }

func slotOf(hash uint64, at int) uint64 { return hash<<40 | uint64(at>>3+1) }

func (s *ringShard) hashAt(at int) uint64 { return binary.LittleEndian.Uint64(s.mem[at:]) }

// sizeAt is how long a record is without what fills it up; 0 where the rest of the memory is unused.
func (s *ringShard) sizeAt(at int) int { return int(binary.LittleEndian.Uint32(s.mem[at+8:])) }

func (s *ringShard) keyAt(at int) []byte {
	n := int(binary.LittleEndian.Uint16(s.mem[at+12:]))
	return s.mem[at+recordHead : at+recordHead+n]
}

func (s *ringShard) value(at int) []byte {
	return s.mem[at+recordHead+len(s.keyAt(at)) : at+s.sizeAt(at)]
}

// home is where the search for a hash begins. The low bits are the tag, the highest the shard.
func (s *ringShard) home(hash uint64) int { return int(hash >> 24 & uint64(len(s.index)-1)) }

func (s *ringShard) find(hash uint64, key string) int {
	if s.n == 0 {
		return -1
	}
	for i := s.home(hash); s.index[i] != 0; i = (i + 1) & (len(s.index) - 1) {
		if s.index[i]>>40 == hash&(1<<24-1) {
			if at := placeOf(s.index[i]); s.hashAt(at) == hash && string(s.keyAt(at)) == key {
				return i
			}
		}
	}
	return -1
}

// slotAt is the slot of a record, -1 where the record was dropped or written anew.
func (s *ringShard) slotAt(at int) int {
	hash := s.hashAt(at)
	want := slotOf(hash, at)
	for i := s.home(hash); s.index[i] != 0; i = (i + 1) & (len(s.index) - 1) {
		if s.index[i] == want {
			return i
		}
	}
	return -1
}

// remove frees a slot, moving those behind it that would not be found any more.
func (s *ringShard) remove(slot int) {
	s.n--
	mask := len(s.index) - 1
	for i := (slot + 1) & mask; s.index[i] != 0; i = (i + 1) & mask {
		home := s.home(s.hashAt(placeOf(s.index[i])))
		if (i-home)&mask >= (i-slot)&mask {
			s.index[slot] = s.index[i]
			slot = i
		}
	}
	s.index[slot] = 0
}

// append writes a record behind the newest, over the oldest where there is no room.
func (s *ringShard) append(hash uint64, key string, value []byte) {
	size := recordSize(len(key), len(value))
	if size > len(s.mem)/4 || len(key) >= 1<<16 {
		return
	}
	moved := 0
	for s.full(size) {
		s.evict(moved < moveOn)
		moved++
	}
	for 4*(s.n+1) > 3*len(s.index) {
		if 2*8*len(s.index) > len(s.mem)/8 && len(s.index) >= leastIndex {
			s.evict(false)
		} else {
			s.grow()
		}
	}
	if rest := len(s.mem) - s.head; rest < size {
		if rest >= recordHead {
			binary.LittleEndian.PutUint32(s.mem[s.head+8:], 0)
		}
		s.used += rest
		s.head = 0
	}
	at := s.head
	binary.LittleEndian.PutUint64(s.mem[at:], hash)
	binary.LittleEndian.PutUint32(s.mem[at+8:], uint32(recordHead+len(key)+len(value)))
	binary.LittleEndian.PutUint16(s.mem[at+12:], uint16(len(key)))
	s.mem[at+14], s.mem[at+15] = 0, 0
	copy(s.mem[at+recordHead:], key)
	copy(s.mem[at+recordHead+len(key):], value)
	s.head += size
	s.used += size
	s.n++
	i := s.home(hash)
	for s.index[i] != 0 {
		i = (i + 1) & (len(s.index) - 1)
	}
	s.index[i] = slotOf(hash, at)
}

// full reports whether something must go before a record of this size has room.
func (s *ringShard) full(size int) bool {
	if rest := len(s.mem) - s.head; rest < size {
		size += rest // which is skipped
	}
	return s.used+size > len(s.mem)
}

// evict takes away the oldest record. One that is in use and was asked for goes to the
// front again, where there is room.
func (s *ringShard) evict(again bool) {
	at := s.tail
	if len(s.mem)-at < recordHead || s.sizeAt(at) == 0 {
		s.used -= len(s.mem) - at
		s.tail = 0
		return
	}
	size := s.sizeAt(at)
	key := len(s.keyAt(at))
	whole := recordSize(key, size-recordHead-key)
	slot := s.slotAt(at)
	again = again && slot >= 0 && s.mem[at+14] != 0
	hash := s.hashAt(at)
	if again {
		s.keep = append(s.keep[:0], s.mem[at+recordHead:at+size]...)
	}
	if slot >= 0 {
		s.remove(slot)
	}
	s.used -= whole
	if s.tail += whole; s.tail == len(s.mem) {
		s.tail = 0
	}
	if again && !s.full(whole) {
		s.append(hash, string(s.keep[:key]), s.keep[key:])
	}
}

// grow doubles the index.
func (s *ringShard) grow() {
	old := s.index
	s.index = make([]uint64, max(leastIndex, 2*len(old)))
	for _, slot := range old {
		if slot == 0 {
			continue
		}
		i := s.home(s.hashAt(placeOf(slot)))
		for s.index[i] != 0 {
			i = (i + 1) & (len(s.index) - 1)
		}
		s.index[i] = slot
	}
}

package store

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"testing"
)

// A ring gives what was put in last, or nothing: never another key's value nor an
// older one, however often its memory went round.
func TestRing(t *testing.T) {
	r, err := newRing(ringShards * 16 << 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.free()
	seed := maphash.MakeSeed()
	random := rand.New(rand.NewPCG(1, 2))
	have := map[string]string{}
	hits, moved := 0, 0
	for n := range 400_000 {
		key := fmt.Sprint("SF", random.IntN(20_000))
		hash := maphash.String(seed, key)
		switch random.IntN(10) {
		case 0:
			r.drop(hash, key)
			delete(have, key)
		case 1, 2, 3, 4:
			value := make([]byte, random.IntN(600))
			for i := range value {
				value[i] = byte(n + i)
			}
			r.put(hash, key, value)
			have[key] = string(value)
		default:
			got, ok := r.get([]byte("before"), hash, key)
			if want, put := have[key]; ok && (!put || string(got) != "before"+want) {
				t.Fatalf("step %d: %s is %q, want %q (put: %v)", n, key, got, want, put)
			}
			if ok {
				hits++
			}
		}
		if n%50_000 == 0 {
			if bytes, _ := r.size(); bytes > ringShards*16<<10 {
				t.Fatalf("step %d: %d bytes are used, want at most %d", n, bytes, ringShards*16<<10)
			}
		}
	}
	if hits < 10_000 {
		t.Errorf("%d hits: nearly nothing was kept", hits)
	}
	// What is asked for again and again stays, while much more goes through.
	hash := maphash.String(seed, "kept")
	r.put(hash, "kept", []byte("value"))
	for n := range 50_000 {
		key := fmt.Sprint("through", n)
		r.put(maphash.String(seed, key), key, make([]byte, 200))
		if _, ok := r.get(nil, hash, "kept"); ok {
			moved++
		}
	}
	if moved != 50_000 {
		t.Errorf("what was asked for all the time was there %d times of 50000", moved)
	}
}

// A value that is too large for the ring is dropped with what the key had before.
func TestRingTooLarge(t *testing.T) {
	r, err := newRing(ringShards * 16 << 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.free()
	r.put(7, "key", []byte("small"))
	r.put(7, "key", make([]byte, 16<<10))
	if got, ok := r.get(nil, 7, "key"); ok {
		t.Errorf("after a value that has no room, the key has %d bytes, want none", len(got))
	}
}

// The filter of known numbers lacks nothing that was added, grows, and takes few
// strangers for known.
func TestKnown(t *testing.T) {
	var k known
	const first = 1 << 16
	k.room(first)
	seed := maphash.MakeSeed()
	hash := func(n int) uint64 { return maphash.String(seed, fmt.Sprint("SF", n)) }
	if k.lacks(hash(1)) {
		t.Error("a filter that is not complete knows that a number is unknown")
	}
	k.complete.Store(true)
	const n = 3 * first // three layers
	for i := range n {
		k.add(hash(i))
	}
	for i := range n {
		if k.lacks(hash(i)) {
			t.Fatalf("number %d was added and is lacking", i)
		}
	}
	strangers := 0
	for i := range n {
		if !k.lacks(hash(n + i)) {
			strangers++
		}
	}
	if strangers > n/50 {
		t.Errorf("%d of %d strangers are taken for known", strangers, n)
	}
}

package query

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"waytrace/trace"
)

// keyOf is the key of a number's status for the usual asker.
func keyOf(c *Cache, number string) *key {
	k := new(key)
	k.set(c, &trace.Variant{Account: trace.DefaultAccount}, number)
	return k
}

func tagOf(n uint64) []byte { return fmt.Appendf(nil, `W/"%016x"`, n) }

// sound checks that ring and index agree: every slot points at an entry that lies in the
// ring, and every entry is found by its slot.
func (s *shard) sound(t *testing.T) {
	t.Helper()
	alive := 0
	at, left := s.tail, s.used
	for left > 0 {
		e := s.ring[at:]
		size := int(order.Uint32(e[atSize:]))
		if size <= 0 || size > left || at+size > len(s.ring) {
			t.Fatalf("an entry of %d bytes at %d, of %d that are left", size, at, left)
		}
		if _, ok := s.slotOf(e); ok {
			alive++
		}
		left -= size
		if at += size; at == len(s.ring) {
			at = 0
		}
	}
	if at != s.head && s.used > 0 {
		t.Fatalf("the entries end at %d, the head is %d", at, s.head)
	}
	slots := 0
	for i := range uint32(len(s.index) / slotSize) {
		_, place, steps := s.slot(i)
		if place == none {
			continue
		}
		slots++
		if size := int(order.Uint32(s.ring[place:])); steps*stepSize < min(size, mostSteps*stepSize) {
			t.Fatalf("the slot of an entry of %d bytes says %d steps", size, steps)
		}
	}
	if alive != s.entries || slots != s.entries {
		t.Fatalf("%d entries: %d are alive, %d slots are taken", s.entries, alive, slots)
	}
}

// What a cache gives is what was put last under the key with that stamp, whatever else
// was put and dropped meanwhile; a map says what that is.
func TestCacheAgainstMap(t *testing.T) {
	type value struct {
		stamp uint32
		tag   uint64
		body  string
	}
	c := NewCache(leastOf) // one shard, which goes round some twenty times
	random := rand.New(rand.NewPCG(1, 2))
	known := make(map[string]value)
	hits, tags := 0, 0
	for i := range 100_000 {
		number := fmt.Sprintf("SF%04d", int(1000*random.ExpFloat64())%4000)
		k, v := keyOf(c, number), known[number]
		switch random.IntN(4) {
		case 0:
			v.stamp++
			known[number] = v
		case 1:
			before := v
			v.tag, v.body = random.Uint64(), ""
			if before.stamp == v.stamp && before.body != "" {
				v = before // an answer stays what it is until its stamp moves
			} else if random.IntN(3) > 0 {
				v.body = strings.Repeat(string(rune('a'+i%26)), 1+random.IntN(700))
			}
			c.put(k, v.stamp, tagOf(v.tag), []byte(v.body))
			known[number] = v
		case 2:
			body, tag, ok := c.get([]byte("before "), k, v.stamp)
			if ok && (string(body) != "before "+v.body || v.body == "" || string(tag[:]) != string(tagOf(v.tag))) {
				t.Fatalf("step %d: %s with %q; want %q with %s", i, tag, body, v.body, tagOf(v.tag))
			}
			if !ok && string(body) != "before " {
				t.Fatalf("step %d: nothing was found, and dst is %q", i, body)
			}
			if ok {
				hits++
			}
		case 3:
			if tag, ok := c.tag(k, v.stamp); ok {
				tags++
				if v.body != "" && string(tag[:]) != string(tagOf(v.tag)) {
					t.Fatalf("step %d: %s, want %s", i, tag, tagOf(v.tag))
				}
			}
		}
		if i%1000 == 0 {
			c.shards[0].sound(t)
		}
	}
	s := &c.shards[0]
	s.sound(t)
	if hits < 1000 || tags < 1000 || s.evicted < 1000 {
		t.Errorf("%d hits, %d tags, %d evicted: the test tests too little", hits, tags, s.evicted)
	}
}

// An entry that is asked for stays while others come and go; one that is not goes.
func TestCacheSecondChance(t *testing.T) {
	c := NewCache(leastOf)
	body := bytes.Repeat([]byte{'x'}, 1000)
	hot, cold := keyOf(c, "HOT-1"), keyOf(c, "COLD-1")
	c.put(hot, 7, tagOf(1), body)
	c.put(cold, 7, tagOf(2), body)
	for i := range 5000 {
		if _, _, ok := c.get(nil, hot, 7); !ok {
			t.Fatalf("what is asked for each time was dropped after %d others", i)
		}
		c.put(keyOf(c, fmt.Sprintf("SF%07d", i)), 0, tagOf(3), body)
	}
	if _, _, ok := c.get(nil, cold, 7); ok {
		t.Error("what nobody asks for stays")
	}
	// And where all were asked for, something goes all the same.
	for i := range 5000 {
		k := keyOf(c, fmt.Sprintf("SF%07d", i))
		c.put(k, 1, tagOf(3), body)
		if _, _, ok := c.get(nil, k, 1); !ok {
			t.Fatalf("what was just put is not there, after %d others", i)
		}
	}
	c.shards[0].sound(t)
}

func TestCacheBounds(t *testing.T) {
	if NewCache(0) != nil || NewCache(leastOf-1) != nil {
		t.Error("a cache without memory")
	}
	for _, size := range []int64{leastOf, 1 << 20, 3<<20 + 12345, 64 << 20} {
		c, taken := NewCache(size), int64(0)
		for i := range c.shards {
			s := &c.shards[i]
			taken += int64(cap(s.ring) + cap(s.index))
			if len(s.ring)%entryAlign != 0 || len(s.index)&(len(s.index)-1) != 0 {
				t.Fatalf("%d bytes: a shard of %d and %d", size, len(s.ring), len(s.index))
			}
		}
		if taken > size || taken < size*9/10 {
			t.Errorf("of %d bytes %d are used", size, taken)
		}
	}
	c := NewCache(1 << 20)
	for _, w := range []struct {
		body int
		kept bool
	}{{maxKept, false}, {maxKept + 1, false}, {40 << 10, true}, {1, true}} {
		k := keyOf(c, fmt.Sprint("SIZE-", w.body))
		c.put(k, 1, tagOf(1), make([]byte, w.body))
		if body, _, ok := c.get(nil, k, 1); ok != w.kept || ok && len(body) != w.body {
			t.Errorf("a body of %d bytes: %v, %d bytes; want %v", w.body, ok, len(body), w.kept)
		}
	}
	if new(key).set(c, &trace.Variant{Account: strings.Repeat("a", maxKey)}, sample) {
		t.Error("a key that is too long")
	}
	c.put(keyOf(c, "TAG-1"), 1, []byte("odd"), nil)
	if _, ok := c.tag(keyOf(c, "TAG-1"), 1); ok {
		t.Error("a tag of another length was kept")
	}
}

// Whatever differs in what is shown has a key of its own.
func TestKeys(t *testing.T) {
	c := NewCache(leastOf)
	seen := make(map[string]string)
	for _, number := range []string{"SF1234", "SF12345", "1SF1234"} {
		for _, v := range []trace.Variant{
			{Account: "main"}, {Account: "main", Events: true}, {Account: "main", Lang: trace.EN}, {Account: "main", Lang: trace.ZhHant},
			{Account: "mainSF1234"}, {Account: "main1"}, {Account: ""},
		} {
			var k key
			name := fmt.Sprintf("%s %+v", number, v)
			if !k.set(c, &v, number) {
				t.Fatalf("%s has no key", name)
			}
			if other, ok := seen[string(k.bytes())]; ok {
				t.Errorf("%s and %s have one key", name, other)
			}
			seen[string(k.bytes())] = name
		}
	}
}

// FuzzCache puts and asks in any order.
func FuzzCache(f *testing.F) {
	f.Add([]byte("\x00\x01\x10\x01\x01\x00\x02\x01\x00"))
	f.Add(bytes.Repeat([]byte{0, 3, 255, 0, 7, 200, 1, 3, 0}, 300))
	f.Fuzz(func(t *testing.T, steps []byte) {
		c := NewCache(leastOf)
		s := &c.shards[0]
		s.ring, s.index = s.ring[:8<<10:8<<10], s.index[:32*8] // small, so that it goes round soon
		type value struct {
			stamp uint32
			body  []byte
		}
		known := make(map[byte]value)
		for ; len(steps) >= 3; steps = steps[3:] {
			name, size := steps[1], int(steps[2])*8
			k, v := keyOf(c, fmt.Sprint("SF-", name)), known[name]
			switch steps[0] % 3 {
			case 0:
				v = value{v.stamp + 1, bytes.Repeat([]byte{steps[2]}, 1+size)}
				c.put(k, v.stamp, tagOf(uint64(v.stamp)), v.body)
				known[name] = v
			case 1:
				body, tag, ok := c.get(nil, k, v.stamp)
				if ok && (!bytes.Equal(body, v.body) || !bytes.Equal(tag[:], tagOf(uint64(v.stamp)))) {
					t.Fatalf("%s with %q, want %q", tag, body, v.body)
				}
			case 2:
				if _, _, ok := c.get(nil, k, v.stamp+1); ok {
					t.Fatal("found under a stamp that nothing was put under")
				}
			}
		}
		s.sound(t)
	})
}

package query

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// A moved store is a shelf that counts its reads and whose stamps a test moves.
type moved struct {
	shelf
	stamp   uint32
	unready bool
	reads   int
	reading func() // called in the middle of each read, where it is set
}

func (m *moved) Trace(dst *trace.Trace, number, carrier string, want trace.Want) error {
	m.reads++
	err := m.shelf.Trace(dst, number, carrier, want)
	if m.reading != nil {
		m.reading()
	}
	return err
}

func (m *moved) Stamp(string) (uint32, bool) { return m.stamp, !m.unready }

func (m *moved) Lacks(string) bool { return false }

// keeping is a store of one number, and its doors with a cache.
func keeping(t *testing.T) (*moved, *door) {
	t.Helper()
	m := &moved{shelf: shelf{}}
	m.put(t, scan(t, sample, "sf", "2020-05-11 16:56:54", "50", collected, sampleReference))
	return m, openAll(t, Answers{From: m, Cache: NewCache(1 << 20)})
}

// count gives how many reads of the store some requests took.
func (m *moved) count(do func()) int {
	before := m.reads
	do()
	return m.reads - before
}

// What is kept is shown again, byte for byte and header for header.
func TestKept(t *testing.T) {
	m, d := keeping(t)
	for _, target := range []string{"/v1/traces/" + sample, "/v1/status/" + sample} {
		for _, headers := range [][]string{nil, {"Accept-Language", "en"}, {"Accept-Language", "zh-HK"}, {"Account", "shop"}} {
			first := d.get(target, headers...)
			tag := first.Header.Get("ETag")
			for _, same := range []string{target, strings.ToLower(target), target + "?", strings.Replace(target, "SF", "%20sf", 1)} {
				var w answer
				if n := m.count(func() { w = d.get(same, headers...) }); n != 0 {
					t.Errorf("GET %s %q again: %d reads", same, headers, n)
				}
				if w.StatusCode != 200 || w.body != first.body || w.body == "" || fmt.Sprint(w.Header) != fmt.Sprint(first.Header) {
					t.Errorf("GET %s %q again: %d %s %v, want %s %v", same, headers, w.StatusCode, w.body, w.Header, first.body, first.Header)
				}
				if n := m.count(func() { w = d.get(same, append(headers, "If-None-Match", tag)...) }); n != 0 || w.StatusCode != 304 || w.body != "" {
					t.Errorf("GET %s %q with its tag: %d after %d reads, want 304 after none", same, headers, w.StatusCode, n)
				}
				if n := m.count(func() { w = d.get(same, append(headers, "If-None-Match", `"old"`)...) }); n != 0 || w.StatusCode != 200 || w.body != first.body {
					t.Errorf("GET %s %q with another tag: %d after %d reads, want 200 after none", same, headers, w.StatusCode, n)
				}
				if n := m.count(func() { w = d.ask(http.MethodHead, same, "", headers...) }); n != 0 || w.ContentLength != int64(len(first.body)) {
					t.Errorf("HEAD %s %q: %d bytes after %d reads", same, headers, w.ContentLength, n)
				}
			}
		}
	}
	// The references are those of the account.
	if whole, other := d.get("/v1/traces/"+sample).body, d.get("/v1/traces/"+sample, "Account", "shop").body; !strings.Contains(whole, sampleReference) || strings.Contains(other, sampleReference) {
		t.Errorf("one account was shown another's answer: %s and %s", whole, other)
	}
}

// Whoever polls with a tag is told from memory that nothing has changed, though nobody
// has asked for the body yet.
func TestKeptTagAlone(t *testing.T) {
	m, d := keeping(t)
	tag := d.get("/v1/traces/" + sample).Header.Get("ETag")
	m.stamp++
	for i, want := range []int{1, 0, 0} {
		var w answer
		if n := m.count(func() { w = d.get("/v1/traces/"+sample, "If-None-Match", tag) }); n != want || w.StatusCode != 304 {
			t.Errorf("poll %d: %d after %d reads, want 304 after %d", i, w.StatusCode, n, want)
		}
	}
	for i, want := range []int{1, 0} {
		var w answer
		if n := m.count(func() { w = d.get("/v1/traces/" + sample) }); n != want || w.StatusCode != 200 || w.body == "" {
			t.Errorf("read %d after the polls: %d %s after %d reads, want 200 after %d", i, w.StatusCode, w.body, n, want)
		}
	}
}

// What is asked for in any other way is read each time.
func TestNotKept(t *testing.T) {
	m, d := keeping(t)
	m.put(t, scan(t, "TWICE-1", "sf", "2020-05-09 10:00:00", "50", collected))
	for _, target := range []string{
		"/v1/traces/" + sample + "?lang=en", "/v1/traces/" + sample + "?carrier=sf", "/v1/status/" + sample + "?include=retracted",
		"/v1/traces?reference=" + sampleReference, "/v1/references/" + sampleReference, "/v1/traces/NOBODY-1",
	} {
		d.get(target)
		if n := m.count(func() { d.get(target) }); n == 0 {
			t.Errorf("GET %s again took no read", target)
		}
	}

	// A parcel that goes on under another number shows what that one's stamp tells of.
	went := scan(t, "TWICE-1", "sf", "2020-05-09 11:00:00", "648", departed)
	went.Leg = trace.LegTo{Waybill: trace.Waybill{Number: "CHILD-1", Carrier: "yto"}, Role: trace.LastMile}
	m.put(t, went)
	if w := d.get("/v1/traces/TWICE-1"); !strings.Contains(w.body, "CHILD-1") {
		t.Fatalf("there is no leg: %s", w.body)
	}
	if n := m.count(func() { d.get("/v1/traces/TWICE-1") }); n == 0 {
		t.Error("a parcel with legs was kept")
	}
}

// Nothing is kept that was read while its number was changing, and nothing is shown
// under a stamp that is no longer its number's.
func TestKeptStamps(t *testing.T) {
	const target = "/v1/traces/" + sample
	events := func(body string) int { return strings.Count(body, `"id":`) }
	later := 0
	scanned := func(m *moved) {
		later++
		m.put(t, scan(t, sample, "sf", fmt.Sprintf("2020-05-12 10:%02d:00", later), "36", departed))
		m.stamp++
	}

	t.Run("moves between read and fill", func(t *testing.T) {
		m, d := keeping(t)
		m.reading = func() { scanned(m); m.reading = nil }
		if got := events(d.get(target).body); got != 1 {
			t.Fatalf("%d events, want the one that was there", got)
		}
		if got := events(d.get(target).body); got != 2 {
			t.Errorf("%d events, want 2: what was read before the change was kept", got)
		}
	})
	t.Run("is unsettled", func(t *testing.T) {
		m, d := keeping(t)
		m.unready = true
		for range 2 {
			if n := m.count(func() { d.get(target) }); n == 0 {
				t.Error("what is not synced was kept")
			}
		}
		m.unready = false
		if n := m.count(func() { d.get(target) }); n == 0 {
			t.Error("what was read before it was synced is shown")
		}
	})
	t.Run("settles during the read", func(t *testing.T) {
		m, d := keeping(t)
		m.unready = true
		m.reading = func() { m.unready = false }
		d.get(target)
		m.reading = nil
		if n := m.count(func() { d.get(target) }); n == 0 {
			t.Error("what was read before it was synced is shown")
		}
	})
	t.Run("a batch begins during the read", func(t *testing.T) {
		m, d := keeping(t)
		m.reading = func() { m.unready = true }
		d.get(target)
		m.reading, m.unready = nil, false
		if n := m.count(func() { d.get(target) }); n == 0 {
			t.Error("what was read while a batch was under way is shown")
		}
	})
	t.Run("a batch is under way", func(t *testing.T) {
		m, d := keeping(t)
		d.get(target)
		scanned(m)
		m.unready = true
		if got := events(d.get(target).body); got != 2 {
			t.Errorf("%d events: what was kept before the batch is shown", got)
		}
		tag := d.get(target).Header.Get("ETag")
		m.unready = false
		if w := d.get(target, "If-None-Match", tag); w.StatusCode != 304 {
			t.Errorf("%d, want 304", w.StatusCode)
		}
	})
}

// A flow is a store of numbers with one counter each that a writer raises, a batch at a
// time, as the store's writer does: the stamp moves, readers may see it, it is synced.
type flow struct {
	parcels [8]struct {
		stamp  atomic.Uint32 // changes so far; the low bit is set while one is not synced
		seen   atomic.Uint32 // what a read shows
		synced atomic.Uint32
		_      [52]byte
	}
	stored []byte
}

func (f *flow) Stamp(number string) (uint32, bool) {
	v := f.parcels[number[len(number)-1]-'0'].stamp.Load()
	return v >> 1, v&1 == 0
}

func (f *flow) Lacks(string) bool { return false }

func (f *flow) Waybills(string, string) ([]trace.Waybill, error) { return nil, nil }

func (f *flow) Trace(dst *trace.Trace, number, _ string, _ trace.Want) error {
	dst.Reset()
	p := &f.parcels[number[len(number)-1]-'0']
	if err := dst.SetHead(trace.Waybill{Number: number, Carrier: "sf"}, f.stored); err != nil {
		return err
	}
	dst.Also = append(dst.Also, fmt.Sprint("n-", p.seen.Load()))
	return nil
}

// However reads, fills and changes meet: no answer is older than what was synced before
// it was asked for.
func TestKeptNeverOld(t *testing.T) {
	s := shelf{}
	s.put(t, scan(t, sample, "sf", "2020-05-11 16:56:54", "50", collected))
	f := &flow{stored: s[trace.Waybill{Number: sample, Carrier: "sf"}].stored}
	answers := Answers{From: f, Cache: NewCache(leastOf)}
	var readers sync.WaitGroup
	for reader := range 4 {
		readers.Go(func() {
			ctx := new(fasthttp.RequestCtx)
			ctx.Init(new(fasthttp.Request), nil, nil)
			for i := 0; i < 20_000 || f.parcels[0].seen.Load() < 100; i++ {
				runtime.Gosched()
				n := (i + reader) % len(f.parcels)
				p := &f.parcels[n]
				least := p.synced.Load()
				ctx.Response.Reset()
				if err := answers.StatusOf(ctx, trace.Asker{Account: trace.DefaultAccount}, fmt.Sprint("FLOW-", n)); err != nil {
					t.Error(err)
					return
				}
				most := p.seen.Load()
				var got uint32
				body := string(ctx.Response.Body())
				_, after, _ := strings.Cut(body, `"n-`)
				if _, err := fmt.Sscanf(after, "%d", &got); err != nil || got < least || got > most {
					t.Errorf("%s: change %d, want %d to %d (%v)", body, got, least, most, err)
					return
				}
			}
		})
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		readers.Wait()
	}()
	for i := 0; ; i++ {
		p := &f.parcels[i*i%7] // some often, some never
		p.stamp.Add(3)         // one change more, and under way
		p.seen.Add(1)
		runtime.Gosched()
		p.synced.Store(p.seen.Load())
		p.stamp.Add(^uint32(0))
		for range i % 8 {
			runtime.Gosched()
		}
		select {
		case <-over:
		default:
			continue
		}
		break
	}
	hits := uint64(0)
	for i := range answers.Cache.shards {
		hits += answers.Cache.shards[i].hits
	}
	if hits < 1000 {
		t.Error("nothing was ever shown from the cache: the test tests nothing")
	}
}

// The cache's figures are among the metrics.
func TestCacheMetrics(t *testing.T) {
	_, d := keeping(t)
	for range 3 {
		d.get("/v1/traces/" + sample)
	}
	var b strings.Builder
	shown.Load().writeMetrics(&b)
	for _, line := range []string{"hits_total 2", "misses_total 1", "evicted_total 0", "entries 1"} {
		if !strings.Contains(b.String(), "waytrace_query_cache_"+line+"\n") {
			t.Errorf("no %s in\n%s", line, &b)
		}
	}
	(*Cache)(nil).writeMetrics(io.Discard)
}

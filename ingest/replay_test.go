package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// A fakeShelf is a quarantine in memory.
type fakeShelf struct {
	mu      sync.Mutex
	items   map[[16]byte]*trace.Quarantined
	calls   []string
	failing error
}

func shelfOf(all ...*trace.Quarantined) *fakeShelf {
	s := &fakeShelf{items: make(map[[16]byte]*trace.Quarantined)}
	for _, q := range all {
		s.items[q.Hash()] = q
	}
	return s
}

func (s *fakeShelf) Next(after *[16]byte) (some []Kept, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, q := range s.items {
		if after == nil || bytes.Compare(hash[:], after[:]) > 0 {
			some = append(some, Kept{hash, q})
		}
	}
	slices.SortFunc(some, func(a, b Kept) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	return some[:min(len(some), 20)], s.failing
}

func (s *fakeShelf) Refault(hash [16]byte, faults []trace.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, "refault")
	if q := s.items[hash]; q != nil {
		q.Faults = faults
	}
	return s.failing
}

func (s *fakeShelf) Drop(hashes ...[16]byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, hash := range hashes {
		if s.items[hash] != nil {
			s.calls = append(s.calls, "drop")
			delete(s.items, hash)
			n++
		}
	}
	return n, s.failing
}

// heardThen is when the requests of these tests came: a day before now.
var heardThen = trace.HLCAt(now-24*60*60*1000) + 7

// lame is demo before it was mended: it understands nothing but code 50.
func lame(code string) carriers.Carrier {
	c := demo(code)
	whole := c.Push.Decode
	c.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		if err := whole(r, facts); err != nil {
			return err
		}
		all := facts.Events
		facts.Events = nil
		for _, e := range all {
			if e.Code == "50" {
				facts.Events = append(facts.Events, e)
			} else {
				facts.Fault(e.Item, "unknown_code", "Code", "what is "+e.Code+"?")
			}
		}
		return nil
	}
	return c
}

// pushed gives what a push left in quarantine, and in the store.
func pushed(t *testing.T, c carriers.Carrier, body string) (*fakeStore, *trace.Quarantined) {
	t.Helper()
	store := new(fakeStore)
	if err := New(store, nil, Options{}).Push(c)(requestOf(body), trace.Asker{Account: "shop", Sender: "a"}); err != nil {
		t.Fatal(err)
	}
	if len(store.quarantined) != 1 {
		t.Fatalf("%d requests in quarantine, want 1", len(store.quarantined))
	}
	q := store.quarantined[0]
	q.Heard = heardThen
	return store, q
}

func keptOf(q *trace.Quarantined) Kept { return Kept{q.Hash(), q} }

// What is understood at last is what it would have been from the start.
func TestReplayOfAMendedDialect(t *testing.T) {
	store, q := pushed(t, lame("mended"), twoScans)
	shelf := shelfOf(q)
	in := New(store, nil, Options{})

	stays, err := in.Replayer(shelf, []carriers.Carrier{lame("mended")}).One(t.Context(), keptOf(q))
	if err != nil || stays.Replayed || stays.Fresh != 0 || !slices.Equal(faultsOf(stays.Faults), []string{"1 unknown_code"}) {
		t.Errorf("before it was mended: %+v, %v", stays, err)
	}
	if len(shelf.items) != 1 || len(shelf.calls) != 0 {
		t.Errorf("the shelf has %d, was called %v", len(shelf.items), shelf.calls)
	}

	mended := in.Replayer(shelf, []carriers.Carrier{demo("mended")})
	done, err := mended.One(t.Context(), keptOf(q))
	if err != nil || !done.Replayed || done.Fresh != 1 || len(done.Faults) != 0 || len(shelf.items) != 0 {
		t.Errorf("mended: %+v, %v, %d on the shelf", done, err, len(shelf.items))
	}
	if want := []string{"append", "quarantine", "append", "append"}; !slices.Equal(store.calls, want) {
		t.Errorf("calls %v, want %v", store.calls, want)
	}
	e := store.events[1]
	if e.Code != "80" || e.Heard != heardThen || !e.Relayed {
		t.Errorf("the event has code %s, was heard at %d, relayed %v; want 80, %d, true", e.Code, e.Heard, e.Relayed, heardThen)
	}

	again, err := mended.One(t.Context(), keptOf(q))
	if err != nil || !again.Replayed || again.Fresh != 0 || len(store.events) != 2 {
		t.Errorf("once more: %+v, %v, %d events", again, err, len(store.events))
	}
}

// The dialect meets the request as it came; a signature is not asked for again.
func TestReplayedRequest(t *testing.T) {
	q := &trace.Quarantined{Heard: heardThen, Carrier: "signed", Account: "shop", ContentType: "text/odd", Query: "a=1", Path: "/gate/x", Call: "notify", Raw: []byte("body")}
	var got carriers.Request
	c := carriers.Carrier{Code: "signed", Push: &carriers.Push{Decode: func(r *carriers.Request, _ *trace.Facts) error { got = *r; return nil }}}
	if _, err := New(new(fakeStore), nil, Options{}).Replayer(shelfOf(q), []carriers.Carrier{c}).One(t.Context(), keptOf(q)); err != nil {
		t.Fatal(err)
	}
	want := carriers.Request{Body: []byte("body"), ContentType: "text/odd", Query: "a=1", Path: "/gate/x", Call: "notify", Account: "shop", Kept: true}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("the dialect met %+v, want %+v", got, want)
	}
}

// What is still not understood stays, with the reasons of now.
func TestReplayLeavesWhatIsFaulty(t *testing.T) {
	_, q := pushed(t, demo("stays"), `[{"No":"SF1234","Time":"yesterday"}]`)
	odd := demo("stays")
	for _, c := range []struct {
		name  string
		known carriers.Carrier
		err   error
		want  string
	}{
		{"another fault", odd, errors.New("stays: no such time\nthe body: secret"), "-1 unreadable"},
		{"a problem", odd, trace.Invalid("malformed_json", "Time", "not JSON"), "-1 malformed_json"},
		{"no such carrier any more", demo("other"), nil, "-1 unknown_carrier"},
	} {
		shelf, store := shelfOf(q), new(fakeStore)
		known := c.known
		if c.err != nil {
			known.Push.Decode = func(*carriers.Request, *trace.Facts) error { return c.err }
		}
		done, err := New(store, nil, Options{}).Replayer(shelf, []carriers.Carrier{known}).One(t.Context(), keptOf(q))
		if err != nil || done.Replayed || !slices.Equal(faultsOf(done.Faults), []string{c.want}) {
			t.Errorf("%s: %+v, %v; want %s", c.name, done, err, c.want)
		}
		if got := faultsOf(shelf.items[q.Hash()].Faults); !slices.Equal(got, []string{c.want}) || len(store.calls) != 0 {
			t.Errorf("%s: kept with %v, store called %v", c.name, got, store.calls)
		}
	}
}

// While the store or the shelf cannot, nothing is lost: it is done again later.
func TestReplayWhenTheStoreCannot(t *testing.T) {
	_, q := pushed(t, lame("cannot"), twoScans)
	burning := errors.New("disk on fire")
	store := &fakeStore{onAppend: func(context.Context, *trace.Facts) error { return burning }}
	shelf := shelfOf(q)
	in := New(store, nil, Options{})
	r := in.Replayer(shelf, []carriers.Carrier{demo("cannot")})
	if _, err := r.One(t.Context(), keptOf(q)); !errors.Is(err, trace.ErrUnavailable) || len(shelf.items) != 1 {
		t.Errorf("append fails: %v, %d on the shelf; want ErrUnavailable and 1", err, len(shelf.items))
	}
	if _, err := r.All(t.Context(), everything, onward); !errors.Is(err, trace.ErrUnavailable) || len(shelf.items) != 1 {
		t.Errorf("append fails for all: %v, %d on the shelf", err, len(shelf.items))
	}
	store.onAppend, shelf.failing = nil, burning
	if _, err := r.One(t.Context(), keptOf(q)); !errors.Is(err, trace.ErrUnavailable) {
		t.Errorf("drop fails: %v, want ErrUnavailable", err)
	}
	if want := []string{"append"}; !slices.Equal(store.calls, want) {
		t.Errorf("calls %v, want %v", store.calls, want)
	}
}

func everything(*trace.Quarantined) bool { return true }
func onward(Replays) bool                { return true }

// A replay of all takes each request once, whether it stays or goes.
func TestReplayAll(t *testing.T) {
	var all []*trace.Quarantined
	for n := range 90 {
		q := &trace.Quarantined{Heard: heardThen, Carrier: "many", Account: "shop",
			Raw: fmt.Appendf(nil, `[{"No":"SF%04d","Time":"2026-11-20 16:56:54","Code":"50"}]`, n), Faults: []trace.Fault{{Code: "old"}}}
		switch n % 3 {
		case 1:
			q.Raw = bytes.Replace(q.Raw, []byte("2026-11-20"), []byte("yesterday!"), 1)
		case 2:
			q.Carrier = "other"
		}
		all = append(all, q)
	}
	store, shelf := new(fakeStore), shelfOf(all...)
	r := New(store, nil, Options{}).Replayer(shelf, []carriers.Carrier{demo("many"), demo("other")})
	told := 0
	sum, err := r.All(t.Context(), func(q *trace.Quarantined) bool { return q.Carrier == "many" }, func(so Replays) bool {
		told++
		return so.Requests <= 60
	})
	if want := (Replays{60, 30, 30}); err != nil || sum != want || told < 3 {
		t.Errorf("got %+v, %v, told %d times; want %+v", sum, err, told, want)
	}
	if len(shelf.items) != 60 || len(store.events) != 30 {
		t.Errorf("%d on the shelf, %d events; want 60 and 30", len(shelf.items), len(store.events))
	}
	told = 0
	if sum, err := r.All(t.Context(), everything, func(Replays) bool { told++; return false }); err != nil || told != 1 || sum.Requests > replayedAtOnce {
		t.Errorf("stopped at once: %+v, %v, told %d times", sum, err, told)
	}
}

// A key that is for one carrier brings no more by a replay than by itself.
func TestReplayOfEvents(t *testing.T) {
	store := new(fakeStore)
	in := New(store, nil, Options{})
	body := `{"events":[{"number":"YT1234567890123","carrier":"yto","date":"2026-11-20","code":"1"},{"number":"SF1234","carrier":"sf","date":"2026-11-20","code":"1"}]}`
	who := trace.Asker{Account: "shop", Sender: "key", Carriers: []string{"yto"}}
	if err := in.Events(requestOf(body), who); err != nil {
		t.Fatal(err)
	}
	q := store.quarantined[0]
	done, err := in.Replayer(shelfOf(q), nil).One(t.Context(), keptOf(q))
	if err != nil || done.Replayed || !slices.Equal(faultsOf(done.Faults), []string{"1 not_yours"}) || len(store.events) != 1 {
		t.Errorf("%+v, %v, %d events; want it to stay not_yours", done, err, len(store.events))
	}
	other := *q
	other.Call = ""
	if done, err := in.Replayer(shelfOf(&other), nil).One(t.Context(), keptOf(&other)); err != nil || !done.Replayed || done.Fresh != 1 {
		t.Errorf("of a key for all: %+v, %v", done, err)
	}
	if e := store.events[1]; e.Source != "api:shop" || e.Heard != other.Heard {
		t.Errorf("the event is of source %s, heard %d", e.Source, e.Heard)
	}
}

// Lists are heard when they came: the second one of a parcel after the first.
func TestReplayOfLists(t *testing.T) {
	c := carriers.Carrier{Code: "lists", Push: &carriers.Push{Decode: func(r *carriers.Request, facts *trace.Facts) error {
		var lists [][]string // number and codes
		if err := json.Unmarshal(r.Body, &lists); err != nil {
			return err
		}
		for i, l := range lists {
			w := trace.Waybill{Number: l[0], Carrier: "lists"}
			facts.OpenList(w, "lists", i)
			for _, code := range l[1:] {
				e := facts.Event()
				e.Waybill, e.Source, e.Code, e.Item = w, "lists", code, i
				e.At, _ = trace.ParseLocal("2026-11-20 16:56:54", trace.China, trace.ZoneCarrier)
			}
			facts.CloseList()
		}
		return nil
	}}}
	var got []trace.List
	store := &fakeStore{onAppend: func(_ context.Context, f *trace.Facts) error { got = slices.Clone(f.Lists); return nil }}
	q := &trace.Quarantined{Heard: heardThen, Carrier: "lists", Raw: []byte(`[["AAAA","1"],["BBBB","1"],["AAAA","1","2"],["AAAA","3"]]`)}
	if done, err := New(store, nil, Options{}).Replayer(shelfOf(q), []carriers.Carrier{c}).One(t.Context(), keptOf(q)); err != nil || !done.Replayed {
		t.Fatalf("%+v, %v", done, err)
	}
	for i, want := range []trace.HLC{heardThen, heardThen, heardThen + 1, heardThen + 2} {
		if cmp.Compare(got[i].Heard, want) != 0 {
			t.Errorf("list %d of %s was heard at %d, want %d", i, got[i].Number, got[i].Heard, want)
		}
	}
}

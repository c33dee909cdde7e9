package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"waytrace/trace"
)

func TestASenderMayNotTakeAllTheRoom(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	store := &fakeStore{onAppend: func(context.Context, *trace.Facts) error {
		entered <- struct{}{}
		<-release
		return nil
	}}
	c := demo(fresh("crowd"))
	c.Push.Door.AtOnce = 3
	in := New(store, nil, Options{})
	push := in.Push(c)
	sf := trace.Asker{Account: "main", Sender: "10.0.0.1"}

	var inside sync.WaitGroup
	admit := func(who trace.Asker) {
		t.Helper()
		inside.Go(func() {
			if err := push(requestOf(twoScans), who); err != nil {
				t.Errorf("%+v was let in, then: %v", who, err)
			}
		})
		<-entered
	}
	for range 3 {
		admit(sf)
	}
	err := push(requestOf(twoScans), sf)
	if !errors.Is(err, trace.ErrUnavailable) || !strings.Contains(err.Error(), "raise carriers."+c.Code+".at_once (now 3)") {
		t.Errorf("the fourth at once: %v, want busy with the setting that helps", err)
	}
	ctx := requestOf(twoScans)
	in.Refuse(c)(ctx, err)
	if got := string(ctx.Response.Body()); ctx.Response.StatusCode() != 503 || got != no || len(ctx.Response.Header.Peek("Retry-After")) == 0 {
		t.Errorf("it is answered %d %s", ctx.Response.StatusCode(), got)
	}
	if n := shedBy(c.Code, shedSender); n != 1 {
		t.Errorf("%d are counted as shed, want 1", n)
	}
	admit(trace.Asker{Account: "main", Sender: "10.0.0.2"})
	exempt := sf
	exempt.Exempt = true
	admit(exempt)

	close(release)
	inside.Wait()
	if len(in.gate.inside) != 0 || in.gate.bytes != 0 {
		t.Errorf("everybody left, the gate still holds %v, %d bytes", in.gate.inside, in.gate.bytes)
	}
	store.onAppend = nil
	if err := push(requestOf(twoScans), sf); err != nil {
		t.Errorf("after all have left: %v", err)
	}
}

func TestTheGateWeighsBodies(t *testing.T) {
	g := gate{mostBytes: 100, inside: make(map[place]int)}
	a, b := trace.Asker{Sender: "a"}, trace.Asker{Sender: "b"}
	door := entrance{name: "sf", atOnce: 64, setting: "carriers.sf.at_once", sheds: shedsOf(fresh("weighed"))}
	enter := func(who trace.Asker, size int) (*pass, error) {
		p := new(pass)
		return p, g.enter(p, &door, who, size)
	}

	first, err := enter(a, 150)
	if err != nil {
		t.Fatalf("one body alone is never too heavy: %v", err)
	}
	if _, err := enter(b, 1); err == nil || !strings.Contains(err.Error(), "raise bytes_in_flight (now 100)") {
		t.Errorf("beyond the limit: %v, want busy with the setting that helps", err)
	}
	exempt, err := enter(trace.Asker{Sender: "c", Exempt: true}, 90)
	if err != nil {
		t.Errorf("exempt: %v", err)
	}
	if err := exempt.grow(1 << 20); err != nil {
		t.Errorf("exempt, growing: %v", err)
	}
	first.leave()

	second, err := enter(b, 40)
	if err != nil {
		t.Fatalf("after it left: %v", err)
	}
	if err := second.grow(60); err != nil {
		t.Errorf("growing to the limit: %v", err)
	}
	if err := second.grow(1); !errors.Is(err, trace.ErrUnavailable) {
		t.Errorf("growing beyond the limit: %v, want ErrUnavailable", err)
	}
	second.leave()
	exempt.leave()
	if len(g.inside) != 0 || g.bytes != 0 {
		t.Errorf("everybody left, the gate still holds %v, %d bytes", g.inside, g.bytes)
	}
	if _, err := enter(a, MaxBody+1); !errors.Is(err, trace.ErrInvalid) {
		t.Errorf("too large: %v, want ErrInvalid", err)
	}
}

func TestAnInflatedBodyIsWeighedAnew(t *testing.T) {
	in := New(new(fakeStore), nil, Options{BytesInFlight: 1000})
	h := open(t, in, demo("heavy"))
	in.gate.bytes = 900
	small, large := gzipped("["+strings.Repeat(" ", 90)+"]"), gzipped("["+strings.Repeat(" ", 5000)+"]")
	if got := h.post(t, "/push", small, "Content-Encoding", "gzip"); got.body != yes {
		t.Errorf("92 bytes where 100 have room: got %+v", got)
	}
	if got, want := h.post(t, "/push", large, "Content-Encoding", "gzip"), (reply{503, no, "application/json", "1"}); got != want {
		t.Errorf("5002 bytes where 100 have room: got %+v, want %+v", got, want)
	}
	if in.gate.bytes != 900 {
		t.Errorf("the gate holds %d bytes, want the 900 from before", in.gate.bytes)
	}
}

func TestTheGateForgetsSenders(t *testing.T) {
	g := gate{mostBytes: 1 << 20, inside: make(map[place]int)}
	door := entrance{name: "sf", atOnce: 4, setting: "carriers.sf.at_once", sheds: shedsOf(fresh("forgotten"))}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 1000 {
				sender := trace.Asker{Sender: strings.Repeat("x", (i+n)%50)}
				p := new(pass)
				if g.enter(p, &door, sender, 10) == nil {
					p.leave()
				}
			}
		})
	}
	all.Wait()
	if len(g.inside) != 0 || g.bytes != 0 {
		t.Errorf("the gate still holds %d senders, %d bytes", len(g.inside), g.bytes)
	}
}

// Who finds no room is looked at once more, a moment later.
func TestTheGateLooksTwice(t *testing.T) {
	for _, c := range []struct {
		name  string
		looks int // at which the store is busy
		in    bool
	}{{"there is room by then", 1, true}, {"there is none either", 2, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				looks := 0
				g := &gate{mostBytes: 1 << 20, inside: make(map[place]int), busy: func() (string, bool) {
					looks++
					return "queue", looks <= c.looks
				}}
				at := entrance{name: "twice", atOnce: 1, setting: "at_once", sheds: shedsOf("twice-" + c.name)}
				start := time.Now()
				var p pass
				err := g.enter(&p, &at, trace.Asker{Sender: "10.0.0.1"}, 100)
				if took := time.Since(start); took != secondLook || (err == nil) != c.in || looks != 2 {
					t.Errorf("after %s and %d looks: %v", took, looks, err)
				}
				if n := shedBy("twice-"+c.name, "queue"); (n == 0) != c.in || n > 1 {
					t.Errorf("%d are counted as shed", n)
				}
				if c.in {
					p.leave()
				}
			})
		})
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/ingest"
	"waytrace/store"
	"waytrace/trace"
)

// A toy is a carrier that pushes "number code minute text" a line, as increments or,
// with lists, as whole journeys. While it is broken it does not understand a line
// that begins with "?".
func toy(lists bool, broken *atomic.Bool) carriers.Carrier {
	decode := func(r *carriers.Request, facts *trace.Facts) error {
		lines := strings.Split(strings.TrimSpace(string(r.Body)), "\n")
		number, _, _ := strings.Cut(strings.TrimPrefix(lines[0], "?"), " ")
		w := trace.Waybill{Number: number, Carrier: "toy"}
		if lists {
			facts.OpenList(w, "toy", 0)
			defer facts.CloseList()
		}
		for i, line := range lines {
			if broken.Load() && line[0] == '?' {
				facts.Fault(i, "odd", "", "what?")
				continue
			}
			field := strings.SplitN(strings.TrimPrefix(line, "?"), " ", 4)
			e := facts.Event()
			e.Waybill, e.Source, e.Code, e.Item, e.TextEdits = w, "toy", field[1], i, !lists
			e.Pair.Status, _ = trace.ParseStatus(field[1])
			e.Text.Text = field[3]
			var err error
			if e.At, err = trace.ParseLocal("2026-11-20 08:"+field[2]+":00", trace.China, trace.ZoneCarrier); err != nil {
				return err
			}
		}
		return nil
	}
	answer := func(dst []byte, _ *carriers.Request, err error) ([]byte, string) {
		return append(dst, fmt.Sprint(err)...), "text/plain"
	}
	return carriers.Carrier{Code: "toy", Push: &carriers.Push{Decode: decode, Answer: answer}}
}

// traceAfter gives the trace and its tag after pushes; those that are not understood
// at first are replayed once the carrier is mended.
func traceAfter(t *testing.T, lists, brokenAtFirst bool, pushes []string) string {
	t.Helper()
	wall := int64(1_795_320_000_000) // 2026-11-22T04:00:00Z
	s, err := store.Open(t.TempDir(), store.Options{CacheSize: 1 << 20, MemTableSize: 1 << 20, Wall: func() int64 { return atomic.AddInt64(&wall, 1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept, err := s.OpenQuarantine(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var broken atomic.Bool
	c := toy(lists, &broken)
	in := ingest.New(shelved{s, kept}, nil, ingest.Options{})
	push := in.Push(c)
	broken.Store(brokenAtFirst)
	for _, body := range pushes {
		atomic.AddInt64(&wall, 60_000)
		ctx := new(fasthttp.RequestCtx)
		ctx.Init(new(fasthttp.Request), &net.TCPAddr{}, nil)
		ctx.Request.SetBodyString(body)
		if err := push(ctx, trace.Asker{Account: "main"}); err != nil {
			t.Fatal(err)
		}
	}
	if odd := strings.Count("\n"+strings.Join(pushes, "\n"), "\n?"); brokenAtFirst && odd > 0 && kept.Load().Requests == 0 {
		t.Fatal("nothing went into quarantine")
	}
	broken.Store(false)
	atomic.AddInt64(&wall, 24*3600_000)
	r := in.Replayer(shelf{kept}, []carriers.Carrier{c})
	for range 2 {
		if _, err := r.All(context.Background(), func(*trace.Quarantined) bool { return true }, func(ingest.Replays) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	if n := kept.Load().Requests; n != 0 {
		t.Errorf("%d are still in quarantine", n)
	}
	var tr trace.Trace
	if err := s.Trace(&tr, "TOY0001", "toy", trace.Want{Events: true}); err != nil {
		t.Fatal(err)
	}
	v := trace.Variant{Events: true}
	var shown map[string]any
	if err := json.Unmarshal(tr.AppendJSON(nil, v), &shown); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(shown, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	// When it was received differs by a tick or two: a request takes other readings.
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return strings.Contains(line, `"received"`) })
	return string(tr.AppendTag(nil, v)) + "\n" + strings.Join(lines, "\n")
}

// A replay gives the trace that there would have been from the start.
func TestReplayIsAsIfFromTheStart(t *testing.T) {
	for _, c := range []struct {
		name   string
		lists  bool
		pushes []string
		want   string // in the trace
	}{
		{"a scan between others", false, []string{"TOY0001 picked_up 01 got it", "?TOY0001 in_transit 02 on its way", "TOY0001 delivered 03 signed"}, "on its way"},
		{"an older text of a scan", false, []string{"?TOY0001 picked_up 01 first words", "TOY0001 picked_up 01 last words"}, `"description": "last words"`},
		{"a newer text of a scan", false, []string{"TOY0001 picked_up 01 first words", "?TOY0001 picked_up 01 last words"}, `"description": "last words"`},
		{"one item of several", false, []string{"TOY0001 picked_up 01 got it\n?TOY0001 in_transit 02 on its way\nTOY0001 in_transit 03 farther"}, "on its way"},
		{"a list before a longer one", true, []string{"?TOY0001 picked_up 01 a\nTOY0001 in_transit 02 b", "TOY0001 picked_up 01 a\nTOY0001 in_transit 02 b\nTOY0001 in_transit 03 c"}, `"c"`},
		{"a list that corrects", true, []string{"TOY0001 picked_up 01 a\nTOY0001 in_transit 02 b\nTOY0001 in_transit 03 c", "TOY0001 picked_up 01 a\nTOY0001 in_transit 02 B\n?TOY0001 in_transit 03 c"}, `"B"`},
		{"a list between two", true, []string{"TOY0001 picked_up 01 a\nTOY0001 in_transit 02 b\nTOY0001 in_transit 03 c",
			"?TOY0001 picked_up 01 a\nTOY0001 in_transit 02 B\nTOY0001 in_transit 03 c", "TOY0001 picked_up 01 a\nTOY0001 in_transit 02 B\nTOY0001 in_transit 03 c\nTOY0001 in_transit 04 d"}, `"d"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := traceAfter(t, c.lists, false, c.pushes)
			got := traceAfter(t, c.lists, true, c.pushes)
			if got != want || !strings.Contains(got, c.want) {
				t.Errorf("replayed:\n%s\nfrom the start:\n%s\nwant in it %s", got, want, c.want)
			}
		})
	}
}

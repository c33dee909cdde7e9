package ingest

import (
	"context"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// Whoever wants it is answered when Kafka has what they pushed, repeats too: what they
// repeat may not have left yet.
func TestReplicatedWaitsForKafka(t *testing.T) {
	var asked []uint16
	var down error
	store := new(fakeStore)
	in := New(store, nil, Options{Replicated: func(ctx context.Context, partitions uint16) error {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("the wait has no end")
		}
		if len(store.events) == 0 {
			t.Error("asked before the store had it")
		}
		asked = append(asked, partitions)
		return down
	}})
	h := open(t, in, demo("waits"))
	post := func(want string) {
		t.Helper()
		if got := h.post(t, "/push", twoScans); got.body != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
	post(yes)
	if len(asked) != 0 {
		t.Errorf("waited for Kafka %d times, want none: nobody wanted it", len(asked))
	}
	h.who.Replicated = true
	post(yes)
	down = trace.Problemf(trace.ErrUnavailable, "not_replicated", "Kafka does not answer")
	post(no)
	down = context.DeadlineExceeded // of no kind: still the sender's to repeat
	post(no)
	h.post(t, "/v1/events", `{"events":[{"number":"SF1","carrier":"waits","time":"yesterday"}]}`)
	if want := uint16(1) << 12; len(asked) != 3 || asked[0] != want || asked[2] != want {
		t.Errorf("asked for partitions %b, want %b three times: nothing was stored of the last", asked, want)
	}
}

// Each fact is waited for in the partition of its own number.
func TestPartitionsOf(t *testing.T) {
	const number, partition = "SF7444400031887", 12
	of := trace.Waybill{Number: number, Carrier: "sf"}
	for name, facts := range map[string]trace.Facts{
		"an event":  {Events: []trace.Event{{Waybill: of}}},
		"a list":    {Lists: []trace.List{{Waybill: of}}},
		"a leg":     {Legs: []trace.LegFact{{Waybill: of, To: trace.LegTo{Waybill: trace.Waybill{Number: "YT1234567890123"}}}}},
		"charges":   {Records: []trace.Record{{Waybill: of}}},
		"a word":    {Overrides: []trace.Override{{Waybill: of}}},
		"two words": {Overrides: []trace.Override{{Waybill: of}, {Waybill: of}}},
	} {
		if got := partitionsOf(&facts); got != 1<<partition {
			t.Errorf("%s: partitions %016b, want %d alone", name, got, partition)
		}
	}
}

// A node whose clock is wrong judges no lists: their order is the clock's.
func TestListsWaitForARightClock(t *testing.T) {
	store := new(fakeStore)
	wrong := trace.Problemf(trace.ErrUnavailable, "clock_wrong", "the clock is 70 s behind")
	in := New(store, nil, Options{Clock: func() error { return wrong }})
	scans := demo("scans")
	lists := demo("lists")
	decode := lists.Push.Decode
	lists.Push = &carriers.Push{Answer: answerDemo, Decode: func(r *carriers.Request, facts *trace.Facts) error {
		facts.OpenList(trace.Waybill{Number: "SF7444400031887", Carrier: "lists"}, "lists", 0)
		defer facts.CloseList()
		return decode(r, facts)
	}}
	if got := open(t, in, scans).post(t, "/push", twoScans); got.body != yes {
		t.Errorf("scans: got %+v, want %s", got, yes)
	}
	kept := len(store.events)
	if got, want := open(t, in, lists).post(t, "/push", twoScans), (reply{503, no, "application/json", "1"}); got != want || len(store.events) != kept {
		t.Errorf("a list: got %+v and %d events kept, want %+v and none", got, len(store.events)-kept, want)
	}
}

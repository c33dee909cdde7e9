// Package facttest makes facts for tests, and reads back what a store makes of them:
// whether it is consistent in itself, and whether two of them are alike.
//
//	facttest.Load(facts, rng)                 // what a push may bring
//	err := facttest.Disagreement(scan)        // every head is the fold of its facts
//	dump, err := facttest.Dump(scan)          // the same on all nodes with the same facts
package facttest

import (
	"fmt"
	"math/rand/v2"

	"waytrace/trace"
)

// Scan is an event as SF would tell it, minute minutes into the journey.
func Scan(number, code string, status trace.Status, minute int) trace.Event {
	at, err := trace.ParseLocal(fmt.Sprintf("2020-05-11 %02d:%02d:00", 8+minute/60, minute%60), trace.China, trace.ZoneCarrier)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return trace.Event{Waybill: trace.Waybill{Number: number, Carrier: "sf"}, Source: "sf", Code: code, At: at,
		Pair: trace.Pair{Status: status}, Table: 1, TextEdits: true, Text: trace.Text{Text: "快件已到达", Lang: "zh-Hans"},
		Place: trace.Place{Address: "深圳市"}}
}

// FedBy100 is an event as Kuaidi100 would list it of a parcel of YTO's, minute
// minutes into the journey.
func FedBy100(number string, status trace.Status, minute int) trace.Event {
	e := Scan(number, "", status, minute)
	e.Carrier, e.Source, e.TextEdits = "yto", "kuaidi100", false
	e.Text.Text = fmt.Sprint("快件状态 ", status)
	return e
}

// List adds a full list of events, all of one waybill and source.
func List(f *trace.Facts, events ...trace.Event) {
	f.OpenList(events[0].Waybill, events[0].Source, -1)
	for _, e := range events {
		x := f.Event()
		e.List = x.List
		*x = e
	}
	f.CloseList()
}

// Charges is a batch of one charge.
func Charges(number, batch string, quantity int64) trace.Record {
	return trace.Record{Waybill: trace.Waybill{Number: number, Carrier: "yto"}, Kind: trace.Charges, Source: "alibaba",
		Batch: batch, Items: []trace.Charge{{Code: "freight", Name: "Freight", Quantity: quantity}}}
}

// Load adds what a push may bring: scans of few parcels, and now and then a text
// that was edited, a reference, another number, a full list, charges, a word.
func Load(f *trace.Facts, rng *rand.Rand) {
	one := func(n int) bool { return rng.IntN(n) == 0 }
	sf := func() string { return fmt.Sprintf("SF%04d", rng.IntN(40)) }
	yt := func() string { return fmt.Sprintf("YT%04d", rng.IntN(10)) }
	for range 1 + rng.IntN(10) {
		e := Scan(sf(), fmt.Sprint(rng.IntN(30)), trace.Status(rng.IntN(12)), rng.IntN(600))
		if one(4) {
			e.Text.Text = fmt.Sprint("改派 ", rng.IntN(3))
		}
		if one(4) {
			e.References = []trace.Reference{{Account: "main", Text: fmt.Sprint("order ", rng.IntN(20))}}
		}
		if one(16) {
			e.Leg = trace.LegTo{Waybill: trace.Waybill{Number: yt()}, Role: trace.Forwarded}
		}
		*f.Event() = e
	}
	if one(2) {
		var events []trace.Event
		number := yt()
		for minute := range 3 + rng.IntN(6) {
			if !one(6) {
				events = append(events, FedBy100(number, trace.Status(1+minute), 10*minute))
			}
		}
		if len(events) > 0 {
			List(f, events...)
		}
	}
	if one(8) {
		f.Legs = append(f.Legs, trace.LegFact{Waybill: trace.Waybill{Number: sf(), Carrier: "sf"},
			To:    trace.LegTo{Waybill: trace.Waybill{Number: yt(), Carrier: "yto"}, Role: trace.LastMile},
			Since: Scan("", "", 0, 60*rng.IntN(10)).At.Instant()})
	}
	if one(8) {
		f.Records = append(f.Records, Charges(yt(), fmt.Sprint("batch ", rng.IntN(3)), rng.Int64N(3)))
	}
	if one(16) {
		f.Overrides = append(f.Overrides, trace.Override{Waybill: trace.Waybill{Number: sf(), Carrier: "sf"},
			Pair: trace.Pair{Status: trace.Status(rng.IntN(12))}, Author: "ops", Reason: "seen"})
	}
}

// Names tells the facts apart that were news; an event once, however often it came.
func Names(f *trace.Facts) (all []string) {
	for i := range f.Events {
		if f.Events[i].Taken != trace.TooMany {
			all = append(all, f.Events[i].ID.String())
		}
	}
	stamped := func(kind string, s trace.Stamp, taken trace.Taken) {
		if taken == trace.Fresh || f.Judged {
			all = append(all, fmt.Sprint(kind, s.Heard, s.Origin))
		}
	}
	for i := range f.Lists {
		stamped("list ", f.Lists[i].Stamp, f.Lists[i].Taken)
	}
	for i := range f.Records {
		stamped("record ", f.Records[i].Stamp, f.Records[i].Taken)
	}
	for i := range f.Overrides {
		stamped("override ", f.Overrides[i].Stamp, f.Overrides[i].Taken)
	}
	for i := range f.Legs {
		stamped("leg ", trace.Stamp{Heard: f.Legs[i].Heard}, f.Legs[i].Taken)
	}
	return all
}

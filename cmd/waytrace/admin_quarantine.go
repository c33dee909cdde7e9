package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"waytrace/ingest"
	"waytrace/trace"
)

// A quarantinedItem is a quarantined request as it is listed: without its body,
// which may hold anything.
type quarantinedItem struct {
	ID          string      `json:"id"`
	Heard       time.Time   `json:"heard"`
	Carrier     string      `json:"carrier,omitempty"` // absent for /v1/events
	Account     string      `json:"account"`
	ContentType string      `json:"content_type,omitempty"`
	Size        int         `json:"size"` // bytes
	Faults      []faultItem `json:"faults"`

	heard trace.HLC
	hash  [16]byte
}

type faultItem struct {
	Index  int    `json:"index"` // -1 is the request itself
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func itemOf(hash [16]byte, q *trace.Quarantined) quarantinedItem {
	return quarantinedItem{ID: hex.EncodeToString(hash[:]), Heard: q.Heard.Time(), Carrier: q.Carrier, Account: q.Account,
		ContentType: q.ContentType, Size: len(q.Raw), Faults: faultItems(q.Faults), heard: q.Heard, hash: hash}
}

func faultItems(faults []trace.Fault) []faultItem {
	items := []faultItem{}
	for _, f := range faults {
		items = append(items, faultItem(f))
	}
	return items
}

// compare orders newest first.
func (i *quarantinedItem) compare(o *quarantinedItem) int {
	return cmp.Or(cmp.Compare(o.heard, i.heard), slices.Compare(i.hash[:], o.hash[:]))
}

// cursor names the place behind an item.
func (i *quarantinedItem) cursor() string { return fmt.Sprintf("%016x%x", uint64(i.heard), i.hash) }

// parseCursor reads what cursor wrote.
func parseCursor(text string) (at quarantinedItem, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 8+len(at.hash) {
		return at, trace.Invalid("invalid_parameter", "after", "it is not what an earlier answer gave as next")
	}
	for _, c := range b[:8] {
		at.heard = at.heard<<8 | trace.HLC(c)
	}
	copy(at.hash[:], b[8:])
	return at, nil
}

// mostListed is how many quarantined requests one answer lists.
const mostListed = 1000

// quarantine lists what was taken in and not understood, newest first.
func (a *admin) quarantine(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	given, err := parameters(ctx, "limit", "after", "carrier")
	if err != nil {
		return err
	}
	of, err := doorOf(given)
	if err != nil {
		return err
	}
	limit := mostListed
	if text, is := given["limit"]; is {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > mostListed {
			return trace.Invalid("invalid_parameter", "limit", "limit is %.40q; it can be 1 to %d", text, mostListed)
		}
	}
	var after *quarantinedItem
	if text, is := given["after"]; is {
		at, err := parseCursor(text)
		if err != nil {
			return err
		}
		after = &at
	}
	items, more, err := a.newest(limit, after, of)
	if err != nil {
		return err
	}
	next := ""
	if more {
		next = items[len(items)-1].cursor()
	}
	load := a.kept.Load()
	return writeJSON(ctx, struct {
		Items []quarantinedItem `json:"items"`
		Next  string            `json:"next,omitempty"` // for ?after=, where there are more
		Total int               `json:"total"`          // of all doors
		Bytes int64             `json:"bytes"`          // of all doors
		Limit int64             `json:"limit_bytes"`
	}{items, next, load.Requests, load.Bytes, load.Limit})
}

// newest finds the newest requests behind after, and whether there are more.
func (a *admin) newest(limit int, after *quarantinedItem, of func(*trace.Quarantined) bool) (items []quarantinedItem, more bool, err error) {
	items = []quarantinedItem{}
	cut := func() {
		slices.SortFunc(items, func(x, y quarantinedItem) int { return x.compare(&y) })
		if len(items) > limit {
			items, more = items[:limit], true
		}
	}
	err = a.store.EachQuarantined(func(hash [16]byte, q *trace.Quarantined) bool {
		item := itemOf(hash, q)
		if of(q) && (after == nil || item.compare(after) > 0) {
			if items = append(items, item); len(items) >= 2*limit {
				cut()
			}
		}
		return true
	})
	cut()
	return items, more, err
}

// doorOf says which requests are meant: those of ?carrier=, "events" for
// /v1/events, or all.
func doorOf(given map[string]string) (func(*trace.Quarantined) bool, error) {
	carrier, is := given["carrier"]
	switch {
	case !is:
		return func(*trace.Quarantined) bool { return true }, nil
	case carrier == asEvents:
		carrier = ""
	case !trace.ValidCarrier(carrier):
		return nil, trace.Invalid("invalid_carrier", "carrier", "%.40q is no carrier's code; %s stands for /v1/events", carrier, asEvents)
	}
	return func(q *trace.Quarantined) bool { return q.Carrier == carrier }, nil
}

// find gives the request that the path names.
func (a *admin) find(ctx *fasthttp.RequestCtx) (k ingest.Kept, err error) {
	id, _ := ctx.UserValue("tail").(string)
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != len(k.Hash) {
		return k, trace.Invalid("invalid_id", "id", "the id of a quarantined request is %d hexadecimal digits", 2*len(k.Hash))
	}
	copy(k.Hash[:], b)
	k.Quarantined, err = a.kept.Find(k.Hash)
	return k, err
}

// quarantined shows one request whole.
func (a *admin) quarantined(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	k, err := a.find(ctx)
	if err != nil {
		return err
	}
	shown := struct {
		quarantinedItem
		Query  string `json:"query,omitempty"`
		Path   string `json:"path,omitempty"`
		Call   string `json:"call,omitempty"`
		Body   string `json:"body,omitempty"`
		Base64 string `json:"body_base64,omitempty"` // of a body that is not UTF-8
	}{quarantinedItem: itemOf(k.Hash, k.Quarantined), Query: k.Query, Path: k.Path, Call: k.Call}
	if utf8.Valid(k.Raw) {
		shown.Body = string(k.Raw)
	} else {
		shown.Base64 = base64.StdEncoding.EncodeToString(k.Raw)
	}
	return writeJSON(ctx, shown)
}

// replay has one request decoded again.
func (a *admin) replay(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	k, err := a.find(ctx)
	if err != nil {
		return err
	}
	done, err := a.replayer.One(context.Background(), k)
	if err != nil {
		return err
	}
	return writeJSON(ctx, struct {
		ID       string      `json:"id"`
		Replayed bool        `json:"replayed"`
		Fresh    int         `json:"fresh"`
		Faults   []faultItem `json:"faults"`
	}{hex.EncodeToString(k.Hash[:]), done.Replayed, done.Fresh, faultItems(done.Faults)})
}

// replayAll has all requests, or those of one door, decoded again.
func (a *admin) replayAll(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	of, err := a.doorGiven(ctx)
	if err != nil {
		return err
	}
	return a.stream(ctx, &a.replaying, "a replay or a drop of many", func(tell func(any) bool) (any, error) {
		return a.replayer.All(context.Background(), of, func(done ingest.Replays) bool { return tell(done) })
	})
}

func (a *admin) doorGiven(ctx *fasthttp.RequestCtx) (func(*trace.Quarantined) bool, error) {
	given, err := parameters(ctx, "carrier")
	if err != nil {
		return nil, err
	}
	return doorOf(given)
}

// A dropped says how many requests were removed.
type dropped struct {
	Dropped int `json:"dropped"`
}

// drop removes one request.
func (a *admin) drop(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	k, err := a.find(ctx)
	if err != nil {
		return err
	}
	n, err := a.kept.Drop(k.Hash)
	if err != nil {
		return err
	}
	return writeJSON(ctx, dropped{n})
}

// dropAll removes all requests, or those of one door.
func (a *admin) dropAll(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	of, err := a.doorGiven(ctx)
	if err != nil {
		return err
	}
	return a.stream(ctx, &a.replaying, "a replay or a drop of many", func(tell func(any) bool) (any, error) {
		done := dropped{}
		for after := (*[16]byte)(nil); ; {
			items, err := a.kept.Next(after, 256)
			if err != nil || len(items) == 0 {
				return done, err
			}
			var hashes [][16]byte
			for _, item := range items {
				if of(item.Quarantined) {
					hashes = append(hashes, item.Hash)
				}
			}
			n, err := a.kept.Drop(hashes...)
			if done.Dropped += n; err != nil || !tell(done) {
				return done, err
			}
			after = &items[len(items)-1].Hash
		}
	})
}

// A doubt is a full list that was not believed, as far as it still stands: what it
// would hide is shown, and what it would show again is hidden.
type doubt struct {
	Number   string            `json:"number"`
	Carrier  string            `json:"carrier"`
	Source   string            `json:"source"`
	Heard    time.Time         `json:"heard"`
	Hides    []json.RawMessage `json:"hides"`    // events, as a trace gives them
	Restores []json.RawMessage `json:"restores"` // likewise

	by *trace.DoubtedBy
}

// doubtful lists the doubtful lists, the first of them by waybill.
func (a *admin) doubtful(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	if _, err := parameters(ctx); err != nil {
		return err
	}
	var found []doubt
	err := a.store.EachDoubted(func(w trace.Waybill, source string, d *trace.DoubtedBy) bool {
		found = append(found, doubt{Number: w.Number, Carrier: w.Carrier, Source: source, Heard: d.Heard.Time(), by: d})
		return len(found) < 100*mostListed
	})
	if err != nil {
		return err
	}
	standing := []doubt{}
	var t trace.Trace
	for i := range found {
		d := &found[i]
		if t.Number != d.Number || t.Carrier != d.Carrier {
			if err := a.store.Trace(&t, d.Number, d.Carrier, trace.Want{Events: true}); err != nil {
				return err
			}
		}
		if d.read(&t); len(d.Hides)+len(d.Restores) > 0 {
			standing = append(standing, *d)
		}
		if len(standing) == mostListed {
			break
		}
	}
	return writeJSON(ctx, struct {
		Items []doubt `json:"items"`
	}{standing})
}

// read fills in the events about which the list is still alone.
func (d *doubt) read(t *trace.Trace) {
	d.Hides, d.Restores = []json.RawMessage{}, []json.RawMessage{}
	for i := range t.Head.Entries {
		x := &t.Head.Entries[i]
		at := slices.IndexFunc(t.Events, func(e trace.Event) bool { return e.ID == x.ID })
		if at < 0 {
			continue
		}
		event := func() json.RawMessage { return t.Events[at].AppendJSON(nil, trace.ZhHans) }
		if _, is := slices.BinarySearch(d.by.Hides, x.ID); is && !x.Hidden() && !x.Show.After(d.by.Stamp) {
			d.Hides = append(d.Hides, event())
		}
		if _, is := slices.BinarySearch(d.by.Restores, x.ID); is && x.Hidden() && !x.Hide.After(d.by.Stamp) {
			d.Restores = append(d.Restores, event())
		}
	}
}

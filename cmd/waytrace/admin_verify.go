package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/relay/cluster"
	"waytrace/store"
	"waytrace/trace"
)

// verify reads the whole store as it is now and tells what does not fit. It changes
// nothing, so several may read at once.
func (a *admin) verify(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	if _, err := parameters(ctx); err != nil {
		return err
	}
	ctx.SetContentType("application/x-ndjson")
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		tellAll(w, a.draining, func(tell func(any) bool) (any, error) {
			return a.store.Verify(func(v store.Verified) bool { return tell(v) })
		})
	})
	return nil
}

// A digestLine has one of these members. The first line is the header, the last one
// done or error; between them stands what was asked for.
type digestLine struct {
	Header   *digestHeader `json:"header,omitempty"`
	Range    *store.Range  `json:"range,omitempty"`
	Waybill  *store.Digest `json:"waybill,omitempty"`
	Part     *store.Part   `json:"part,omitempty"`
	Progress *digestsSoFar `json:"progress,omitempty"` // a sign of life
	Done     *digestsSoFar `json:"done,omitempty"`
	Error    *failure      `json:"error,omitempty"`
}

type digestsSoFar struct {
	Waybills uint64 `json:"waybills"`
}

// A digestHeader is what makes heads of facts, beside the facts: where two nodes differ
// in it, their heads may.
type digestHeader struct {
	Node     string            `json:"node"`
	Version  string            `json:"version"`
	Form     int               `json:"form"` // of the directory
	Fold     string            `json:"fold"` // its version and settings, as stored; hexadecimal
	Settings map[string]string `json:"settings"`
	Tables   map[string]uint32 `json:"tables"`
	Waybills uint64            `json:"waybills"` // about so many are here
}

func headerOf(r cluster.Report, waybills uint64) *digestHeader {
	settings := maps.Clone(r.Settings)
	maps.DeleteFunc(settings, func(name, _ string) bool { return !strings.HasPrefix(name, "fold.") })
	return &digestHeader{r.Node, r.Version, r.Form, hex.EncodeToString(trace.AppendFolding(nil)), settings, r.Tables, waybills}
}

// How many waybills are digested at a time: what stands for them is held in memory.
const (
	usualRange = 4096
	maxRange   = 1 << 16
)

// digests are lines of JSON that stand for what this node has, for another one to be
// compared with:
//
//	?after=N&heads=4096       the ranges behind number N, of about so many waybills each
//	?from=N&to=M              the range behind N and up to M; an empty one is no bound
//	?from=N&to=M&each=1       its waybills one by one
//	?number=N&carrier=C       one waybill, and what its facts are made of
func (a *admin) digests(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	given, err := parameters(ctx, "after", "heads", "from", "to", "each", "number", "carrier")
	if err != nil {
		return err
	}
	for _, name := range []string{"after", "from", "to", "number"} {
		if number, err := trace.ParseNumber(given[name]); given[name] != "" && (err != nil || number != given[name]) {
			return trace.Invalid("invalid_parameter", name, "%.60q is no canonical waybill number", given[name])
		}
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if _, is := given[name]; is {
				return true
			}
		}
		return false
	}
	d := digesting{admin: a, waybills: usualRange}
	switch {
	case has("number", "carrier"):
		of := trace.Waybill{Number: given["number"], Carrier: given["carrier"]}
		if has("after", "heads", "from", "to", "each") || of.Number == "" || of.Carrier == "" {
			return trace.Invalid("invalid_parameter", "number", "one waybill is asked for by number and carrier alone")
		}
		one, parts, err := a.store.Parts(of)
		if err != nil {
			return err
		}
		d.work = func() error { return d.parts(one, parts) }
	case has("from", "to", "each"):
		if has("after", "heads") || has("each") && given["each"] != "1" {
			return trace.Invalid("invalid_parameter", "each", "a range is asked for by from and to, with each=1 for its waybills")
		}
		d.work = func() error { return d.one(given["from"], given["to"], has("each")) }
	default:
		if text, is := given["heads"]; is {
			if d.waybills, err = strconv.Atoi(text); err != nil || d.waybills < 1 || d.waybills > maxRange {
				return trace.Invalid("invalid_parameter", "heads", "heads is %.40q; it is a number from 1 to %d", text, maxRange)
			}
		}
		d.work = func() error { return d.ranges(given["after"]) }
	}
	ctx.SetContentType("application/x-ndjson")
	ctx.SetBodyStreamWriter(d.answer)
	return nil
}

// A digesting answers one question.
type digesting struct {
	*admin
	waybills int // a range
	work     func() error

	w    *bufio.Writer
	done digestsSoFar
}

func (d *digesting) answer(w *bufio.Writer) {
	d.w = w
	header := headerOf(d.node.cluster.Report(), d.store.Status().Waybills)
	err := d.say(digestLine{Header: header})
	if err == nil {
		err = d.work()
	}
	last := digestLine{Done: &d.done}
	switch {
	case errors.Is(err, errGone):
		return
	case err != nil:
		last = digestLine{Error: failureOf(err)}
	}
	if d.say(last) == nil {
		d.flush()
	}
}

// errGone: nobody listens any more.
var errGone = errors.New("nobody listens")

func (d *digesting) say(line digestLine) error {
	if json.NewEncoder(d.w).Encode(line) != nil {
		return errGone
	}
	return nil
}

func (d *digesting) flush() error {
	if d.w.Flush() != nil {
		return errGone
	}
	return nil
}

// next reads the digests behind a number, and ends when the daemon does.
func (d *digesting) next(after, upto string) (found []store.Digest, more bool, err error) {
	if d.draining() {
		return nil, false, trace.Problemf(trace.ErrUnavailable, "stopping", "the daemon is stopping: begin again when it is back")
	}
	found, more, err = d.store.Digests(after, upto, d.waybills)
	d.done.Waybills += uint64(len(found))
	return found, more, err
}

// ranges tells one range after the other, the last one without an end, so that together
// they have every number that there could be.
func (d *digesting) ranges(after string) error {
	for {
		found, more, err := d.next(after, "")
		if err != nil {
			return err
		}
		upto := ""
		if more {
			upto = found[len(found)-1].Number
		}
		var sum store.AddUp
		sum.Add(found)
		r := sum.Range(after, upto)
		if err := d.say(digestLine{Range: &r}); err != nil {
			return err
		}
		if err := d.flush(); err != nil || !more {
			return err
		}
		after = upto
	}
}

// one tells one range, or each waybill of it.
func (d *digesting) one(from, upto string, each bool) error {
	var sum store.AddUp
	for after := from; ; {
		found, more, err := d.next(after, upto)
		if err != nil {
			return err
		}
		sum.Add(found)
		for i := range found {
			if !each {
				break
			}
			if err := d.say(digestLine{Waybill: &found[i]}); err != nil {
				return err
			}
		}
		if !more {
			break
		}
		after = found[len(found)-1].Number
		if err := d.say(digestLine{Progress: &d.done}); err != nil {
			return err
		}
		if err := d.flush(); err != nil {
			return err
		}
	}
	if each {
		return nil
	}
	r := sum.Range(from, upto)
	return d.say(digestLine{Range: &r})
}

// parts tells one waybill.
func (d *digesting) parts(one store.Digest, parts []store.Part) error {
	if err := d.say(digestLine{Waybill: &one}); err != nil {
		return err
	}
	for i := range parts {
		if err := d.say(digestLine{Part: &parts[i]}); err != nil {
			return err
		}
	}
	d.done.Waybills = 1
	return nil
}

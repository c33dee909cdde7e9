package query

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// maxWaybills is how many waybills of one reference are read. A reference that
// leads to more is most likely none: a form's default, a shop's own name.
const maxWaybills = 1000

// References answers with the waybills that a reference of the asker's account
// leads to, the one with the newest event first; "more" counts those beyond the
// first thousand by number and carrier, and is absent where there are none.
func (a Answers) References(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	return ofReferences.refused(a.references(ctx, who))
}

func (a Answers) references(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	keepPrivate(ctx)
	q, err := ask(ctx, who, ofList)
	if err != nil {
		return err
	}
	reference := tail(ctx)
	if err := checkReference(reference); err != nil {
		return err
	}
	waybills, more, err := a.waybills(q.Account, reference)
	if err != nil {
		return err
	}

	t := borrow()
	defer giveBack(t)
	type line struct {
		trace.Waybill
		newest int64
		status []byte
	}
	lines := make([]line, 0, len(waybills))
	for _, w := range waybills {
		if err := a.read(t, w, nil, trace.Want{}); errors.Is(err, trace.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		lines = append(lines, line{w, t.Head.Newest(), t.Head.AppendStatus(nil, q.Lang)})
	}
	if len(lines) == 0 {
		return noReference(reference)
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(b.newest, a.newest) })

	b := append(page(ctx), `{"reference":`...)
	b = append(trace.AppendString(b, reference), `,"waybills":[`...)
	for i, l := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = trace.AppendString(append(b, `{"number":`...), l.Number)
		b = trace.AppendString(append(b, `,"carrier":`...), l.Carrier)
		b = append(append(append(b, `,"status":`...), l.status...), '}')
	}
	b = append(b, ']')
	if more > 0 {
		b = strconv.AppendInt(append(b, `,"more":`...), int64(more), 10)
	}
	b = append(b, '}')

	// All that is visible is in the body, its language too, so the body's hash is
	// as good a tag as one drawn from a thousand heads.
	h := fnv.New64a()
	h.Write(b)
	if unchanged(ctx, fmt.Appendf(make([]byte, 0, tagSize), `W/"%016x"`, h.Sum64())) {
		ofReferences.notModified.Inc()
		return nil
	}
	give(ctx, b)
	ofReferences.found.Inc()
	return nil
}

// waybills are the first maxWaybills that a reference leads to, sorted by number
// and carrier, at least one; more counts the rest. An unknown reference and one
// of another account's are the same not_found.
func (a Answers) waybills(account, reference string) (list []trace.Waybill, more int, err error) {
	list, err = a.From.Waybills(account, reference)
	switch {
	case err != nil && !errors.Is(err, trace.ErrNotFound):
		return nil, 0, broken("reference", err)
	case len(list) == 0:
		return nil, 0, noReference(reference)
	}
	slices.SortFunc(list, func(a, b trace.Waybill) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier))
	})
	if len(list) > maxWaybills {
		list, more = list[:maxWaybills], len(list)-maxWaybills
	}
	return list, more, nil
}

func noReference(reference string) error {
	return trace.Problemf(trace.ErrNotFound, "not_found", "the reference %q leads to no waybill of this account", reference)
}

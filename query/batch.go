package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// maxBatch is how many numbers one batch may ask for.
const maxBatch = 1000

// A batch ends after this time or this much answer, whichever comes first: a
// thousand parcels of a thousand scans each must not take a minute, nor a
// gigabyte. The numbers that are left are answered "unavailable", to be asked
// for again.
const (
	batchTime  = 2 * time.Second
	batchBytes = 32 << 20
)

// TraceBatch answers with the traces of up to 1,000 numbers, in the order asked.
// A number that is unknown or none is an item with an error, not a refusal.
func (a Answers) TraceBatch(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	return ofBatch.refused(a.many(ctx, who, true))
}

// StatusBatch answers as TraceBatch does, without events.
func (a Answers) StatusBatch(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	return ofBatch.refused(a.many(ctx, who, false))
}

func (a Answers) many(ctx *fasthttp.RequestCtx, who trace.Asker, events bool) error {
	keepPrivate(ctx)
	began := time.Now()
	q, err := ask(ctx, who, ofMany)
	if err != nil {
		return err
	}
	q.Events = events
	numbers, carrier, err := parseBatch(ctx.PostBody())
	if err != nil {
		return err
	}
	t := borrow()
	defer giveBack(t)
	want := q.Wants()
	b := append(page(ctx), `{"items":[`...)
	for i, number := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if number != "" {
			b = append(trace.AppendString(append(b, `"number":`...), number), ',')
		}
		if len(b) > batchBytes || time.Since(began) > batchTime {
			b = append(b, `"error":{"code":"unavailable"}}`...)
			continue
		}
		w := trace.Waybill{Carrier: carrier}
		if w.Number, err = canonical(number); err == nil {
			err = a.read(t, w, nil, want)
		}
		var problem *trace.Problem
		switch {
		case err == nil:
			b = append(t.AppendJSON(append(b, `"trace":`...), q.Variant), '}')
			ofBatch.found.Inc()
		case errors.As(err, &problem):
			b = append(trace.AppendString(append(b, `"error":{"code":`...), problem.Code), `}}`...)
			ofBatch.refused(problem)
		default: // the store is in trouble, and will be so for the next number
			return err
		}
	}
	give(ctx, append(b, `]}`...))
	return nil
}

// parseBatch reads the body {"numbers":["…"],"carrier":"…"?}. Names are matched
// exactly, each may come once; the numbers are as they were given. carrier is ""
// where none was given.
func parseBatch(body []byte) (numbers []string, carrier string, err error) {
	malformed := trace.Invalid("invalid_json", "", `the body must be one JSON object such as {"numbers":["SF7444400031887"]}`)
	// Told apart here: what is no JSON at all, so that every error below is about
	// what the JSON says.
	if !json.Valid(body) {
		return nil, "", malformed
	}
	in := json.NewDecoder(bytes.NewReader(body))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return nil, "", malformed
	}
	given := make(map[string]bool, 2)
	for in.More() {
		token, err := in.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, "", malformed
		}
		if given[name] {
			return nil, "", trace.Invalid("invalid_json", name, "%s is given more than once", name)
		}
		switch given[name] = true; name {
		case "numbers":
			if in.Decode(&numbers) != nil {
				return nil, "", trace.Invalid("invalid_numbers", "numbers", "numbers must be a list of 1 to %d strings", maxBatch)
			}
		case "carrier":
			if in.Decode(&carrier) != nil {
				return nil, "", trace.Invalid("invalid_carrier", "carrier", "carrier must be a string")
			}
			if err := checkCarrier(carrier); err != nil {
				return nil, "", err
			}
		default:
			return nil, "", trace.Invalid("unknown_field", clip(name), "there is no such member here; there are numbers and carrier")
		}
	}
	if _, err := in.Token(); err != nil { // the closing brace
		return nil, "", malformed
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, "", malformed
	}
	if len(numbers) == 0 || len(numbers) > maxBatch {
		return nil, "", trace.Invalid("invalid_numbers", "numbers",
			"%d numbers were given; a batch has 1 to %d", len(numbers), maxBatch)
	}
	return numbers, carrier, nil
}

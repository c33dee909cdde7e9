package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
	"unsafe"

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
	list := lists.Get().(*[]string)
	defer giveListBack(list)
	numbers, carrier, err := parseBatch(ctx.PostBody(), (*list)[:0])
	if err != nil {
		return err
	}
	*list = numbers
	q.carrier, q.plain = carrier, q.plain && carrier == ""
	t := borrow()
	defer giveBack(t)
	page := sheets.Get().(*sheet)
	b := append(page.body[:0], `{"items":[`...)
	var near window
	for i := range min(farSight, len(numbers)) {
		a.sight(&near[i], numbers[i], &q)
	}
	for i, number := range numbers {
		if next := i + nearSight; next < len(numbers) {
			a.Cache.expect(&near[next%farSight].key)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if number != "" {
			b = append(trace.AppendString(append(b, `"number":`...), number), ',')
		}
		if b, err = a.item(b, t, &near[i%farSight], &q, began); err != nil {
			return err // and the page with it: this is seldom
		}
		b = append(b, '}')
		if next := i + farSight; next < len(numbers) {
			a.sight(&near[next%farSight], numbers[next], &q)
		}
	}
	page.body = append(b, `]}`...)
	page.give(ctx)
	return nil
}

// A window is what a batch has in sight: nearly all the time of one number goes by while
// memory that nobody has touched for long is fetched, and so that of the next ones goes by
// meanwhile. What is farSight ahead has its slot of the cache's index fetched, what is
// nearSight ahead its answer.
type window [farSight]sighted

const (
	farSight  = 8
	nearSight = 4
)

// A sighted number is canonical, or cannot be.
type sighted struct {
	kept
	number string
	err    error
}

// sight begins with a number.
func (a *Answers) sight(s *sighted, number string, q *asked) {
	s.kept = kept{}
	if s.number, s.err = canonical(number); s.err == nil && q.plain {
		a.seek(&s.kept, &q.Variant, s.number)
	}
}

// item appends what is known of one number of a batch that began at some time, or why
// nothing is. Its error is the store's, which is in trouble and will be so for the next
// number.
func (a *Answers) item(b []byte, t *trace.Trace, s *sighted, q *asked, began time.Time) ([]byte, error) {
	if len(b) > batchBytes {
		return append(b, unavailable...), nil
	}
	number, k, err := s.number, &s.kept, s.err
	if err == nil {
		named := len(b)
		b = append(b, `"trace":`...)
		from := len(b)
		if k.n > 0 {
			if body, _, ok := a.Cache.get(b, &k.key, k.stamp); ok {
				ofBatch.found.Inc()
				return body, nil
			}
		}
		// What is kept takes no time to speak of; a read may.
		if time.Since(began) > batchTime {
			return append(b[:named], unavailable...), nil
		}
		w := trace.Waybill{Number: strings.Clone(number), Carrier: q.carrier}
		if err = a.read(t, w, nil, q.Wants()); err == nil {
			b = t.AppendJSON(b, q.Variant)
			if k.settled {
				var tag [tagSize]byte
				a.keep(k, t, t.AppendTag(tag[:0], q.Variant), b[from:])
			}
			ofBatch.found.Inc()
			return b, nil
		}
		b = b[:named]
	}
	var problem *trace.Problem
	if !errors.As(err, &problem) {
		return b, err
	}
	ofBatch.refused(problem)
	return append(trace.AppendString(append(b, `"error":{"code":`...), problem.Code), '}'), nil
}

const unavailable = `"error":{"code":"unavailable"}`

// lists are used again and again: a batch's numbers lie in its body, but for those of the
// seldom ones that encoding/json has to read.
var lists = sync.Pool{New: func() any { return new([]string) }}

func giveListBack(list *[]string) {
	clear((*list)[:cap(*list)]) // the body is the next request's
	lists.Put(list)
}

// parseBatch reads the body {"numbers":["…"],"carrier":"…"?}. Names are matched
// exactly, each may come once; the numbers are as they were given, appended to list,
// and as long lent as the body is. carrier is "" where none was given.
func parseBatch(body []byte, list []string) (numbers []string, carrier string, err error) {
	if numbers, ok := plainBatch(body, list); ok {
		return numbers, "", nil
	}
	return anyBatch(body)
}

// anyBatch reads whatever JSON allows.
func anyBatch(body []byte) (numbers []string, carrier string, err error) {
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

// plainBatch reads the body that nearly everybody sends: numbers alone, and nothing in
// them that JSON would write in another way. ok is false for all that is not so simple,
// right or wrong.
func plainBatch(body []byte, list []string) (numbers []string, ok bool) {
	at := 0
	next := func(want byte) bool {
		for at < len(body) && (body[at] == ' ' || body[at] == '\n' || body[at] == '\r' || body[at] == '\t') {
			at++
		}
		if at == len(body) || body[at] != want {
			return false
		}
		at++
		return true
	}
	text := func() (s []byte, ok bool) {
		if !next('"') {
			return nil, false
		}
		for from := at; at < len(body); at++ {
			switch c := body[at]; {
			case c == '"':
				at++
				return body[from : at-1], true
			case c == '\\', c < ' ', c > '~':
				return nil, false
			}
		}
		return nil, false
	}
	if !next('{') {
		return nil, false
	}
	if name, ok := text(); !ok || string(name) != "numbers" || !next(':') || !next('[') {
		return nil, false
	}
	for more := true; more; more = next(',') {
		number, ok := text()
		if !ok || len(list) == maxBatch {
			return nil, false
		}
		list = append(list, unsafe.String(unsafe.SliceData(number), len(number)))
	}
	if !next(']') || !next('}') || len(bytes.TrimRight(body[at:], " \t\r\n")) > 0 {
		return nil, false
	}
	return list, true
}

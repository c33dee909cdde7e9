package carriertest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime"
	"slices"
	"sync"
	"testing"
	"unicode/utf8"

	"waytrace/carriers"
	"waytrace/trace"
)

// Exam asks of a carrier what every dialect promises, with its own case files as
// the questions: the same push again names the same events and changes nothing,
// the order of events never matters, what was understood does not refer into the
// body, a broken item spoils only itself, and a failure is told in other words
// than success; pushes at one time do not disturb each other; a stored event is
// mapped anew to what it was. Among the cases must be one with several events of a
// waybill, one with a broken item among good ones, and one that does not parse.
func Exam(t *testing.T, c carriers.Carrier) {
	var journeys, mixed, refused int
	for _, f := range caseFiles(t) {
		u := understand(c, f.copyRequest())
		events := u.facts.Events
		if len(events) > 1 && slices.ContainsFunc(events[1:], func(e trace.Event) bool { return e.Waybill == events[0].Waybill }) {
			journeys++
		}
		if u.err != nil {
			refused++
		}
		if len(events) > 0 && slices.ContainsFunc(u.facts.Faults, func(f trace.Fault) bool { return f.Index >= 0 }) {
			mixed++
		}
		t.Run(f.name(), func(t *testing.T) {
			refusedOrNot(t, c, &f, u)
			again(t, c, &f, u)
			ownStrings(t, c, &f, u)
			oncePerItem(t, &f, u)
			anyOrder(t, &f, events)
			if c.Codes != nil {
				mappedAnew(t, c, &f, events)
			}
		})
	}
	for what, n := range map[string]int{
		"with several events of one waybill": journeys,
		"with a broken item among good ones": mixed,
		"that does not parse":                refused,
	} {
		if n == 0 {
			t.Errorf("there is no case %s in testdata", what)
		}
	}
	t.Run("empty body", func(t *testing.T) { emptyBody(t, c) })
	t.Run("failures", func(t *testing.T) { failures(t, c) })
	t.Run("at once", func(t *testing.T) { atOnce(t, c, caseFiles(t)) })
	if c.Codes != nil {
		t.Run("codes", func(t *testing.T) { knownSubs(t, c) })
	}
}

// refusedOrNot: a refusal is of a kind that the sender caused, brings no facts,
// and is not answered as success is.
func refusedOrNot(t testing.TB, c carriers.Carrier, f *caseFile, u *understood) {
	yes, contentType := c.Push.Answer(nil, &f.r, nil)
	no, noType := c.Push.Answer(nil, &f.r, cmp.Or(u.err, trace.ErrUnavailable))
	wellFormed(t, contentType, yes)
	wellFormed(t, noType, no)
	switch {
	case bytes.Equal(yes, no):
		t.Errorf("%s: success and failure are answered alike: %s", f.path, yes)
	case u.nothing():
		t.Errorf("%s: neither fact nor fault nor error came of it", f.path)
	case u.err == nil:
	case !invalid(u.err):
		t.Errorf("%s: %v is neither ErrInvalid nor ErrUnauthorized: sending it again would not help", f.path, u.err)
	case !u.facts.Empty() || len(u.facts.Faults) > 0:
		t.Errorf("%s: refused, but brought facts or faults", f.path)
	}
}

// again: the same request names the same events, which bring nothing new.
func again(t testing.TB, c carriers.Carrier, f *caseFile, first *understood) {
	second := understand(c, f.copyRequest())
	if got, want := summary(second), summary(first); got != want {
		t.Errorf("%s: pushed again\ngot:\n%s\nfirst time:\n%s", f.path, got, want)
	}
	once := headBytes(t, first.facts.Events)
	if twice := headBytes(t, slices.Concat(first.facts.Events, second.facts.Events)); twice != once {
		t.Errorf("%s: the same push again changed a head", f.path)
	}
}

// ownStrings: what was understood stays when the request's memory is used anew.
func ownStrings(t testing.TB, c carriers.Carrier, f *caseFile, want *understood) {
	r := f.copyRequest()
	var facts trace.Facts
	if err := c.Push.Decode(r, &facts); err != nil {
		return
	}
	for i := range r.Body {
		r.Body[i] = '#'
	}
	got := understand(carriers.Carrier{Push: &carriers.Push{Names: c.Push.Names, Decode: func(_ *carriers.Request, f *trace.Facts) error {
		*f = facts
		return nil
	}}}, r)
	if got, want := summary(got), summary(want); got != want {
		t.Errorf("%s: it refers into the body: after that was overwritten\ngot:\n%s\nwant:\n%s", f.path, got, want)
	}
}

// oncePerItem: each item is an event or a fault, never both.
func oncePerItem(t testing.TB, f *caseFile, u *understood) {
	seen := make(map[int]bool)
	for _, e := range u.facts.Events {
		seen[e.Item] = true
	}
	for _, fault := range u.facts.Faults {
		switch {
		case fault.Index >= 0 && seen[fault.Index]:
			t.Errorf("%s: item %d is an event and a fault (%s)", f.path, fault.Index, fault.Code)
		case fault.Index < 0 && len(u.facts.Faults)+len(u.facts.Events) > 1:
			t.Errorf("%s: a fault of the whole request (%s) beside others", f.path, fault.Code)
		case fault.Code == "" || fault.Detail == "":
			t.Errorf("%s: fault %+v needs a code and a detail", f.path, fault)
		}
	}
}

// anyOrder: the heads are the same bytes, whatever the order of the events.
func anyOrder(t testing.TB, f *caseFile, events []trace.Event) {
	want := headBytes(t, events)
	random := rand.New(rand.NewPCG(1, 2))
	order := slices.Clone(events)
	slices.Reverse(order)
	for range 20 {
		if got := headBytes(t, order); got != want {
			t.Errorf("%s: the heads depend on the order of the events", f.path)
			return
		}
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
}

// emptyBody: it does not parse, in whatever form it is said to be.
func emptyBody(t testing.TB, c carriers.Carrier) {
	for _, contentType := range contentTypes {
		r := &carriers.Request{ContentType: contentType}
		u := understand(c, r)
		if !invalid(u.err) {
			t.Errorf("an empty body of type %q: %v, want ErrInvalid or ErrUnauthorized", contentType, u.err)
		}
	}
}

var contentTypes = []string{
	"", "application/json", "application/json ;charset=UTF-8",
	"application/x-www-form-urlencoded; charset=UTF-8", "text/xml", "text/plain",
}

// failures: each kind of error is answered well-formed and not with success,
// also to a request whose body was never read; and Answer appends.
func failures(t testing.TB, c carriers.Carrier) {
	kinds := []error{trace.ErrInvalid, trace.ErrUnauthorized, trace.ErrNotFound, trace.ErrUnavailable,
		trace.Invalid("too_large", "", "larger than <1 MiB> & \"more\""), errors.New("of no kind")}
	for _, contentType := range contentTypes {
		r := &carriers.Request{ContentType: contentType}
		yes, _ := c.Push.Answer(nil, r, nil)
		for _, kind := range kinds {
			no, answerType := c.Push.Answer([]byte("before"), r, fmt.Errorf("on the way: %w", kind))
			no, appended := bytes.CutPrefix(no, []byte("before"))
			if !appended || bytes.Equal(no, yes) {
				t.Errorf("request of type %q, error %v: answered %s", contentType, kind, no)
			}
			wellFormed(t, answerType, no)
		}
	}
}

// wellFormed: an answer parses as what it says it is.
func wellFormed(t testing.TB, contentType string, body []byte) {
	t.Helper()
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		t.Errorf("answer of type %q: %v", contentType, err)
	case !utf8.Valid(body) || len(body) == 0:
		t.Errorf("answer %q is empty or not UTF-8", body)
	case media == "application/json":
		if !json.Valid(body) {
			t.Errorf("answer is not JSON: %s", body)
		}
	case media == "text/xml" || media == "application/xml":
		d := xml.NewDecoder(bytes.NewReader(body))
		for err == nil {
			_, err = d.Token()
		}
		if err != io.EOF {
			t.Errorf("answer is not XML (%v): %s", err, body)
		}
	}
}

// atOnce: pushes that are under way together mean what each means alone.
func atOnce(t testing.TB, c carriers.Carrier, files []caseFile) {
	alone := make([]string, len(files))
	for i := range files {
		alone[i] = summary(understand(c, files[i].copyRequest()))
	}
	var group sync.WaitGroup
	for i := range files {
		f := &files[i]
		group.Go(func() {
			for range 20 {
				if got := summary(understand(c, f.copyRequest())); got != alone[i] {
					t.Errorf("%s: beside others\ngot:\n%s\nwant:\n%s", f.path, got, alone[i])
					return
				}
			}
		})
	}
	group.Wait()
}

// summary says all that was understood, and why all else was not.
func summary(u *understood) string {
	return fmt.Sprintf("%s %+v %v %v", told(u), u.facts.Faults, u.facts.Refusal, u.err)
}

// told says all that was understood.
func told(u *understood) string {
	var b bytes.Buffer
	for i := range u.facts.Events {
		e := &u.facts.Events[i]
		fmt.Fprintf(&b, "%d %+v %x\n", e.Item, e.Waybill, e.Value)
	}
	for _, l := range u.facts.Lists {
		fmt.Fprintf(&b, "%+v %s %v %t\n", l.Waybill, l.Source, l.Has, l.Partial)
	}
	fmt.Fprintf(&b, "%+v %+v", u.facts.Legs, u.facts.Records)
	return b.String()
}

// headBytes is the stored form of all heads after events.
func headBytes(t testing.TB, events []trace.Event) string {
	t.Helper()
	known := heads(t, events)
	var b []byte
	byName := func(a, b trace.Waybill) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier))
	}
	for _, w := range slices.SortedFunc(maps.Keys(known), byName) {
		b = known[w].Append(fmt.Appendf(b, "%s %s ", w.Number, w.Carrier))
	}
	return string(b)
}

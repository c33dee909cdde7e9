package carriertest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"waytrace/carriers"
	"waytrace/trace"
)

// recorder is a test that keeps what is held against it.
type recorder struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (r *recorder) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }
func (r *recorder) Helper()                           {}

func (r *recorder) Error(args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprint(args...))
}

// lines is a well-behaved dialect: an event for each line of the body, which is
// its text, a fault for a line "bad", and an error for a body "broken".
func lines() carriers.Carrier {
	return carriers.Carrier{Code: "lines", Push: &carriers.Push{
		Decode: func(r *carriers.Request, facts *trace.Facts) error {
			if len(r.Body) == 0 || string(r.Body) == "broken" {
				return trace.Invalid("broken", "", "it does not parse")
			}
			for i, line := range strings.Split(string(r.Body), "\n") {
				if line == "bad" {
					facts.Fault(i, "bad", "", "a bad line")
					continue
				}
				lineEvent(facts, i, line)
			}
			return nil
		},
		Answer: func(dst []byte, _ *carriers.Request, err error) ([]byte, string) {
			if err != nil {
				return append(dst, "<no/>"...), "text/xml; charset=utf-8"
			}
			return append(dst, "<yes/>"...), "text/xml; charset=utf-8"
		},
	}}
}

func lineEvent(facts *trace.Facts, i int, text string) {
	e := facts.Event()
	e.Number, e.Carrier, e.Source, e.Item = "AB1234", "lines", "lines", i
	e.At, _ = trace.ParseLocal("2024-03-18 09:41:07", trace.China, trace.ZoneCarrier)
	e.Text.Text = text
}

// examine asks a dialect all questions about one body.
func examine(t *testing.T, c carriers.Carrier, body string) string {
	r := &recorder{TB: t}
	f := &caseFile{path: "testdata/none.push", r: carriers.Request{Body: []byte(body)}}
	u := understand(c, f.copyRequest())
	refusedOrNot(r, c, f, u)
	again(r, c, f, u)
	ownStrings(r, c, f, u)
	oncePerItem(r, f, u)
	anyOrder(r, f, u.facts.Events)
	emptyBody(r, c)
	failures(r, c)
	atOnce(r, c, []caseFile{*f, *f})
	if c.Codes != nil {
		knownSubs(r, c)
		mappedAnew(r, c, f, u.facts.Events)
	}
	return strings.Join(r.said, "\n")
}

func TestExamPassesGoodDialects(t *testing.T) {
	for _, body := range []string{"one\ntwo\nthree", "one\nbad\ntwo", "bad", "same\nsame", "broken"} {
		if said := examine(t, lines(), body); said != "" {
			t.Errorf("body %q: %s", body, said)
		}
	}
}

func TestExamFailsBadDialects(t *testing.T) {
	good := lines().Push
	var calls atomic.Int32
	for name, c := range map[string]struct {
		decode func(*carriers.Request, *trace.Facts) error
		answer func([]byte, *carriers.Request, error) ([]byte, string)
		want   string
	}{
		"borrows from the body": {want: "refers into the body", decode: func(r *carriers.Request, facts *trace.Facts) error {
			if len(r.Body) == 0 {
				return trace.ErrInvalid
			}
			lineEvent(facts, 0, unsafe.String(&r.Body[0], len(r.Body)))
			return nil
		}},
		"other identities each time": {want: "pushed again", decode: func(r *carriers.Request, facts *trace.Facts) error {
			lineEvent(facts, 0, fmt.Sprint(calls.Add(1)))
			return nil
		}},
		"event and fault": {want: "is an event and a fault", decode: func(r *carriers.Request, facts *trace.Facts) error {
			facts.Fault(0, "bad", "", "a bad line")
			return good.Decode(r, facts)
		}},
		"all and one at fault": {want: "a fault of the whole request", decode: func(r *carriers.Request, facts *trace.Facts) error {
			facts.Fault(-1, "bad", "", "a bad line")
			return good.Decode(r, facts)
		}},
		"silent": {want: "neither fact nor fault nor error", decode: func(*carriers.Request, *trace.Facts) error {
			return nil
		}},
		"asks for what cannot help": {want: "would not help", decode: func(*carriers.Request, *trace.Facts) error {
			return trace.ErrUnavailable
		}},
		"refuses halfway": {want: "refused, but brought facts", decode: func(r *carriers.Request, facts *trace.Facts) error {
			lineEvent(facts, 0, "one")
			return trace.ErrInvalid
		}},
		"takes an empty body": {want: "an empty body", decode: func(r *carriers.Request, facts *trace.Facts) error {
			lineEvent(facts, 0, "one")
			return nil
		}},
		"answers everybody alike": {want: "are answered alike", answer: func(dst []byte, _ *carriers.Request, _ error) ([]byte, string) {
			return append(dst, "{}"...), "application/json"
		}},
		"answers no XML": {want: "is not XML", answer: func(dst []byte, _ *carriers.Request, _ error) ([]byte, string) {
			return append(dst, "<yes>"...), "text/xml"
		}},
		"answers no JSON": {want: "is not JSON", answer: func(dst []byte, _ *carriers.Request, _ error) ([]byte, string) {
			return append(dst, "yes"...), "application/json"
		}},
		"answers nothing": {want: "is empty", answer: func(dst []byte, _ *carriers.Request, _ error) ([]byte, string) {
			return dst, "text/plain"
		}},
		"overwrites": {want: "error of no kind: answered", answer: func(_ []byte, _ *carriers.Request, err error) ([]byte, string) {
			return fmt.Appendf(nil, "%q", fmt.Sprint(err)), "application/json"
		}},
	} {
		bad := carriers.Push{Decode: good.Decode, Answer: good.Answer}
		if c.decode != nil {
			bad.Decode = c.decode
		}
		if c.answer != nil {
			bad.Answer = c.answer
		}
		said := examine(t, carriers.Carrier{Code: "bad", Push: &bad}, "one\ntwo")
		if !strings.Contains(said, c.want) {
			t.Errorf("a dialect that %s passes the exam; want %q, said:\n%s", name, c.want, said)
		}
	}
}

func TestInvalid(t *testing.T) {
	for err, want := range map[error]bool{
		trace.Invalid("x", "", ""): true, trace.ErrUnauthorized: true, trace.ErrUnavailable: false, trace.ErrNotFound: false, errors.New("x"): false,
	} {
		if invalid(err) != want {
			t.Errorf("%v: %t, want %t", err, !want, want)
		}
	}
}

package carriertest

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// A Signing says how pushes to a carrier are signed.
type Signing struct {
	carriers.Sending        // with one of the carrier's secrets
	Field            string // of the form, that has the signature
	Account          string // whose door they come through
	// Payload is what of a case's body is sent. nil: all of it.
	Payload func(body []byte) []byte
}

// Signed asks of a dialect that verifies signatures what each promises, with the
// payloads of its case files as the questions, sent as Outgoing sends them: what is
// signed with a secret of the carrier is understood; with another secret, or none
// where the door is open to all who sign, it is ErrUnauthorized; with any byte
// changed it is refused, or still means the same, and with another signature it is
// always refused; and out of quarantine its signature is not asked for. Where the
// door is open to all who sign, what is signed says nothing for a body beside it.
func Signed(t *testing.T, c carriers.Carrier, by Signing) {
	type question struct {
		name    string
		payload []byte
		ask     func(secret string) *carriers.Request
	}
	var all []question
	for _, f := range caseFiles(t) {
		payload := f.r.Body
		if by.Payload != nil {
			payload = by.Payload(payload)
		}
		how := by.Sending
		how.Call = cmp.Or(how.Call, f.r.Call)
		ask := func(secret string) *carriers.Request {
			how.Secret = secret
			o, err := c.Push.Outgoing(payload, how)
			if err != nil {
				return nil // no push of this carrier's
			}
			return received(c, o, by.Account)
		}
		if r := ask(by.Secret); r != nil && !understand(c, r).facts.Empty() {
			all = append(all, question{f.name(), payload, ask})
		}
	}
	if len(all) == 0 {
		t.Error("there is no case whose payload is understood when it is signed")
	}
	// The shortest is asked at every byte, the others at some.
	slices.SortStableFunc(all, func(a, b question) int { return len(a.ask(by.Secret).Body) - len(b.ask(by.Secret).Body) })
	for i, q := range all {
		t.Run(q.name, func(t *testing.T) {
			step := 1
			if i > 0 {
				step += len(q.ask(by.Secret).Body) / 100
			}
			signed(t, c, by, q.ask, i%step, step)
			if other := all[(i+1)%len(all)]; c.Push.Signed {
				beside(t, c, q.ask(by.Secret), "another payload", other.payload)
				beside(t, c, q.ask(by.Secret), "what another secret signs", other.ask(by.Secret+"?").Body)
			}
		})
	}
}

// signed asks all that Signed does of one payload. Every step-th byte of its request
// is changed, from the byte first on.
func signed(t testing.TB, c carriers.Carrier, by Signing, ask func(secret string) *carriers.Request, first, step int) {
	good, other := ask(by.Secret), ask(by.Secret+"?")
	want := told(understand(c, good))
	unauthorized(t, c, "signed with another secret", other)
	if c.Push.Signed {
		unauthorized(t, c, "not signed", ask(""))
	}
	other.Kept = true
	if u := understand(c, other); told(u) != want {
		t.Errorf("out of quarantine, with another signature: %v\ngot:\n%s\nwant:\n%s", u.err, told(u), want)
	}
	for at := first; at < len(good.Body); at += step {
		changed(t, c, good, want, at, 'a'^'A', false)
		changed(t, c, good, want, at, 1, false)
	}
	before, value, found := bytes.Cut(good.Body, []byte(by.Field+"="))
	if !found {
		t.Errorf("there is no field %s in what Outgoing makes", by.Field)
	}
	value, _, _ = bytes.Cut(value, []byte{'&'})
	for i := range value {
		changed(t, c, good, want, len(before)+len(by.Field)+1+i, 1, true)
	}
}

// beside puts another body beside a good request, whose own body, with its
// signature, becomes the query: it is refused.
func beside(t testing.TB, c carriers.Carrier, good *carriers.Request, what string, body []byte) {
	r := *good
	r.Query, r.Body = strings.Trim(good.Query+"&"+string(good.Body), "&"), body
	if u := understand(c, &r); !invalid(u.err) || !u.facts.Empty() {
		t.Errorf("%s, beside what is signed: %v, want it refused:\n%.1000s", what, u.err, told(u))
	}
}

// received is a request as it comes in when somebody sends o.
func received(c carriers.Carrier, o *carriers.Outgoing, account string) *carriers.Request {
	path, query, _ := strings.Cut(o.Path, "?")
	r := &carriers.Request{Body: o.Body, ContentType: o.ContentType, Query: query, Account: account}
	if c.Push.Gateway != "" && strings.HasPrefix(path, c.Push.Gateway) {
		r.Path = path
	} else {
		r.Call = strings.TrimPrefix(strings.TrimPrefix(path, "/push/"+c.Code), "/")
	}
	return r
}

func unauthorized(t testing.TB, c carriers.Carrier, what string, r *carriers.Request) {
	if u := understand(c, r); !errors.Is(u.err, trace.ErrUnauthorized) || !u.facts.Empty() {
		t.Errorf("%s: %v, %d events; want ErrUnauthorized", what, u.err, len(u.facts.Events))
	}
}

// changed: with another bit in one place, or the other case of a letter, a body is
// refused, or means what it meant, for not all of it is signed, and hex is hex in any
// case. always: it must be refused.
func changed(t testing.TB, c carriers.Carrier, good *carriers.Request, want string, at int, bit byte, always bool) {
	r := *good
	r.Body = bytes.Clone(good.Body)
	r.Body[at] ^= bit
	u := understand(c, &r)
	if refused := invalid(u.err) && u.facts.Empty(); !refused && (always || told(u) != want) {
		t.Errorf("byte %d of the body is %q, not %q: %v, want it refused:\n%.1000s", at, r.Body[at], good.Body[at], u.err, told(u))
	}
}

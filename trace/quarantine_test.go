package trace

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// held is a quarantined request with every field.
func held() Quarantined {
	return Quarantined{Heard: HLCAt(noon) + 1, Carrier: "sf", Account: "main", ContentType: "application/json; charset=UTF-8",
		Query: "a=1&b=%2F", Raw: []byte("{\"Body\":\x00}"),
		Faults: []Fault{{-1, "invalid_json", "", "it ends too soon"}, {3, "time_suspect", "acceptTime", "\"1970\" is before 2000"}, {}}}
}

func TestQuarantinedRoundTrip(t *testing.T) {
	for _, want := range []Quarantined{held(), {}, {Raw: bytes.Repeat([]byte("x"), 1<<20)}} {
		value := want.Append(nil)
		kept := slices.Clone(value)
		var got Quarantined
		if err := DecodeQuarantined(&got, value); err != nil {
			t.Fatal(err)
		}
		clear(value)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-written +read, which must not refer into the value:\n%s", diff)
		}
		if again := got.Append(nil); !bytes.Equal(again, kept) {
			t.Errorf("written again:\n%x, want\n%x", again, kept)
		}
		if got.Hash() != want.Hash() {
			t.Errorf("hash %x, want %x", got.Hash(), want.Hash())
		}
	}
}

// A request is kept once per door, account, query and body; when it came and
// why it was kept do not count.
func TestQuarantinedHash(t *testing.T) {
	base := held()
	for _, c := range []struct {
		name   string
		change func(*Quarantined)
		same   bool
	}{
		{"hearing", func(q *Quarantined) { q.Heard++ }, true},
		{"faults", func(q *Quarantined) { q.Faults = nil }, true},
		{"content type", func(q *Quarantined) { q.ContentType = "text/plain" }, true},
		{"carrier", func(q *Quarantined) { q.Carrier = "" }, false},
		{"account", func(q *Quarantined) { q.Account = "other" }, false},
		{"query", func(q *Quarantined) { q.Query = "" }, false},
		{"body", func(q *Quarantined) { q.Raw = append(slices.Clone(q.Raw), ' ') }, false},
		{"a letter that moves from one to the next", func(q *Quarantined) { q.Carrier, q.Account = "sfm", "ain" }, false},
		{"a letter that moves into the body", func(q *Quarantined) { q.Query, q.Raw = q.Query+"{", q.Raw[1:] }, false},
	} {
		q := base
		c.change(&q)
		if got := q.Hash() == base.Hash(); got != c.same {
			t.Errorf("%s: the same: %t, want %t", c.name, got, c.same)
		}
	}
}

func FuzzDecodeQuarantined(f *testing.F) {
	q := held()
	f.Add(q.Append(nil))
	f.Add(new(Quarantined).Append(nil))
	f.Add([]byte{0x42, 1, 'x'})
	f.Fuzz(func(t *testing.T, value []byte) {
		var q, again Quarantined
		if err := DecodeQuarantined(&q, value); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		first := q.Append(nil)
		if err := DecodeQuarantined(&again, first); err != nil {
			t.Fatalf("%x is written as %x, which is refused: %v", value, first, err)
		}
		if !cmp.Equal(q, again, cmpopts.EquateEmpty()) || !bytes.Equal(again.Append(nil), first) {
			t.Fatalf("%x is another request when it was written again:\n%s", value, cmp.Diff(q, again))
		}
	})
}

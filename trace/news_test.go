package trace

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// news is one of a waybill with facts of every kind.
func news(t tb) (News, *Facts) {
	t.Helper()
	n := News{Waybill{"SF7444400031887", "sf"}, 0x8072403511e7cf5e, 0xfedcba9876543210, 300, 1_772_366_400_000}
	f := &Facts{}
	for _, e := range []Event{full(t), revised(t), {Waybill: n.Waybill, At: full(t).At}} {
		e.Waybill = n.Waybill
		*f.Event() = e
	}
	f.Events[0].Leg = LegTo{Waybill{"YT1234567890123", "yto"}, LastMile}
	f.Events[2].Heard = 1
	for i := range f.Events {
		f.Seal(&f.Events[i], f.Events[i].Heard)
	}
	entry := learnedFacts(t)
	for _, c := range entry.Groups[0].Changes {
		switch c.Kind {
		case Listed:
			c.List.Waybill = n.Waybill
			f.Lists = append(f.Lists, *c.List, List{Waybill: n.Waybill, Source: "kdniao", Stamp: c.List.Stamp})
		case LegTold:
			c.Leg.Waybill = n.Waybill
			f.Legs = append(f.Legs, *c.Leg, LegFact{Waybill: n.Waybill, To: LegTo{Waybill{"", "usps"}, Main}, Since: firstLocal})
		case RecordKept:
			c.Record.Waybill = n.Waybill
			f.Records = append(f.Records, *c.Record)
		case Overrode:
			c.Override.Waybill = n.Waybill
			f.Overrides = append(f.Overrides, *c.Override)
		}
	}
	return n, f
}

// factsAlike compares facts by what they say.
var factsAlike = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Facts{})}

// What a sister reads is what was told, every kind of fact, ready for its store.
func TestNewsRoundTrip(t *testing.T) {
	n, f := news(t)
	value := n.Append([]byte("before"), f)
	if !bytes.HasPrefix(value, []byte("before")) {
		t.Fatalf("it was not appended: %q", value)
	}
	value = value[len("before"):]
	var got News
	facts := &Facts{Legs: []LegFact{{Since: 7}}}
	if err := DecodeNews(&got, value, facts); err != nil {
		t.Fatal(err)
	}
	if got != n {
		t.Errorf("it is %+v, was %+v", got, n)
	}
	if len(facts.Legs) != 3 || facts.Legs[0].Since != 7 {
		t.Errorf("the facts that were there: %+v", facts.Legs)
	}
	facts.Legs = facts.Legs[1:]
	if diff := cmp.Diff(f, facts, factsAlike); diff != "" {
		t.Errorf("-told +read:\n%s", diff)
	}
	for i := range facts.Events {
		if e := &facts.Events[i]; len(e.Value) == 0 || !bytes.Equal(e.Value, f.Events[i].Value) || e.Mark != f.Events[i].Mark {
			t.Errorf("event %d is not ready for the store: %x, mark %+v", i, e.Value, e.Mark)
		}
	}
	if again := got.Append(nil, facts); !bytes.Equal(again, value) {
		t.Errorf("told on:\n%x, want\n%x", again, value)
	}
	var head News
	if err := DecodeNewsHead(&head, value); err != nil || head != n {
		t.Errorf("its head is %+v, %v; want %+v", head, err, n)
	}
}

// An event travels as it is stored, without being decoded.
func TestNewsOfStoredEvents(t *testing.T) {
	e := sealed(full(t))
	n := News{e.Waybill, 1, 2, 3, 4}
	bare := &Facts{Events: []Event{{ID: e.ID, At: Time{Local: e.At.Local}, Value: e.Value}}}
	if got, want := n.Append(nil, bare), n.Append(nil, &Facts{Events: []Event{*e}}); !bytes.Equal(got, want) {
		t.Errorf("it was told as\n%x, want\n%x", got, want)
	}
}

func TestVoidNews(t *testing.T) {
	n := News{Waybill{"SF7444400031887", "sf"}, 1, 2, 3, 4}
	value := n.Append(nil, nil)
	var got News
	var facts Facts
	if err := DecodeNews(&got, value, &facts); err != nil || got != (News{Origin: 1, Mark: 2, Own: 3, At: 4}) || !facts.Empty() {
		t.Errorf("%+v, %+v, %v", got, facts, err)
	}
	if again := got.Append(nil, nil); !bytes.Equal(again, value) {
		t.Errorf("told on: %x, want %x", again, value)
	}
}

// said makes a record that is sound but for what write adds.
func said(write func(mm *easyproto.MessageMarshaler)) []byte {
	var m easyproto.Marshaler
	mm := m.MessageMarshaler()
	mm.AppendUint32(newsForm, NewsForm)
	mm.AppendFixed64(newsOrigin, 1)
	mm.AppendFixed64(newsMark, 2)
	mm.AppendUint64(newsOwn, 3)
	mm.AppendString(newsNumber, "SF7444400031887")
	mm.AppendString(newsCarrier, "sf")
	write(mm)
	return m.Marshal(nil)
}

func TestDecodeNewsRefuses(t *testing.T) {
	e := sealed(full(t))
	scan := func(write func(sm *easyproto.MessageMarshaler)) []byte {
		return said(func(mm *easyproto.MessageMarshaler) { write(mm.AppendMessage(newsEvent)) })
	}
	scanned := func(of Event) []byte {
		s := sealed(of)
		return scan(func(sm *easyproto.MessageMarshaler) {
			sm.AppendSint64(scanLocal, s.At.Local)
			sm.AppendFixed64(scanID, uint64(s.ID))
			sm.AppendBytes(scanEvent, s.Value)
		})
	}
	event := func(write func(em *easyproto.MessageMarshaler)) []byte {
		return scan(func(sm *easyproto.MessageMarshaler) {
			sm.AppendSint64(scanLocal, 1)
			sm.AppendFixed64(scanID, 1)
			write(sm.AppendMessage(scanEvent))
		})
	}
	of := func(field uint32, write func(fm *easyproto.MessageMarshaler)) []byte {
		return said(func(mm *easyproto.MessageMarshaler) { write(mm.AppendMessage(field)) })
	}
	plain := func(write func(mm *easyproto.MessageMarshaler)) []byte {
		var m easyproto.Marshaler
		write(m.MessageMarshaler())
		return m.Marshal(nil)
	}
	leg := func(to LegTo) []byte {
		return of(newsLeg, func(fm *easyproto.MessageMarshaler) { to.marshal(fm.AppendMessage(toldTo)) })
	}
	changed := func(change func(*Event)) Event {
		of := full(t)
		change(&of)
		return of
	}
	void := News{Origin: 1, Mark: 2, Own: 3}
	for _, c := range []struct {
		name  string
		value []byte
		want  error
		head  bool // also of whoever reads the head alone
	}{
		{"nothing", nil, ErrInvalid, true},
		{"a text", []byte("hello"), ErrInvalid, true},
		{"a record that is cut off", void.Append(nil, nil)[:9], ErrInvalid, true},
		{"no form", plain(func(mm *easyproto.MessageMarshaler) {
			mm.AppendFixed64(newsOrigin, 1)
			mm.AppendUint64(newsOwn, 3)
		}), ErrInvalid, true},
		{"form 0", plain(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(newsForm, 0) }), ErrInvalid, true},
		{"no origin", plain(func(mm *easyproto.MessageMarshaler) {
			mm.AppendUint32(newsForm, NewsForm)
			mm.AppendUint64(newsOwn, 3)
		}), ErrInvalid, true},
		{"no number of its own", plain(func(mm *easyproto.MessageMarshaler) {
			mm.AppendUint32(newsForm, NewsForm)
			mm.AppendFixed64(newsOrigin, 1)
		}), ErrInvalid, true},
		{"the next form", plain(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(newsForm, NewsForm+1) }), ErrNewer, true},
		{"the next form, otherwise like nothing that is known", append(plain(func(mm *easyproto.MessageMarshaler) {
			mm.AppendUint32(newsForm, NewsForm+1)
			mm.AppendString(newsOrigin, "x")
		}), 0xff), ErrNewer, true},
		{"an unknown field", said(func(mm *easyproto.MessageMarshaler) { mm.AppendString(newsOverride+1, "x") }), ErrNewer, true},
		{"an unknown field without a form", plain(func(mm *easyproto.MessageMarshaler) { mm.AppendString(newsOverride+1, "x") }), ErrInvalid, true},
		{"a number that is not canonical", plain(func(mm *easyproto.MessageMarshaler) {
			mm.AppendUint32(newsForm, NewsForm)
			mm.AppendFixed64(newsOrigin, 1)
			mm.AppendUint64(newsOwn, 3)
			mm.AppendString(newsNumber, "sf7444400031887")
			mm.AppendString(newsCarrier, "sf")
		}), ErrInvalid, true},
		{"a number without a carrier", plain(func(mm *easyproto.MessageMarshaler) {
			mm.AppendUint32(newsForm, NewsForm)
			mm.AppendFixed64(newsOrigin, 1)
			mm.AppendUint64(newsOwn, 3)
			mm.AppendString(newsNumber, "SF7444400031887")
		}), ErrInvalid, true},
		{"a number twice", said(func(mm *easyproto.MessageMarshaler) { mm.AppendString(newsCarrier, "yto") }), ErrInvalid, true},
		{"another number behind the facts", said(func(mm *easyproto.MessageMarshaler) {
			e.Leg.marshal(mm.AppendMessage(newsLeg).AppendMessage(toldTo))
			mm.AppendString(newsNumber, "SF7444400031888")
		}), ErrInvalid, true},
		{"a fact of no waybill", append(void.Append(nil, nil), plain(func(mm *easyproto.MessageMarshaler) { mm.AppendMessage(newsOverride) })...), ErrInvalid, false},
		{"a text in place of a fact", said(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(newsList, 1) }), ErrInvalid, false},
		{"a scan without an event", scan(func(*easyproto.MessageMarshaler) {}), ErrInvalid, false},
		{"an event under another identity", scan(func(sm *easyproto.MessageMarshaler) {
			sm.AppendSint64(scanLocal, e.At.Local)
			sm.AppendFixed64(scanID, uint64(e.ID)+1)
			sm.AppendBytes(scanEvent, e.Value)
		}), ErrInvalid, false},
		{"an event of another time", scan(func(sm *easyproto.MessageMarshaler) {
			s := sealed(sample(t))
			sm.AppendSint64(scanLocal, s.At.Local+1000)
			sm.AppendFixed64(scanID, uint64(s.ID))
			sm.AppendBytes(scanEvent, s.Value)
		}), ErrInvalid, false},
		{"an event of another waybill", scanned(changed(func(e *Event) { e.Number = "SF7444400031888" })), ErrInvalid, false},
		{"an event beyond the year 9999", scanned(changed(func(e *Event) { e.At.Local = lastLocal + 1 })), ErrInvalid, false},
		{"an event whose leg is not canonical", scanned(changed(func(e *Event) { e.Leg.Number = "yt1234567890123" })), ErrInvalid, false},
		{"an event whose leg would break a key", scanned(changed(func(e *Event) { e.Leg.Number = "YT12\x00" })), ErrInvalid, false},
		{"a source that would break a key", scanned(changed(func(e *Event) { e.Source = "s\x00f" })), ErrInvalid, false},
		{"an account that would break a key", scanned(changed(func(e *Event) { e.References[0].Account = "\x00" })), ErrInvalid, false},
		{"a list of a source that would break a key", of(newsList, func(fm *easyproto.MessageMarshaler) { fm.AppendString(listSource, "\x00") }), ErrInvalid, false},
		{"a leg to nowhere", leg(LegTo{Role: Return}), ErrInvalid, false},
		{"a leg to a number that is none", leg(LegTo{Waybill: Waybill{"AA", ""}}), ErrInvalid, false},
		{"a leg of a carrier that is none", leg(LegTo{Waybill: Waybill{"AAAA1", "USPS"}}), ErrInvalid, false},
		{"a record of no kind", of(newsRecord, func(fm *easyproto.MessageMarshaler) { fm.AppendString(recordSource, "alibaba") }), ErrInvalid, false},

		{"an unknown field of a scan", scan(func(sm *easyproto.MessageMarshaler) { sm.AppendUint32(scanEvent+1, 1) }), ErrNewer, false},
		{"an unknown field of an event", event(func(em *easyproto.MessageMarshaler) { em.AppendUint32(fieldReference+1, 1) }), ErrNewer, false},
		{"an unknown status", event(func(em *easyproto.MessageMarshaler) { em.AppendUint32(fieldStatus, uint32(statuses)) }), ErrNewer, false},
		{"an unknown zone", event(func(em *easyproto.MessageMarshaler) { em.AppendUint32(fieldZone, uint32(zones)) }), ErrNewer, false},
		{"an unknown precision", event(func(em *easyproto.MessageMarshaler) { em.AppendUint32(fieldPrecision, uint32(precisions)) }), ErrNewer, false},
		{"an unknown field of a text", event(func(em *easyproto.MessageMarshaler) { em.AppendMessage(fieldText).AppendString(textHeard+1, "x") }), ErrNewer, false},
		{"an unknown field of a reference", event(func(em *easyproto.MessageMarshaler) {
			em.AppendMessage(fieldReference).AppendString(referenceText+1, "x")
		}), ErrNewer, false},
		{"an unknown role of an event's leg", event(func(em *easyproto.MessageMarshaler) { em.AppendMessage(fieldLeg).AppendUint32(legRole, uint32(roles)) }), ErrNewer, false},
		{"an unknown field of a list", of(newsList, func(fm *easyproto.MessageMarshaler) { fm.AppendUint32(listRestores+1, 1) }), ErrNewer, false},
		{"an unknown field of a leg", of(newsLeg, func(fm *easyproto.MessageMarshaler) { fm.AppendUint32(toldHeard+1, 1) }), ErrNewer, false},
		{"an unknown role of a leg", of(newsLeg, func(fm *easyproto.MessageMarshaler) { fm.AppendMessage(toldTo).AppendUint32(legRole, uint32(roles)) }), ErrNewer, false},
		{"an unknown kind of record", of(newsRecord, func(fm *easyproto.MessageMarshaler) { fm.AppendUint32(recordKind, 3) }), ErrNewer, false},
		{"an unknown field of a charge", of(newsRecord, func(fm *easyproto.MessageMarshaler) {
			fm.AppendMessage(recordCharge).AppendUint32(chargeQuantity+1, 1)
		}), ErrNewer, false},
		{"a moment in an unknown zone", of(newsRecord, func(fm *easyproto.MessageMarshaler) {
			fm.AppendMessage(recordAt).AppendUint32(momentZone, uint32(zones))
		}), ErrNewer, false},
		{"an override to an unknown status", of(newsOverride, func(fm *easyproto.MessageMarshaler) { fm.AppendUint32(overrideStatus, uint32(statuses)) }), ErrNewer, false},
	} {
		var n News
		if err := DecodeNews(&n, c.value, new(Facts)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err := DecodeNewsHead(&n, c.value); errors.Is(err, c.want) != c.head {
			t.Errorf("%s: the head alone: %v, want an error %t", c.name, err, c.head)
		}
	}
	var n News
	if err := DecodeNews(&n, scanned(full(t)), new(Facts)); err != nil {
		t.Errorf("the event that the others were made of: %v", err)
	}
}

// A record that breaks says which one it is, and what is wrong with it.
func TestNewsSayWhatIsWrong(t *testing.T) {
	var n News
	err := DecodeNews(&n, said(func(mm *easyproto.MessageMarshaler) { mm.AppendMessage(newsEvent) }), new(Facts))
	if want := "news 3 of 0000000000000001: a scan without an event"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// What is taken for newer than this version is what docs/trace.proto does not have.
func TestNewsShapeIsTheDocuments(t *testing.T) {
	doc := readProto(t)
	seen := map[string]bool{}
	var compare func(message string, s *shape)
	compare = func(message string, s *shape) {
		seen[message] = true
		fields := doc.messages[message]
		last := uint32(0)
		for number, field := range fields {
			last = max(last, number)
			if (s.in[number] != nil) != (doc.messages[field.kind] != nil) {
				t.Errorf("%s.%s: a shape is there: %t", message, field.name, s.in[number] != nil)
			} else if in := s.in[number]; in != nil {
				compare(field.kind, in)
			}
			if got, want := s.below[number], uint64(len(doc.enums[field.kind])); got != want {
				t.Errorf("%s.%s: %d values are known, the document has %d", message, field.name, got, want)
			}
		}
		if s.last != last || int(last) != len(fields) {
			t.Errorf("%s: the last field is %d, the document has %d and in all %d", message, s.last, last, len(fields))
		}
	}
	compare("News", &newsShape)
	if len(seen) != 12 {
		t.Errorf("%d messages were compared: %v", len(seen), seen)
	}
}

func FuzzDecodeNews(f *testing.F) {
	n, facts := news(f)
	f.Add(n.Append(nil, facts))
	f.Add(n.Append(nil, nil))
	f.Add(n.Append(nil, &Facts{}))
	for i := range facts.Events {
		f.Add(n.Append(nil, &Facts{Events: facts.Events[i : i+1]}))
	}
	f.Add(n.Append(nil, &Facts{Legs: facts.Legs, Overrides: facts.Overrides}))
	f.Fuzz(func(t *testing.T, value []byte) {
		var n, head, again News
		var facts, reread Facts
		if err := DecodeNews(&n, value, &facts); err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNewer) {
				t.Fatal(err)
			}
			return
		}
		if err := DecodeNewsHead(&head, value); err != nil || head != n {
			t.Fatalf("%x: the head alone is %+v, %v; want %+v", value, head, err, n)
		}
		tell := func(n *News, f *Facts) []byte {
			if n.Number == "" {
				f = nil
			}
			return n.Append(nil, f)
		}
		first := tell(&n, &facts)
		if err := DecodeNews(&again, first, &reread); err != nil {
			t.Fatalf("%x is told on as %x, which is refused: %v", value, first, err)
		}
		if diff := cmp.Diff(facts, reread, factsAlike); again != n || diff != "" || !bytes.Equal(tell(&again, &reread), first) {
			t.Fatalf("%x is other news when it was told on: %+v\n%s", value, again, diff)
		}
	})
}

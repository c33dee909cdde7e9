package trace

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"pgregory.net/rapid"
)

// oracle makes the head out of all facts in one go: it groups them, picks the
// copy that stands, and walks the journey once. It shares the codec's hashes and
// the encoding of a head with the code, nothing else.
func oracle(t *rapid.T, facts []Event, seen tally) []byte {
	groups := map[ID][]*Event{}
	references := map[Reference]bool{}
	sources := map[string]bool{}
	for _, e := range facts {
		for _, r := range e.References {
			if r.Text != "" && !strings.ContainsFunc(r.Text, unicode.IsControl) {
				references[r] = true
			}
		}
		sources[e.Source] = true
		id := naiveIdentity(&e)
		e.References = slices.Clone(e.References)
		s := sealed(e)
		if s.ID != id {
			t.Fatalf("identity %s, want %s", s.ID, id)
		}
		groups[id] = append(groups[id], s)
	}
	h := Head{Sources: slices.Sorted(maps.Keys(sources))}
	h.References = slices.SortedFunc(maps.Keys(references), func(a, b Reference) int {
		return strings.Compare(a.Account+"\x00"+a.Text, b.Account+"\x00"+b.Text)
	})

	for id, copies := range groups {
		if edits := slices.DeleteFunc(slices.Clone(copies), func(e *Event) bool { return !e.TextEdits }); len(edits) > 0 {
			copies = edits
		}
		stands := slices.MaxFunc(copies, func(a, b *Event) int {
			return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(naiveFields(a), naiveFields(b)), cmp.Compare(a.Mark.Hash, b.Mark.Hash))
		})
		x := Entry{ID: id, At: stands.At, Pair: stands.Pair, Table: stands.Table, Fields: uint8(naiveFields(stands)), Hash: stands.Mark.Hash}
		x.At.Raw = ""
		x.Source = uint8(slices.Index(h.Sources, stands.Source))
		if stands.TextEdits {
			first := map[Text]HLC{}
			for _, e := range copies {
				if old, known := first[e.Text]; !known || e.Heard < old {
					first[e.Text] = e.Heard
				}
			}
			var marks []TextMark
			for text, heard := range first {
				marks = append(marks, TextMark{text.hash(), heard})
			}
			slices.SortFunc(marks, func(a, b TextMark) int {
				return cmp.Or(cmp.Compare(a.Heard, b.Heard), cmp.Compare(a.Hash, b.Hash))
			})
			if len(marks) == 1 {
				x.Hash ^= marks[0].Hash<<1 | marks[0].Hash>>63
			} else {
				x.Texts = marks
			}
		}
		h.Entries = append(h.Entries, x)
	}
	slices.SortFunc(h.Entries, func(a, b Entry) int {
		return cmp.Or(naivePin(&a).Compare(naivePin(&b)),
			cmp.Compare(naiveRank[a.Pair.Status], naiveRank[b.Pair.Status]), cmp.Compare(a.ID, b.ID))
	})
	naiveFold(&h, seen)
	return h.Append(nil)
}

// naiveIdentity builds the bytes under the hash as the promise lists them.
func naiveIdentity(e *Event) ID {
	text, reason := e.Text.Text, e.ReasonCode
	if e.TextEdits {
		text, reason = "", ""
	}
	text = strings.Join(strings.FieldsFunc(text, unicode.IsSpace), "")
	place := strings.Join([]string{e.Place.Address, e.Place.City, e.Place.State, e.Place.Country, e.Place.Postal}, "\x1f")
	b := bytes.NewBuffer([]byte{1})
	for _, s := range []string{e.Number, e.Carrier, e.Source, e.Code, reason, e.At.Raw, place, text} {
		var length [binary.MaxVarintLen64]byte
		b.Write(length[:binary.PutUvarint(length[:], uint64(len(s)))])
		b.WriteString(s)
	}
	sum := sha256.Sum256(b.Bytes())
	return ID(binary.BigEndian.Uint64(sum[:]))
}

// naiveFields counts what the source gave, one by one.
func naiveFields(e *Event) (n int) {
	given := []string{e.Source, e.Code, e.ReasonCode, e.Place.Address, e.Place.City, e.Place.State, e.Place.Country, e.Place.Postal,
		e.Pair.Sub, e.CarrierID, e.Operator, e.SignedBy, e.Hint}
	if !e.TextEdits {
		given = append(given, e.Text.Text, e.Text.Reason, e.Text.EN, e.Text.ZH)
	}
	for _, s := range given {
		if s != "" {
			n++
		}
	}
	for _, is := range []bool{e.Pair.Status != Unknown, e.Quantity != 0, e.Latitude != 0 || e.Longitude != 0} {
		if is {
			n++
		}
	}
	return n
}

var naiveRank = map[Status]int{Unknown: 0, PreTransit: 10, PickedUp: 20, InTransit: 30, Exception: 35, OutForDelivery: 40,
	AttemptFailed: 45, AvailableForPickup: 50, Returning: 60, Delivered: 90, Cancelled: 91, Lost: 92, Returned: 95}

// naivePin is the moment that an entry stands at.
func naivePin(x *Entry) time.Time {
	local := time.UnixMilli(x.At.Local).In(time.UTC)
	early, late := naiveRank[x.Pair.Status] <= 10, naiveRank[x.Pair.Status] >= 90
	y, m, d := local.Date()
	at := func(hour, minute, second int) { local = time.Date(y, m, d, hour, minute, second, 0, time.UTC) }
	switch {
	case x.At.Precision == Day && early:
		at(0, 0, 0)
	case x.At.Precision == Day && late:
		at(23, 59, 59)
	case x.At.Precision == Day:
		at(12, 0, 0)
	case x.At.Precision == Minute && early:
		at(local.Hour(), local.Minute(), 0)
	case x.At.Precision == Minute && late:
		at(local.Hour(), local.Minute(), 59)
	case x.At.Precision == Minute:
		at(local.Hour(), local.Minute(), 30)
	}
	return local.Add(-time.Duration(x.At.Offset) * time.Minute)
}

// naiveFold walks the journey by the table of what replaces what.
func naiveFold(h *Head, seen tally) {
	h.Since, h.First = -1, -1
	for m := range h.Milestones {
		h.Milestones[m] = -1
	}
	var ended time.Time
	back, scans := false, 0
	for i := range h.Entries {
		now, to := h.Pair.Status, h.Entries[i].Pair
		if to.Status == Delivered && back {
			to = Pair{Returned, "to_sender"}
		}
		papers := strings.Contains(to.Sub, "customs")
		if papers && naiveRank[now] >= 40 {
			seen["papers that came too late"]++
			continue
		}
		at := naivePin(&h.Entries[i])
		switch replaces[now][to.Status] {
		case 'n':
			seen.when("an end that stood", now == Delivered || now == Returned)
			continue
		case '6':
			if at.Before(ended.Add(6 * time.Hour)) {
				seen["an attempt too soon to reopen"]++
				continue
			}
			h.Corrected = true
			seen["reopened by an attempt"]++
		case '2':
			if !at.After(ended.Add(24 * time.Hour)) {
				continue
			}
			if scans++; scans < 2 {
				continue
			}
			h.Corrected, to = true, Pair{InTransit, "reopened"}
			seen["reopened by scans"]++
		}
		seen.when("lost or cancelled, then scanned", now == Lost || now == Cancelled)
		seen.when("returned by a delivery", back && h.Entries[i].Pair.Status == Delivered)
		if to.Status != now {
			h.Since = i
			if strings.Contains("delivered returned lost cancelled", to.Status.String()) {
				ended, scans = at, 0
			}
		}
		h.Pair, back = to, back || to.Status == Returning
		if to.Status == Delivered && h.First < 0 {
			h.First = i
		}
		for m, name := range []string{"pre_transit", "picked_up", "in_transit.departed in_transit.linehaul", "in_transit.arrived_country",
			"in_transit.customs_cleared", "out_for_delivery.last_mile_received", "out_for_delivery", "attempt_failed",
			"available_for_pickup", "delivered", "returning", "returned"} {
			full := to.Status.String() + "." + to.Sub
			reaches := slices.ContainsFunc(strings.Fields(name), func(s string) bool { return full == s || to.Status.String() == s })
			if h.Milestones[m] < 0 && reaches {
				h.Milestones[m] = i
			}
		}
	}
}

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
)

// A telling is one fact as a node heard it: one of its members.
type telling struct {
	event *Event
	list  *List // judged
	leg   *LegFact
	word  *Override
}

// of is whose fact it is.
func (t *telling) of() Waybill {
	switch {
	case t.event != nil:
		return t.event.Waybill
	case t.list != nil:
		return t.list.Waybill
	case t.leg != nil:
		return t.leg.Waybill
	}
	return t.word.Waybill
}

// A naive is what the oracle makes of all facts of one waybill.
type naive struct {
	of     Waybill
	h      Head
	hidden []bool
	told   []bool     // another source tells it better
	names  [][]string // all sources that tell of an entry, where there are several
	epoch  []int
}

// oracle makes the heads out of all facts in one go: it groups them, picks the copy
// that stands, asks every list about every event, cuts the parcels apart and walks
// the last journey once. It shares the codec's hashes and the encoding of a head
// with the code, nothing else.
func oracle(all []telling, seen tally) map[Waybill]*naive {
	by := map[Waybill][]telling{}
	for _, t := range all {
		by[t.of()] = append(by[t.of()], t)
	}
	found := map[Waybill]*naive{}
	for of, facts := range by {
		if n := naiveFacts(of, facts); n != nil {
			found[of] = n
		}
	}
	for _, n := range found {
		n.journey(func(child Waybill) (newest *naive) {
			for _, of := range slices.SortedFunc(maps.Keys(found), func(a, b Waybill) int { return strings.Compare(a.Carrier, b.Carrier) }) {
				c := found[of]
				if of.Number == child.Number && (of.Carrier == child.Carrier || child.Carrier == "") && len(c.h.Entries) > 0 &&
					(newest == nil || naivePin(&c.h.Entries[len(c.h.Entries)-1]).After(naivePin(&newest.h.Entries[len(newest.h.Entries)-1]))) {
					newest = c
				}
			}
			return newest
		}, seen)
	}
	return found
}

// naiveFacts puts the facts of one waybill together; nil where none of them counts.
func naiveFacts(of Waybill, facts []telling) *naive {
	n := &naive{of: of}
	groups := map[ID][]*Event{}
	references := map[Reference]bool{}
	sources := map[string]bool{}
	marks := map[ID]Marks{}
	legs := map[LegFact]bool{}
	counted := false
	for _, f := range facts {
		switch {
		case f.event != nil:
			e := *f.event
			at := time.UnixMilli(e.At.Local - 60_000*int64(e.At.Offset))
			if at.Before(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) || at.After(time.UnixMilli(int64(e.Heard>>16)).Add(26*time.Hour)) {
				continue
			}
			for _, r := range e.References {
				if r.Text != "" && !strings.ContainsFunc(r.Text, unicode.IsControl) {
					references[r] = true
				}
			}
			sources[e.Source] = true
			e.Append(nil) // for the hashes
			id := naiveIdentity(&e)
			groups[id] = append(groups[id], &e)
		case f.list != nil:
			spoke := func(ids []ID, of func(*Marks) *Stamp) {
				for _, id := range ids {
					m := marks[id]
					if s := of(&m); s.Heard < f.list.Heard || s.Heard == f.list.Heard && s.Origin < f.list.Origin {
						*s = f.list.Stamp
					}
					marks[id] = m
				}
			}
			spoke(f.list.Shows, func(m *Marks) *Stamp { return &m.Show })
			if !f.list.Doubtful {
				spoke(f.list.Hides, func(m *Marks) *Stamp { return &m.Hide })
			}
		case f.leg != nil:
			legs[LegFact{To: f.leg.To, Since: f.leg.Since}] = true
		case f.word != nil:
			if have := &n.h.Override; f.word.Heard > have.Heard || f.word.Heard == have.Heard && f.word.Origin > have.Origin {
				*have = Override{Pair: f.word.Pair, Author: f.word.Author, Reason: f.word.Reason, Stamp: f.word.Stamp}
			}
		}
		counted = true
	}
	if !counted {
		return nil
	}
	n.h.Sources = slices.Sorted(maps.Keys(sources))
	n.h.References = slices.SortedFunc(maps.Keys(references), func(a, b Reference) int {
		return strings.Compare(a.Account+"\x00"+a.Text, b.Account+"\x00"+b.Text)
	})
	n.h.Told = slices.SortedFunc(maps.Keys(legs), func(a, b LegFact) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.To.Number, b.To.Number),
			strings.Compare(a.To.Carrier, b.To.Carrier), cmp.Compare(a.To.Role, b.To.Role))
	})
	for id, copies := range groups {
		x := naiveEntry(id, copies)
		x.Source = uint16(slices.Index(n.h.Sources, copies[0].Source))
		x.Marks = marks[id]
		delete(marks, id)
		n.h.Entries = append(n.h.Entries, x)
	}
	for id, m := range marks {
		n.h.Ghosts = append(n.h.Ghosts, Ghost{id, m})
	}
	slices.SortFunc(n.h.Ghosts, func(a, b Ghost) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(n.h.Entries, naiveOrder)
	n.look()
	return n
}

func naiveOrder(a, b Entry) int {
	return cmp.Or(naivePin(&a).Compare(naivePin(&b)),
		cmp.Compare(naiveRank[a.Pair.Status], naiveRank[b.Pair.Status]), cmp.Compare(a.ID, b.ID))
}

// naiveEntry picks the copy that stands, and gathers the texts.
func naiveEntry(id ID, copies []*Event) Entry {
	if edits := slices.DeleteFunc(slices.Clone(copies), func(e *Event) bool { return !e.TextEdits }); len(edits) > 0 {
		copies = edits
	}
	stands := slices.MaxFunc(copies, func(a, b *Event) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(naiveFields(a), naiveFields(b)), cmp.Compare(a.Mark.Hash, b.Mark.Hash))
	})
	x := Entry{ID: id, At: stands.At, Pair: stands.Pair, Table: stands.Table, Fields: uint8(naiveFields(stands)), Hash: stands.Mark.Hash,
		Provisional: stands.Provisional, Leg: stands.Leg}
	x.At.Raw = ""
	if !stands.TextEdits {
		return x
	}
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
	return x
}

// look says of each entry whether it was taken back, who else tells of it, and
// which parcel's it is.
func (n *naive) look() {
	size := len(n.h.Entries)
	n.hidden, n.told, n.names, n.epoch = make([]bool, size), make([]bool, size), make([][]string, size), make([]int, size)
	scans := make([]string, size)
	for i := range n.h.Entries {
		scans[i] = naiveScan(&n.h.Entries[i])
		m := n.h.Entries[i].Marks
		n.hidden[i] = m.Hide.Heard > m.Show.Heard || m.Hide.Heard == m.Show.Heard && m.Hide.Origin > m.Show.Origin
	}
	for i := range n.h.Entries {
		x := &n.h.Entries[i]
		tellers := make(map[string]bool, 2)
		for j := range n.h.Entries {
			if y := &n.h.Entries[j]; !n.hidden[i] && !n.hidden[j] && x.Pair.Status != Unknown && scans[i] == scans[j] {
				tellers[n.h.Sources[y.Source]] = true
			}
		}
		if len(tellers) < 2 {
			continue
		}
		n.names[i] = slices.Sorted(maps.Keys(tellers))
		best := n.names[i][0]
		if tellers[n.of.Carrier] {
			best = n.of.Carrier
		}
		n.told[i] = n.h.Sources[x.Source] != best
	}
	var parcel []*Entry
	for i := range n.h.Entries {
		x := &n.h.Entries[i]
		if i > 0 {
			n.epoch[i] = n.epoch[i-1]
		}
		if n.hidden[i] || n.told[i] {
			continue
		}
		begins := x.Pair.Status == PreTransit || x.Pair.Status == PickedUp
		if begins && len(parcel) > 0 && !naivePin(x).Before(naivePin(parcel[len(parcel)-1]).Add(60*24*time.Hour)) &&
			ends[naiveWalk(parcel, tally{}).Pair.Status] {
			parcel = nil
			n.epoch[i]++
		}
		parcel = append(parcel, x)
	}
}

// ends are the statuses that end a journey.
var ends = map[Status]bool{Delivered: true, Returned: true, Lost: true, Cancelled: true}

// naiveScan is what two sources have alike who tell of the same.
func naiveScan(x *Entry) string {
	local := time.UnixMilli(x.At.Local).UTC()
	if x.At.Precision == Day {
		return x.Pair.Status.String() + local.Format(" 2006-01-02")
	}
	return x.Pair.Status.String() + local.Format(" 2006-01-02 15:04")
}

// shown are the entries of an epoch that count, and the hash of all that is shown
// of them.
func (n *naive) shown(epoch int) (entries []*Entry, hash uint64) {
	hash = 14695981039346656037 // FNV-1a
	add := func(b ...byte) {
		for _, c := range b {
			hash = (hash ^ uint64(c)) * 1099511628211
		}
	}
	for i := range n.h.Entries {
		if n.epoch[i] != epoch || n.hidden[i] || n.told[i] {
			continue
		}
		x := &n.h.Entries[i]
		entries = append(entries, x)
		add(binary.BigEndian.AppendUint64(nil, uint64(x.ID))...)
		add(binary.BigEndian.AppendUint64(nil, x.Hash)...)
		for _, t := range x.Texts {
			add(binary.BigEndian.AppendUint64(nil, t.Hash)...)
		}
		for _, name := range n.names[i] {
			add(byte(len(name)))
			add([]byte(name)...)
		}
	}
	return entries, hash
}

// at is the epoch of a moment: the last that had begun, or the next one where the
// number was free by then.
func (n *naive) at(moment time.Time) (epoch int) {
	for i := range n.h.Entries {
		if !naivePin(&n.h.Entries[i]).After(moment) {
			epoch = max(epoch, n.epoch[i])
		}
	}
	if n.free(epoch, moment) && slices.Contains(n.epoch, epoch+1) {
		return epoch + 1
	}
	return epoch
}

// free: the epoch's parcel had ended sixty days before the moment, or longer.
func (n *naive) free(epoch int, moment time.Time) bool {
	steps, _ := n.shown(epoch)
	if len(steps) == 0 {
		return false
	}
	slices.SortStableFunc(steps, func(a, b *Entry) int { return naiveOrder(*a, *b) })
	last := naivePin(steps[len(steps)-1])
	return ends[naiveWalk(steps, tally{}).Pair.Status] && !moment.Before(last.AddDate(0, 0, 60))
}

// journey tells the last parcel's journey, over the numbers that it went on under.
func (n *naive) journey(kin func(Waybill) *naive, seen tally) {
	last := 0
	for _, e := range n.epoch {
		last = max(last, e)
	}
	n.h.Earlier, n.h.start = last, max(0, slices.Index(n.epoch, last))
	var steps []*Entry
	steps, n.h.own = n.shown(last)
	for _, l := range n.legs(steps, last) {
		child := kin(l.Waybill)
		if child != nil {
			l.Carrier = child.of.Carrier
		}
		if slices.ContainsFunc(n.h.Legs, func(o Leg) bool { return o.Waybill == l.Waybill }) {
			continue
		}
		if child != nil {
			epoch, moves := 0, false // that was under way
			for i := len(child.h.Entries) - 1; i >= 0; i-- {
				late := !naivePin(&child.h.Entries[i]).Before(time.UnixMilli(l.Since)) && !child.hidden[i] && !child.told[i]
				if late || i == len(child.h.Entries)-1 {
					epoch = child.epoch[i]
				}
				moves = moves || late
			}
			if moves || !child.free(epoch, time.UnixMilli(l.Since)) {
				var more []*Entry
				more, l.Child = child.shown(epoch)
				steps = append(steps, more...)
			}
		}
		n.h.Legs = append(n.h.Legs, l)
	}
	slices.SortStableFunc(steps, func(a, b *Entry) int { return naiveOrder(*a, *b) })
	n.h.Meaning = naiveWalk(steps, seen)
	if word := &n.h.Override; word.Pair.Status != Unknown {
		if heard := time.UnixMilli(int64(word.Heard >> 16)); n.at(heard) == last {
			n.h.Pair, n.h.Overridden = word.Pair, true
			n.h.Since = Moment{Known: true, At: Time{Local: heard.Unix() * 1000, Zone: ZoneOffset}}
		}
	}
	// A head writes the time of an own entry as which entry it is.
	moments := []*Moment{&n.h.Since, &n.h.First}
	for i := range n.h.Milestones {
		moments = append(moments, &n.h.Milestones[i])
	}
	for _, m := range moments {
		for i := len(n.h.Entries) - 1; i >= n.h.start; i-- {
			if m.Known && n.h.Entries[i].At == m.At {
				m.entry = i + 1
			}
		}
	}
}

// legs are the numbers that an epoch's parcel went on under, each once, the first
// eight.
func (n *naive) legs(shown []*Entry, epoch int) (legs []Leg) {
	var all []Leg
	carrier := ""
	for i := len(n.h.Told) - 1; i >= 0; i-- {
		l := &n.h.Told[i]
		if n.at(time.UnixMilli(l.Since)) != epoch {
			continue
		}
		if l.To.Number == "" {
			carrier = l.To.Carrier // the first of them is met last
		} else {
			all = append(all, Leg{LegTo: l.To, Since: l.Since})
		}
	}
	for _, x := range shown {
		if x.Leg.Number != "" {
			all = append(all, Leg{LegTo: x.Leg, Since: naivePin(x).UnixMilli()})
		}
	}
	all = slices.DeleteFunc(all, func(l Leg) bool {
		return l.Number == n.of.Number && (l.Carrier == "" || l.Carrier == n.of.Carrier)
	})
	for i := range all {
		if all[i].Carrier == "" {
			all[i].Carrier = carrier
		}
	}
	slices.SortFunc(all, func(a, b Leg) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.Number, b.Number), strings.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Role, b.Role))
	})
	for _, l := range all {
		if len(legs) < 8 && !slices.ContainsFunc(legs, func(o Leg) bool { return o.Waybill == l.Waybill }) {
			legs = append(legs, l)
		}
	}
	return legs
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
	for _, is := range []bool{e.Pair.Status != Unknown, e.Quantity != 0, e.Latitude != 0 || e.Longitude != 0, e.Leg != LegTo{}} {
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

// naiveWalk walks a journey by the table of what replaces what.
func naiveWalk(steps []*Entry, seen tally) (m Meaning) {
	var ended time.Time
	back, scans := false, 0
	for _, x := range steps {
		now, to := m.Pair.Status, x.Pair
		if x.Provisional && ends[to.Status] {
			seen["words that said it was over"]++
			continue
		}
		if to.Status == Delivered && back {
			to = Pair{Returned, "to_sender"}
		}
		if strings.Contains(to.Sub, "customs") && naiveRank[now] >= 40 {
			seen["papers that came too late"]++
			continue
		}
		at := naivePin(x)
		switch replaces[now][to.Status] {
		case 'n':
			seen.when("an end that stood", now == Delivered || now == Returned)
			continue
		case '6':
			if at.Before(ended.Add(6 * time.Hour)) {
				seen["an attempt too soon to reopen"]++
				continue
			}
			m.Corrected = true
			seen["reopened by an attempt"]++
		case '2':
			if !at.After(ended.Add(24 * time.Hour)) {
				continue
			}
			if scans++; scans < 2 {
				continue
			}
			m.Corrected, to = true, Pair{InTransit, "reopened"}
			seen["reopened by scans"]++
		}
		if (now == Lost || now == Cancelled) && to.Status != Lost && to.Status != Cancelled {
			m.Corrected = true
			seen["lost or cancelled, then scanned"]++
		}
		seen.when("returned by a delivery", back && x.Pair.Status == Delivered)
		// A door, a counter and the road follow each other as they like, trouble
		// and all else too.
		loop := "in_transit out_for_delivery attempt_failed available_for_pickup"
		legal := strings.Contains(loop, now.String()) && strings.Contains(loop, to.Status.String()) || now == Exception || to.Status == Exception
		if !legal && naiveRank[now]-naiveRank[to.Status] > 20 {
			m.Anomalies++
			seen["an anomaly"]++
		}
		this := Moment{At: x.At, Known: true}
		if to.Status != now {
			m.Since = this
		}
		if ends[to.Status] {
			ended, scans = at, 0
		}
		m.Pair, back = to, back || to.Status == Returning
		if to.Status == Delivered && !m.First.Known {
			m.First = this
		}
		for i, name := range []string{"pre_transit", "picked_up", "in_transit.departed in_transit.linehaul", "in_transit.arrived_country",
			"in_transit.customs_cleared", "out_for_delivery.last_mile_received", "out_for_delivery", "attempt_failed",
			"available_for_pickup", "delivered", "returning", "returned"} {
			full := to.Status.String() + "." + to.Sub
			reaches := slices.ContainsFunc(strings.Fields(name), func(s string) bool { return full == s || to.Status.String() == s })
			if !m.Milestones[i].Known && reaches {
				m.Milestones[i] = this
			}
		}
	}
	return m
}

// naiveJudge judges a list as promise 4 has it, from all that its node knew: what it
// leaves out, what it has again, and whether it is believed. news is false where
// it says nothing new.
func naiveJudge(known []telling, l *List) (want List, news bool) {
	n := naiveFacts(l.Waybill, slices.DeleteFunc(slices.Clone(known), func(t telling) bool { return t.of() != l.Waybill }))
	want = List{Waybill: l.Waybill, Source: l.Source, Stamp: l.Stamp, Shows: l.Has}
	has := map[ID]bool{}
	for _, id := range l.Has {
		has[id] = true
	}
	newest := -1
	var begins, finishes time.Time
	for i := range n.h.Entries {
		if has[n.h.Entries[i].ID] {
			if finishes = naivePin(&n.h.Entries[i]); newest < 0 {
				begins = finishes
			}
			newest = i
		}
	}
	var left, again []ID
	could, over, behind := 0, false, true
	for i := range n.h.Entries {
		x := &n.h.Entries[i]
		if n.h.Sources[x.Source] != l.Source || n.epoch[i] != n.epoch[newest] {
			continue
		}
		if n.hidden[i] && has[x.ID] {
			again = append(again, x.ID)
		}
		if !n.hidden[i] && x.Show != (Stamp{}) && !naivePin(x).Before(begins) {
			could++
			if !has[x.ID] && !l.Partial {
				left = append(left, x.ID)
				over, behind = over || ends[x.Pair.Status], behind && naivePin(x).After(finishes)
			}
		}
	}
	slices.Sort(left)
	slices.Sort(again)
	set := func(o *List) string {
		ids := slices.Concat(o.Shows, o.Restores)
		slices.Sort(ids)
		return string(binary.BigEndian.AppendUint64(nil, uint64(len(ids)))) + idText(ids)
	}
	var firm, doubted []*List // newest first
	for _, f := range known {
		switch o := f.list; {
		case o == nil || o.Waybill != l.Waybill || o.Source != l.Source:
		case o.Doubtful:
			doubted = append(doubted, o)
		default:
			firm = append(firm, o)
		}
	}
	for _, lists := range [][]*List{firm, doubted} {
		slices.SortFunc(lists, func(a, b *List) int {
			return cmp.Or(cmp.Compare(b.Heard, a.Heard), cmp.Compare(b.Origin, a.Origin))
		})
	}
	same := len(firm) > 0 && set(firm[0]) == set(&want)
	replay := !same && slices.ContainsFunc(firm, func(o *List) bool { return set(o) == set(&want) && !o.Partial })
	change := len(left)+len(again) > 0
	if same && !change && (len(doubted) == 0 || doubted[0].Heard < firm[0].Heard || doubted[0].Heard == firm[0].Heard && doubted[0].Origin < firm[0].Origin) {
		return want, false
	}
	want.Hides = left
	if !change || !(over || 2*len(left) > could || behind && len(left) > 0 || replay) {
		return want, true
	}
	wait := 30 * time.Minute
	if replay {
		wait = 6 * time.Hour
	}
	upheld := func(d *List) bool {
		for _, id := range slices.Concat(left, again) {
			if slices.Contains(left, id) && !slices.Contains(d.Hides, id) || slices.Contains(again, id) && !slices.Contains(d.Restores, id) {
				return false
			}
			for _, o := range slices.Concat(firm, doubted) {
				between := o.Heard > d.Heard || o.Heard == d.Heard && o.Origin > d.Origin
				if between && slices.Contains(o.Shows, id) {
					return false
				}
			}
		}
		return true
	}
	for _, d := range doubted {
		if int64(l.Heard>>16)-int64(d.Heard>>16) >= wait.Milliseconds() && upheld(d) {
			return want, true
		}
	}
	want.Doubtful, want.Restores = true, again
	want.Shows = slices.DeleteFunc(slices.Clone(l.Has), func(id ID) bool { return slices.Contains(again, id) })
	news = !slices.ContainsFunc(doubted, func(d *List) bool { return set(d) == set(&want) && upheld(d) })
	return want, news
}

func idText(ids []ID) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(id.String())
	}
	return b.String()
}

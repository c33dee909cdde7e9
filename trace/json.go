package trace

import (
	"encoding/binary"
	"hash/fnv"
	"strconv"
)

// foldVersion is part of every tag: it changes when the same facts mean
// something else to the fold, or read otherwise in an answer.
const foldVersion = 2

// AppendFolding appends what heads are folded under beside their facts: the fold's
// version and its settings. Heads that were folded under another are to be folded
// anew.
func AppendFolding(b []byte) []byte {
	return append(binary.AppendVarint(append(b, foldVersion), int64(Folding.EpochAfter)), flag(Folding.HidePreTransit))
}

// AppendTag appends the weak entity tag of a trace in a variant, quotes and all:
// a hash of the visible part of the head and of the variant. The head must have
// been decoded. Two nodes with the same facts give the same tag.
func (t *Trace) AppendTag(dst []byte, v Variant) []byte {
	sum := fnv.New64a()
	var buf [512]byte
	b := append(buf[:0], byte(v.Lang), flag(v.Desc), flag(v.Events), flag(v.Retracted), flag(v.Business), flag(v.Override))
	b = binary.BigEndian.AppendUint16(b, uint16(v.Fields))
	b = binary.AppendUvarint(b, uint64(v.Epoch))
	b = AppendFolding(b)
	b = appendPart(appendPart(b, t.Number), t.Carrier)
	for _, names := range [][]string{t.Also, t.AlsoNumbers} {
		b = binary.AppendUvarint(b, uint64(len(names)))
		for _, name := range names {
			b = appendPart(b, name)
		}
	}
	h := &t.Head
	for _, r := range h.References {
		if r.Account == v.Account {
			b = appendPart(b, r.Text)
		}
	}
	if v.deep() {
		// Seldom asked for, and about what is not in the hash of what is shown.
		sum.Write(b)
		sum.Write(h.raw[:h.refsAt])
		for i := range t.Legs {
			sum.Write(t.Legs[i].Head.raw)
		}
		b = h.raw[h.refsEnd:]
	} else {
		b = h.appendVisible(b)
	}
	sum.Write(b)
	dst = append(dst, `W/"`...)
	dst = appendHex16(dst, sum.Sum64())
	return append(dst, '"')
}

// appendVisible appends what is shown of a head but for its references: what its
// own events and those of its legs hash to, and what is not an event.
func (h *Head) appendVisible(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.own)
	for i := range h.Legs {
		l := &h.Legs[i]
		b = binary.AppendVarint(appendLegTo(b, l.LegTo), l.Since)
		b = binary.BigEndian.AppendUint64(b, l.Child)
	}
	b = binary.AppendUvarint(b, uint64(h.Earlier))
	b = binary.BigEndian.AppendUint64(b, h.Records)
	if h.Overridden {
		b = appendStamp(appendPair(b, h.Override.Pair), h.Override.Stamp)
		b = appendPart(b, h.Override.Reason)
	}
	return b
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// AppendJSON appends the trace as API answers give it, in a variant.
func (t *Trace) AppendJSON(dst []byte, v Variant) []byte {
	o := object{append(dst, '{')}
	if v.Fields.has("number") {
		o.string("number", t.Number)
	}
	if v.Fields.has("carrier") {
		o.string("carrier", t.Carrier)
	}
	if v.Fields.has("references") {
		t.Head.appendReferences(&o, v.Account)
	}
	m, legs := t.meaning(v)
	if v.Fields.has("status") {
		o.key("status")
		o.b = t.Head.appendStatus(o.b, m, v.Lang)
	}
	if v.Fields.has("milestones") {
		m.appendMilestones(&o)
	}
	if v.Fields.has("legs") {
		t.appendLegs(&o, legs)
	}
	if v.Events && v.Fields.has("events") {
		o.key("events")
		o.b = t.appendEvents(append(o.b, '['), v)
		o.b = append(o.b, ']')
	}
	if v.Fields.has("also") {
		o.strings("also", t.Also)
	}
	if v.Fields.has("also_numbers") {
		o.strings("also_numbers", t.AlsoNumbers)
	}
	if v.Fields.has("earlier") {
		o.number("earlier", int64(t.epoch(v)))
	}
	t.appendRecords(&o, v)
	if v.Override && v.Fields.has("override") {
		t.Head.Override.append(&o)
	}
	return append(o.b, '}')
}

func (h *Head) appendReferences(o *object, account string) {
	open := false
	for i := range h.References {
		if h.References[i].Account != account {
			continue
		}
		if !open {
			o.key("references")
			o.b = append(o.b, '[')
			open = true
		} else {
			o.b = append(o.b, ',')
		}
		o.b = AppendString(o.b, h.References[i].Text)
	}
	if open {
		o.b = append(o.b, ']')
	}
}

// append appends an operator's word, also one that was withdrawn by its author's
// last.
func (w *Override) append(o *object) {
	if *w == (Override{}) {
		return
	}
	o.key("override")
	said := object{append(o.b, '{')}
	if w.Pair.Status != Unknown {
		said.string("status", w.Pair.Status.String())
		said.string("sub", w.Pair.Sub)
	}
	said.string("author", w.Author)
	said.string("reason", w.Reason)
	said.key("time")
	said.b = append(AppendTime(append(said.b, '"'), w.Heard.Milli()/1000*1000, 0), '"')
	o.b = append(said.b, '}')
}

func (t *Trace) appendLegs(o *object, legs []Leg) {
	o.key("legs")
	o.b = append(o.b, '[')
	leg := func(w Waybill, role Role) {
		one := object{append(o.b, '{')}
		one.string("carrier", w.Carrier)
		one.string("number", w.Number)
		one.string("role", role.String())
		o.b = append(one.b, '}')
	}
	leg(t.Waybill, Main)
	for i := range legs {
		o.b = append(o.b, ',')
		leg(legs[i].Waybill, legs[i].Role)
	}
	o.b = append(o.b, ']')
}

func (t *Trace) appendEvents(b []byte, v Variant) []byte {
	if !v.Desc && t.plain() {
		for i := range t.Events {
			if i > 0 {
				b = append(b, ',')
			}
			b = t.Events[i].AppendJSON(b, v.Lang)
		}
		return b
	}
	lines := t.lines(v)
	for i := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		l := &lines[i]
		if v.Desc {
			l = &lines[len(lines)-1-i]
		}
		b = l.event.appendJSON(b, v.Lang, l)
	}
	return b
}

// appendRecords appends charges, and business events where they are asked for.
func (t *Trace) appendRecords(o *object, v Variant) {
	list := func(name string, kind RecordKind, one func(*object, *Record)) {
		open := false
		for i := range t.Records {
			r := &t.Records[i]
			if r.Kind != kind {
				continue
			}
			if !open {
				o.key(name)
				o.b = append(o.b, '[')
				open = true
			} else {
				o.b = append(o.b, ',')
			}
			item := object{append(o.b, '{')}
			one(&item, r)
			o.b = append(item.b, '}')
		}
		if open {
			o.b = append(o.b, ']')
		}
	}
	if v.Fields.has("charges") {
		list("charges", Charges, func(o *object, r *Record) {
			o.string("batch", r.Batch)
			o.string("source", r.Source)
			o.key("items")
			o.b = append(o.b, '[')
			for i, c := range r.Items {
				if i > 0 {
					o.b = append(o.b, ',')
				}
				item := object{append(o.b, '{')}
				item.string("code", c.Code)
				item.string("name", c.Name)
				item.number("quantity", c.Quantity)
				o.b = append(item.b, '}')
			}
			o.b = append(o.b, ']')
		})
	}
	if v.Business && v.Fields.has("business") {
		list("business", Business, func(o *object, r *Record) {
			o.string("code", r.Event)
			o.key("time")
			o.b = r.At.appendJSON(o.b)
			o.string("status", r.Status)
			o.string("reason", r.Reason)
			o.string("source", r.Source)
			if r.Ext != "" {
				o.key("ext")
				o.b = append(o.b, r.Ext...)
			}
		})
	}
}

func (m *Meaning) appendMilestones(o *object) {
	open := false
	for i := range m.Milestones {
		at := &m.Milestones[i]
		if !at.Known {
			continue
		}
		if !open {
			o.key("milestones")
			o.b = append(o.b, '{')
			open = true
		}
		o.key(milestoneTable[i].name)
		o.b = at.At.appendJSON(o.b)
	}
	if open {
		o.b = append(o.b, '}')
	}
}

// AppendStatus appends the status object of a head.
func (h *Head) AppendStatus(dst []byte, lang Lang) []byte {
	return h.appendStatus(dst, &h.Meaning, lang)
}

func (h *Head) appendStatus(dst []byte, m *Meaning, lang Lang) []byte {
	o := object{append(dst, '{')}
	o.string("code", m.Pair.Status.String())
	o.string("sub", m.Pair.Sub)
	o.string("label", labels[m.Pair.Status][lang])
	if m.Since.Known {
		o.key("since")
		o.b = m.Since.At.appendJSON(o.b)
	}
	o.key("terminal")
	o.b = strconv.AppendBool(o.b, m.Pair.Status.Terminal())
	o.string("party", m.Pair.Party().String())
	o.truth("action_required", m.Pair.ActionRequired())
	if m.Overridden {
		o.string("reason", h.Override.Reason)
	} else {
		o.string("reason", m.Pair.Reason(lang))
	}
	if m.Corrected {
		o.truth("corrected", true)
		if m.First.Known {
			o.key("first_delivered")
			o.b = m.First.At.appendJSON(o.b)
		}
	}
	return append(o.b, '}')
}

// AppendJSON appends one event. lang picks which of its texts is the
// description.
func (e *Event) AppendJSON(dst []byte, lang Lang) []byte { return e.appendJSON(dst, lang, nil) }

// appendJSON appends one event as a line of a trace shows it; nil is one that
// stands for itself. Names come with what stands around them: there are more of
// them than of anything else.
func (e *Event) appendJSON(b []byte, lang Lang, as *line) []byte {
	b = append(b, `{"id":"`...)
	b = append(appendHex16(b, uint64(e.ID)), '"')
	b = appendMember(b, `,"carrier_id":`, e.CarrierID)
	switch {
	case e.At.Precision == Day:
		b = append(b, `,"date":`...)
	case e.At.Zone == ZoneUnknown:
		b = append(b, `,"local_time":`...)
	default:
		b = append(b, `,"time":`...)
	}
	b = e.At.appendJSON(b)
	b = append(append(append(b, `,"zone_from":"`...), e.At.Zone.String()...), '"')
	if e.At.Zone == ZoneUnknown {
		b = appendMember(b, `,"raw_time":`, e.At.Raw)
	}
	if e.Pair.Status != Unknown {
		b = append(append(append(b, `,"status":"`...), e.Pair.Status.String()...), '"')
		b = appendMember(b, `,"sub":`, e.Pair.Sub)
	}
	b = appendTruth(b, `,"provisional":true`, e.Provisional)
	b = appendMember(b, `,"code":`, e.Code)
	text := e.shown()
	b = appendMember(b, `,"description":`, text.in(lang))
	b = appendMember(b, `,"description_en":`, text.EN)
	b = appendMember(b, `,"description_zh":`, text.ZH)
	b = appendMember(b, `,"reason_code":`, e.ReasonCode)
	b = appendMember(b, `,"reason":`, text.Reason)
	b = appendMember(b, `,"address":`, e.Place.Address)
	b = appendMember(b, `,"country":`, e.Place.Country)
	b = appendMember(b, `,"state":`, e.Place.State)
	b = appendMember(b, `,"city":`, e.Place.City)
	b = appendMember(b, `,"postal_code":`, e.Place.Postal)
	b = appendMember(b, `,"operator":`, e.Operator)
	b = appendMember(b, `,"signed_by":`, e.SignedBy)
	if e.Quantity != 0 {
		b = strconv.AppendUint(append(b, `,"quantity":`...), uint64(e.Quantity), 10)
	}
	if e.Latitude != 0 || e.Longitude != 0 {
		b = strconv.AppendFloat(append(b, `,"latitude":`...), e.Latitude, 'f', -1, 64)
		b = strconv.AppendFloat(append(b, `,"longitude":`...), e.Longitude, 'f', -1, 64)
	}
	if n := len(e.Revisions); n > 1 {
		b = strconv.AppendInt(append(b, `,"revised":`...), int64(n-1), 10)
	}
	if as != nil {
		b = appendTruth(b, `,"retracted":true`, as.retracted)
		if as.leg {
			b = appendMember(b, `,"carrier":`, e.Carrier)
			b = appendMember(b, `,"number":`, e.Number)
		}
	}
	if as != nil && len(as.sources) > 0 {
		o := object{b}
		o.strings("sources", as.sources)
		b = o.b
	} else {
		b = append(AppendString(append(b, `,"sources":[`...), e.Source), ']')
	}
	b = AppendTime(append(b, `,"received":"`...), e.Heard.Milli()/1000*1000, 0)
	return append(b, `"}`...)
}

// in picks the text that reads best in a language.
func (t *Text) in(lang Lang) string {
	if own, ok := ParseLang(t.Lang); ok && (own == EN) == (lang == EN) && t.Text != "" {
		return t.Text
	}
	switch {
	case lang == EN && t.EN != "":
		return t.EN
	case lang != EN && t.ZH != "":
		return t.ZH
	case t.Text != "":
		return t.Text
	case t.EN != "":
		return t.EN
	}
	return t.ZH
}

// appendJSON appends a time as its source knew it: RFC 3339 with the local
// offset, a local time where no zone is known, or a day.
func (t Time) appendJSON(dst []byte) []byte {
	dst = append(dst, '"')
	switch {
	case t.Precision == Day:
		dst = appendDate(dst, t.Local)
	case t.Zone == ZoneUnknown:
		dst = appendLocal(dst, t.Local, 'T')
	default:
		dst = AppendTime(dst, t.Instant(), t.Offset)
	}
	return append(dst, '"')
}

package trace

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"unicode"
	"unicode/utf8"
)

// An ID is an event's identity: eight bytes that are the same on every node, in
// every order, for every hearing of the event.
type ID uint64

// String is the identity as sixteen hexadecimal digits.
func (id ID) String() string { return hex16(uint64(id)) }

// identityForm is the first byte under the hash, so that a later form of
// identity can never meet one of this form.
const identityForm = 1

// identify computes an event's identity: the first eight bytes of SHA-256 over
// the form, then number, carrier, source, code, reason code, time as written,
// place (its five parts joined by 0x1F) and the text without white space, each
// preceded by its length as uvarint. TextEdits leaves reason code and text
// empty. Mapped status, zone, hearing and the carrier's own id are never in it.
// scratch is used and returned for the next call.
func (e *Event) identify(scratch []byte) (ID, []byte) {
	b := append(scratch[:0], identityForm)
	b = appendPart(b, e.Number)
	b = appendPart(b, e.Carrier)
	b = appendPart(b, e.Source)
	b = appendPart(b, e.Code)
	edits := e.TextEdits && ruleRevision.on()
	if edits {
		b = appendPart(b, "")
	} else {
		b = appendPart(b, e.ReasonCode)
	}
	b = appendPart(b, e.At.Raw)
	p := &e.Place
	b = binary.AppendUvarint(b, uint64(len(p.Address)+len(p.City)+len(p.State)+len(p.Country)+len(p.Postal)+4))
	b = append(append(b, p.Address...), 0x1F)
	b = append(append(b, p.City...), 0x1F)
	b = append(append(b, p.State...), 0x1F)
	b = append(append(b, p.Country...), 0x1F)
	b = append(b, p.Postal...)
	if edits {
		b = appendPart(b, "")
	} else {
		b = appendPartWithoutSpace(b, e.Text.Text)
	}
	sum := sha256.Sum256(b)
	return ID(binary.BigEndian.Uint64(sum[:8])), b
}

func appendPart(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendPartWithoutSpace leaves out white space; each byte that is not UTF-8 counts as
// U+FFFD.
func appendPartWithoutSpace(b []byte, s string) []byte {
	at, size := gap(s)
	if size == 0 {
		return appendPart(b, s) // as most texts in Chinese
	}
	start := len(b)
	for size > 0 {
		b = append(b, s[:at]...)
		if r, _ := utf8.DecodeRuneInString(s[at:]); r == utf8.RuneError {
			b = utf8.AppendRune(b, r)
		}
		s = s[at+size:]
		at, size = gap(s)
	}
	b = append(b, s...)
	// Only now the length is known that stands in front.
	var length [binary.MaxVarintLen64]byte
	return slices.Insert(b, start, length[:binary.PutUvarint(length[:], uint64(len(b)-start))]...)
}

// gap finds the first white space of a text, or the first byte of it that is not
// UTF-8; size is 0 where there is neither.
func gap(s string) (at, size int) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c > ' ' && c < utf8.RuneSelf:
			i++
			continue
		case c >= 0xE4 && c <= 0xE9 && i+2 < len(s) && s[i+1]&0xC0 == 0x80 && s[i+2]&0xC0 == 0x80:
			i += 3 // U+4000 to U+9FFF: no white space there
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsSpace(r) || r == utf8.RuneError && n == 1 {
			return i, n
		}
		i += n
	}
	return 0, 0
}

// A Mark is what tells copies of one event apart, and which of them stands: the
// greatest by (Table, Fields, Hash). Text and references are outside it, but
// for the text of an event that is identified by it.
type Mark struct {
	Table  uint32 // version of the code table that mapped it
	Fields uint8  // how many fields the source gave
	Hash   uint64 // of everything but text, references and hearing
	Text   uint64 // hash of the one text of a TextEdits event; 0 where it has several
}

func (m Mark) compare(o Mark) int {
	return cmp.Or(cmp.Compare(m.Table, o.Table), cmp.Compare(m.Fields, o.Fields), cmp.Compare(m.Hash, o.Hash))
}

// Merge unites e with another copy of the same event, which it leaves alone:
// the copy with the greater mark stands, every text keeps its first hearing,
// references unite, and the earlier hearing is kept. A copy whose text may be
// edited outranks those whose text may not, and gains but references of them.
// It reports whether anything changed that must be kept; then e is to be encoded
// anew. Merging is commutative, associative and idempotent.
func (e *Event) Merge(o *Event) (changed bool) {
	for _, c := range []*Event{e, o} {
		if c.Mark == (Mark{}) {
			c.mark()
		}
	}
	texts := e.uniteTexts(o)
	refs := uniteReferences(e.References, o.References)
	changed = len(refs) != len(e.References) || !slices.Equal(texts, e.Revisions)
	stands, heard := o.Mark.compare(e.Mark) > 0, min(e.Heard, o.Heard)
	switch {
	case o.TextEdits && !e.TextEdits:
		stands, heard = true, o.Heard
	case e.TextEdits && !o.TextEdits:
		stands, heard = false, e.Heard
	}
	if stands {
		value := e.Value
		*e = *o
		e.Value = value
		changed = true
	}
	e.References, e.Revisions = refs, texts
	if n := len(texts); n > 0 {
		e.Text = texts[n-1]
	}
	changed = changed || heard != e.Heard && e.TextEdits
	e.Heard = heard
	return changed
}

// uniteTexts gives the edited texts of both copies in the order of their first
// hearing, or none while there is but one.
func (e *Event) uniteTexts(o *Event) []Text {
	type hashed struct {
		Text
		hash uint64
	}
	var all []hashed
	for _, t := range append(e.texts(), o.texts()...) {
		all = append(all, hashed{t, t.hash()})
	}
	slices.SortFunc(all, func(a, b hashed) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.Heard, b.Heard))
	})
	all = slices.CompactFunc(all, func(a, b hashed) bool { return a.hash == b.hash })
	if len(all) <= 1 {
		return nil
	}
	slices.SortFunc(all, func(a, b hashed) int {
		return cmp.Or(cmp.Compare(a.Heard, b.Heard), cmp.Compare(a.hash, b.hash))
	})
	texts := make([]Text, len(all))
	for i := range all {
		texts[i] = all[i].Text
	}
	return texts
}

// texts is a fresh slice of all texts of a TextEdits event with their hearings,
// and of none of another event.
func (e *Event) texts() []Text {
	switch {
	case !e.TextEdits:
		return nil
	case len(e.Revisions) > 0:
		return slices.Clone(e.Revisions)
	}
	only := e.Text
	only.Heard = e.Heard
	return []Text{only}
}

// uniteReferences gives the sorted union. It returns a when that has them all.
func uniteReferences(a, b []Reference) []Reference {
	missing := false
	for _, r := range b {
		missing = missing || !slices.Contains(a, r)
	}
	if !missing {
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, compareReferences)
	return slices.Compact(all)
}

func compareReferences(a, b Reference) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Text, b.Text))
}

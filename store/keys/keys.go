// Package keys makes and reads the keys of the store: one place that knows how
// waybill and time become bytes. It knows nothing of the database beneath.
//
// Numbers are big-endian, so byte order is time order. 0x00 stands after every
// text in a key but the last, and texts hold no control characters, so no text
// can run into the next. Every function that makes a key appends to dst and
// returns it; texts read from a key are copies.
//
//	w number 00 00 carrier                    head
//	w number 00 01 carrier 00 at(8) id(8)     event
//	r account 00 reference 00 number 00 carrier
//	g child 00 parent 00 parent carrier 00 child carrier
//	c number 00 carrier 00 kind(1) id(8)      charges and business events
//	j number 00 carrier 00 source             what judging lists needs
//	f partition(2) seq(8)                     feed entry
//	b follower 00 partition(2)                bookmark
//	k partition(2)                            how far a partition of the topic was read
//	k partition(2) origin(8)                  what was read of a node's news in it
//	p follower 00 due(8) partition(2) seq(8)  what could not be told to a follower
//	q hash(16)                                quarantined request
//	u carrier 00 code                         unmapped code
//	m name                                    about the directory itself
package keys

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"waytrace/trace"
)

// The first byte of a key says what kind it is.
const (
	KindWaybill    = 'w'
	KindReference  = 'r'
	KindLeg        = 'g'
	KindRecord     = 'c'
	KindJudgement  = 'j'
	KindFeed       = 'f'
	KindBookmark   = 'b'
	KindProgress   = 'k'
	KindParked     = 'p'
	KindQuarantine = 'q'
	KindUnmapped   = 'u'
	KindMeta       = 'm'
)

// What stands behind a number: its heads sort before its events.
const (
	partHead  = 0x00
	partEvent = 0x01
)

// Waybill appends the prefix that all keys of a number share: its heads and,
// behind them, its events.
func Waybill(dst []byte, number string) []byte {
	return append(append(append(dst, KindWaybill), number...), 0)
}

// Heads appends the prefix of a number's heads, one a carrier.
func Heads(dst []byte, number string) []byte { return append(Waybill(dst, number), partHead) }

// Head appends the key of a head.
func Head(dst []byte, w trace.Waybill) []byte { return append(Heads(dst, w.Number), w.Carrier...) }

// Events appends the prefix of a waybill's events, oldest local time first.
func Events(dst []byte, w trace.Waybill) []byte {
	dst = append(Waybill(dst, w.Number), partEvent)
	return append(append(dst, w.Carrier...), 0)
}

// Event appends the key of an event. local is its time as written, read as UTC,
// in milliseconds since 1970: it follows from the identity, so a key never
// moves. Storage order only; the order of answers is the fold's.
func Event(dst []byte, w trace.Waybill, local int64, id trace.ID) []byte {
	dst = binary.BigEndian.AppendUint64(Events(dst, w), uint64(local)^1<<63)
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// EventOf reads what follows the prefix that Events made in an event's key.
func EventOf(rest []byte) (local int64, id trace.ID, ok bool) {
	if len(rest) != 16 {
		return 0, 0, false
	}
	return int64(binary.BigEndian.Uint64(rest) ^ 1<<63), trace.ID(binary.BigEndian.Uint64(rest[8:])), true
}

// Reference appends the key that leads from an account's reference to a waybill.
func Reference(dst []byte, r trace.Reference, w trace.Waybill) []byte {
	dst = append(append(References(dst, r), w.Number...), 0)
	return append(dst, w.Carrier...)
}

// References appends the prefix of all waybills of a reference.
func References(dst []byte, r trace.Reference) []byte {
	dst = append(append(append(dst, KindReference), r.Account...), 0)
	return append(append(dst, r.Text...), 0)
}

// Leg appends the key that leads from the number that a parcel goes on under back
// to the parcel. The child's carrier is empty where it is not known.
func Leg(dst []byte, child, parent trace.Waybill) []byte {
	dst = append(append(Parents(dst, child.Number), parent.Number...), 0)
	return append(append(append(dst, parent.Carrier...), 0), child.Carrier...)
}

// Parents appends the prefix of all parcels that go on under a number.
func Parents(dst []byte, number string) []byte {
	return append(append(append(dst, KindLeg), number...), 0)
}

// Record appends the key of a record.
func Record(dst []byte, w trace.Waybill, kind trace.RecordKind, id trace.ID) []byte {
	return binary.BigEndian.AppendUint64(append(Records(dst, w), byte(kind)), uint64(id))
}

// Records appends the prefix of a waybill's records.
func Records(dst []byte, w trace.Waybill) []byte {
	dst = append(append(append(dst, KindRecord), w.Number...), 0)
	return append(append(dst, w.Carrier...), 0)
}

// Judgement appends the key of what judging a source's lists of a waybill needs.
func Judgement(dst []byte, w trace.Waybill, source string) []byte {
	dst = append(append(append(dst, KindJudgement), w.Number...), 0)
	return append(append(append(dst, w.Carrier...), 0), source...)
}

// Unmapped appends the key of a code that a source's table does not know.
func Unmapped(dst []byte, carrier, code string) []byte {
	return append(append(append(append(dst, KindUnmapped), carrier...), 0), code...)
}

// Feed appends the key of a feed entry: what one batch learned in one
// partition, under its first seq.
func Feed(dst []byte, partition uint16, seq uint64) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, KindFeed), partition)
	return binary.BigEndian.AppendUint64(dst, seq)
}

// Bookmark appends the key of how far a follower of the feed has got in a partition.
func Bookmark(dst []byte, follower string, partition uint16) []byte {
	return binary.BigEndian.AppendUint16(append(append(append(dst, KindBookmark), follower...), 0), partition)
}

// Position appends the key of how far a partition of the topic was read: the prefix of
// all that is kept of reading it.
func Position(dst []byte, partition uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, KindProgress), partition)
}

// Known appends the key of what was read of a node's news in a partition. No node has
// the origin 0.
func Known(dst []byte, partition uint16, origin trace.Origin) []byte {
	return binary.BigEndian.AppendUint64(Position(dst, partition), uint64(origin))
}

// Parked appends the key of what could not be told to a follower: it is due again at
// a moment in milliseconds since 1970, or by an operator's word only where that is 0.
func Parked(dst []byte, follower string, due uint64, partition uint16, seq uint64) []byte {
	dst = binary.BigEndian.AppendUint64(ParkedOf(dst, follower), due)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(dst, partition), seq)
}

// ParkedOf appends the prefix of all that could not be told to a follower.
func ParkedOf(dst []byte, follower string) []byte {
	return append(append(append(dst, KindParked), follower...), 0)
}

// Quarantine appends the key of a quarantined request.
func Quarantine(dst []byte, hash [16]byte) []byte {
	return append(append(dst, KindQuarantine), hash[:]...)
}

// Meta appends the key of a fact about the directory.
func Meta(dst []byte, name string) []byte { return append(append(dst, KindMeta), name...) }

// End appends the first key behind all that begin with prefix. A prefix never
// ends in 0xFF: the last byte is a kind, a part or 0x00.
func End(dst, prefix []byte) []byte {
	dst = append(dst, prefix...)
	dst[len(dst)-1]++
	return dst
}

// Split is where the part of a key ends that bounds what is asked for together:
// behind the number's 0x00 in the keys of waybills, legs and records, else the
// whole key.
func Split(key []byte) int {
	if len(key) > 0 && Grouped(key[0]) {
		if i := bytes.IndexByte(key, 0); i >= 0 {
			return i + 1
		}
	}
	return len(key)
}

// Grouped reports whether keys of a kind are asked for together by number. Those of
// kind 't' are not written yet: how keys are split is fixed when a directory is made.
func Grouped(kind byte) bool {
	return kind == KindWaybill || kind == KindLeg || kind == KindRecord || kind == 't'
}

// A Key is a key read back, for iterating and for dumping a directory.
type Key struct {
	Kind      byte
	Waybill   trace.Waybill // of w, r, c and j; the parent of g
	Child     trace.Waybill // of g
	Record    trace.RecordKind
	Source    string   // of j; the carrier of u
	Code      string   // of u
	IsEvent   bool     // of w: an event, else a head
	Local     int64    // of an event
	ID        trace.ID // of an event, or of a record
	Reference trace.Reference
	Partition uint16       // of f, b, k and p
	Seq       uint64       // of f and p
	Follower  string       // of b and p
	Due       uint64       // of p
	Origin    trace.Origin // of k; 0 is the position
	Hash      [16]byte
	Name      string // of m
}

// Parse reads a key. A key that none of the functions above makes is
// trace.ErrInvalid.
func Parse(key []byte) (Key, error) {
	if k, ok := parse(key); ok {
		return k, nil
	}
	return Key{}, fmt.Errorf("key %q: %w", key, trace.ErrInvalid)
}

func parse(key []byte) (k Key, ok bool) {
	if len(key) < 2 {
		return k, false
	}
	k.Kind = key[0]
	rest := key[1:]
	ok = true
	text := func() string {
		i := bytes.IndexByte(rest, 0)
		if i < 0 {
			ok = false
			return ""
		}
		s := string(rest[:i])
		rest = rest[i+1:]
		return s
	}
	switch k.Kind {
	case KindWaybill:
		k.Waybill.Number = text()
		if !ok || len(rest) == 0 || rest[0] > partEvent {
			return k, false
		}
		k.IsEvent = rest[0] == partEvent
		rest = rest[1:]
		if !k.IsEvent {
			k.Waybill.Carrier = string(rest)
			break
		}
		k.Waybill.Carrier = text()
		if !ok {
			return k, false
		}
		k.Local, k.ID, ok = EventOf(rest)
	case KindReference:
		k.Reference.Account, k.Reference.Text = text(), text()
		k.Waybill.Number = text()
		k.Waybill.Carrier = string(rest)
	case KindLeg:
		k.Child.Number = text()
		k.Waybill.Number, k.Waybill.Carrier = text(), text()
		k.Child.Carrier = string(rest)
	case KindRecord:
		k.Waybill.Number, k.Waybill.Carrier = text(), text()
		if !ok || len(rest) != 9 {
			return k, false
		}
		k.Record, k.ID = trace.RecordKind(rest[0]), trace.ID(binary.BigEndian.Uint64(rest[1:]))
	case KindJudgement:
		k.Waybill.Number, k.Waybill.Carrier = text(), text()
		k.Source = string(rest)
	case KindUnmapped:
		k.Source = text()
		k.Code = string(rest)
	case KindFeed:
		if len(rest) != 10 {
			return k, false
		}
		k.Partition = binary.BigEndian.Uint16(rest)
		k.Seq = binary.BigEndian.Uint64(rest[2:])
	case KindBookmark:
		k.Follower = text()
		if !ok || len(rest) != 2 {
			return k, false
		}
		k.Partition = binary.BigEndian.Uint16(rest)
	case KindProgress:
		if len(rest) != 2 && len(rest) != 10 {
			return k, false
		}
		k.Partition = binary.BigEndian.Uint16(rest)
		if len(rest) == 10 {
			k.Origin = trace.Origin(binary.BigEndian.Uint64(rest[2:]))
			ok = k.Origin != 0
		}
	case KindParked:
		k.Follower = text()
		if !ok || len(rest) != 18 {
			return k, false
		}
		k.Due = binary.BigEndian.Uint64(rest)
		k.Partition = binary.BigEndian.Uint16(rest[8:])
		k.Seq = binary.BigEndian.Uint64(rest[10:])
	case KindQuarantine:
		ok = copy(k.Hash[:], rest) == len(k.Hash) && len(rest) == len(k.Hash)
	case KindMeta:
		k.Name = string(rest)
	default:
		return k, false
	}
	return k, ok && (k.Kind != KindWaybill || strings.IndexByte(k.Waybill.Carrier, 0) < 0)
}

package trace

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A RecordKind says what a record beside the trace is. Its number is the stored form.
type RecordKind uint8

// The kinds of record.
const (
	Charges  RecordKind = 1 // a batch of charges; the same batch again replaces it
	Business RecordKind = 2 // something that a business partner says of an order
)

// A Record (费用, 事件) is told of a waybill beside its trace: a batch of charges, or
// a business event. Of two with one Key the one heard last counts; one that says
// the same as what is stored is a repeat.
type Record struct {
	Waybill
	Kind   RecordKind
	Source string
	Stamp

	// Batch identifies charges: the same batch again replaces them, so nothing is
	// charged twice.
	Batch string
	Items []Charge

	// Of a business event.
	Event  string // its code, as given
	At     Time
	Status string // as given: SUCCESS, FAILURE, IN_PROGRESS
	Reason string
	Ext    string // what else it says, JSON as given

	Item  int // which item of its request it was; not stored
	Taken Taken
}

// A Charge is one line of a batch of charges.
type Charge struct {
	Code, Name string
	Quantity   int64 // at least 1, in the source's unit
}

// Key is the record's identity among those of its waybill and kind: of charges
// over source and batch, of a business event over all that it says.
func (r *Record) Key() ID {
	b := appendPart(nil, r.Source)
	if r.Kind == Charges {
		b = appendPart(b, r.Batch)
	} else {
		b = r.appendSaid(b)
	}
	sum := sha256.Sum256(b)
	return ID(binary.BigEndian.Uint64(sum[:8]))
}

// Says is a hash of what the record says: that of a repeat is the same.
func (r *Record) Says() uint64 { return hash64(r.appendSaid(nil)) }

func (r *Record) appendSaid(b []byte) []byte {
	for _, s := range [...]string{r.Source, r.Batch, r.Event, r.At.Raw, r.Status, r.Reason, r.Ext} {
		b = appendPart(b, s)
	}
	for _, c := range r.Items {
		b = appendPart(appendPart(b, c.Code), c.Name)
		b = binary.AppendVarint(b, c.Quantity)
	}
	return b
}

// MaxCharges is how many charges one batch may have.
const MaxCharges = 200

// MaxRecords is how many records a waybill may have. Beyond, one is quarantined.
const MaxRecords = 200

// MaxExt is the length of what a business event says beside its fields, in bytes.
const MaxExt = 8 << 10

func (r *Record) check(now int64) (f Fault, ok bool) {
	number, err := ParseNumber(r.Number)
	switch {
	case err != nil:
		return Fault{Code: "invalid_number", Field: "number", Detail: Words(err)}, false
	case !ValidCarrier(r.Carrier):
		return Fault{Code: "invalid_carrier", Field: "carrier", Detail: "a carrier is 1 to 32 characters out of a-z 0-9 -"}, false
	case len(r.Items) > MaxCharges:
		return Fault{Code: "too_many_items", Field: "charges", Detail: fmt.Sprintf("%d charges; at most %d are taken", len(r.Items), MaxCharges)}, false
	case len(r.Ext) > MaxExt:
		return Fault{Code: "too_long", Field: "ext", Detail: fmt.Sprintf("longer than %d bytes", MaxExt)}, false
	}
	r.Number = number
	if at := r.At.Instant(); r.Kind == Business && (at < earliest || at > now+MaxFuture.Milliseconds()) {
		return Fault{Code: "time_suspect", Field: "time",
			Detail: fmt.Sprintf("%q is before 2000 or more than 26 hours ahead", r.At.Raw)}, false
	}
	texts := map[string]string{"source": r.Source, "batch": r.Batch, "code": r.Event, "time": r.At.Raw, "status": r.Status, "reason": r.Reason}
	for i, c := range r.Items {
		texts["charge "+strconv.Itoa(i)] = c.Code + c.Name
	}
	for name, text := range texts {
		if f, ok := checkText(name, text, MaxText); !ok {
			return f, false
		}
	}
	if r.Ext != "" && !(utf8.ValidString(r.Ext) && json.Valid([]byte(r.Ext))) {
		return Fault{Code: "invalid_json", Field: "ext", Detail: "not JSON"}, false // it is answered as it is
	}
	return Fault{}, true
}

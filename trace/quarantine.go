package trace

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/VictoriaMetrics/easyproto"
)

// A Quarantined request is one that was read but not understood, in whole or in
// part: kept as it came, to be replayed when the decoder is mended. It is kept
// once, however often it is sent.
type Quarantined struct {
	Heard       HLC    // when it came first
	Carrier     string // whose door it came to; "" is /v1/events
	Account     string
	ContentType string
	Query       string // of the request's address, as it came
	Path        string // of the address, as it came, without a token of ours
	Call        string // which of the door's calls, "" where it has none; of /v1/events the carriers of its key, with commas
	Faults      []Fault
	Raw         []byte // the body, after Content-Encoding
}

// Hash is the request's identity: 16 bytes over door, account and body.
func (q *Quarantined) Hash() (hash [16]byte) {
	h := sha256.New()
	for _, s := range [...]string{q.Carrier, q.Account, q.Path, q.Call, q.Query} {
		h.Write(appendPart(nil, s))
	}
	h.Write(q.Raw)
	copy(hash[:], h.Sum(nil))
	return hash
}

const (
	quarantinedHeard       = 1
	quarantinedCarrier     = 2
	quarantinedAccount     = 3
	quarantinedContentType = 4
	quarantinedQuery       = 5
	quarantinedFault       = 6
	quarantinedRaw         = 7
	quarantinedPath        = 8
	quarantinedCall        = 9

	faultIndex  = 1
	faultCode   = 2
	faultField  = 3
	faultDetail = 4
)

// Append appends the stored form, the message Quarantined of docs/trace.proto.
func (q *Quarantined) Append(dst []byte) []byte {
	m := marshalers.Get()
	defer marshalers.Put(m)
	mm := m.MessageMarshaler()
	mm.AppendFixed64(quarantinedHeard, uint64(q.Heard))
	mm.AppendString(quarantinedCarrier, q.Carrier)
	mm.AppendString(quarantinedAccount, q.Account)
	mm.AppendString(quarantinedContentType, q.ContentType)
	mm.AppendString(quarantinedQuery, q.Query)
	for _, f := range q.Faults {
		fm := mm.AppendMessage(quarantinedFault)
		fm.AppendSint32(faultIndex, int32(f.Index))
		fm.AppendString(faultCode, f.Code)
		fm.AppendString(faultField, f.Field)
		fm.AppendString(faultDetail, f.Detail)
	}
	mm.AppendBytes(quarantinedRaw, q.Raw)
	if q.Path != "" {
		mm.AppendString(quarantinedPath, q.Path)
	}
	if q.Call != "" {
		mm.AppendString(quarantinedCall, q.Call)
	}
	return m.Marshal(dst)
}

// DecodeQuarantined reads the stored form. Nothing of value is kept. A value
// that Append did not write is ErrInvalid.
func DecodeQuarantined(q *Quarantined, value []byte) error {
	*q = Quarantined{}
	err := eachField(slices.Clone(value), func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case quarantinedHeard:
			var n uint64
			n, ok = fc.Fixed64()
			q.Heard = HLC(n)
		case quarantinedCarrier:
			q.Carrier, ok = fc.String()
		case quarantinedAccount:
			q.Account, ok = fc.String()
		case quarantinedContentType:
			q.ContentType, ok = fc.String()
		case quarantinedQuery:
			q.Query, ok = fc.String()
		case quarantinedFault:
			var f Fault
			ok = f.decode(fc) == nil
			q.Faults = append(q.Faults, f)
		case quarantinedRaw:
			q.Raw, ok = fc.Bytes()
		case quarantinedPath:
			q.Path, ok = fc.String()
		case quarantinedCall:
			q.Call, ok = fc.String()
		}
		return ok
	})
	if err != nil {
		return fmt.Errorf("quarantined request: %w", err)
	}
	return nil
}

func (f *Fault) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case faultIndex:
			var n int32
			n, ok = fc.Sint32()
			f.Index = int(n)
		case faultCode:
			f.Code, ok = fc.String()
		case faultField:
			f.Field, ok = fc.String()
		case faultDetail:
			f.Detail, ok = fc.String()
		}
		return ok
	})
}

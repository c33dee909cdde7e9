package trace

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/VictoriaMetrics/easyproto"
)

// An Unmapped is a code that its source's table does not know: how many events came
// with it, and one of them as a sample.
type Unmapped struct {
	Count  uint64 // events, each once
	First  HLC    // when it was heard first
	Number string // the sample's waybill
	Text   string // the sample's text
	Reason string // the sample's reason code
}

// MaxCode is the length of a code in the report, in bytes.
const MaxCode = 128

// PrintableCode is a code as the report names it: cut to MaxCode bytes, without
// control characters.
func PrintableCode(code string) string {
	code = strings.ToValidUTF8(code, "\ufffd")
	if len(code) > MaxCode {
		code = code[:MaxCode]
		for !utf8.ValidString(code) {
			code = code[:len(code)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\ufffd'
		}
		return r
	}, code)
}

const (
	unmappedCount  = 1
	unmappedFirst  = 2
	unmappedNumber = 3
	unmappedText   = 4
	unmappedReason = 5
)

// Append appends the stored form, the message Unmapped of docs/trace.proto.
func (u *Unmapped) Append(dst []byte) []byte {
	m := marshalers.Get()
	defer marshalers.Put(m)
	mm := m.MessageMarshaler()
	mm.AppendUint64(unmappedCount, u.Count)
	mm.AppendFixed64(unmappedFirst, uint64(u.First))
	mm.AppendString(unmappedNumber, u.Number)
	mm.AppendString(unmappedText, u.Text)
	mm.AppendString(unmappedReason, u.Reason)
	return m.Marshal(dst)
}

// DecodeUnmapped reads the stored form. Its strings are copies. A value that
// Append did not write is ErrInvalid.
func DecodeUnmapped(u *Unmapped, value []byte) error {
	*u = Unmapped{}
	err := eachField([]byte(string(value)), func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case unmappedCount:
			u.Count, ok = fc.Uint64()
		case unmappedFirst:
			var n uint64
			n, ok = fc.Fixed64()
			u.First = HLC(n)
		case unmappedNumber:
			u.Number, ok = fc.String()
		case unmappedText:
			u.Text, ok = fc.String()
		case unmappedReason:
			u.Reason, ok = fc.String()
		}
		return ok
	})
	if err != nil {
		return fmt.Errorf("unmapped code: %w", err)
	}
	return nil
}

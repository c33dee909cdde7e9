package carriers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/bytedance/sonic"
	"github.com/bytedance/sonic/decoder"
	sonicutf8 "github.com/bytedance/sonic/utf8"

	"waytrace/trace"
)

// A JSONLibrary is one of the libraries that can read what carriers send. They
// give the same for the same bytes; a fuzz test holds one against the other.
type JSONLibrary uint8

// The libraries.
const (
	Sonic JSONLibrary = iota // fast, on amd64 and arm64
	Std                      // encoding/json, should Sonic ever be in doubt
)

// JSONBy is the library in use. It is set before the first request, if at all.
var JSONBy = Sonic

// MaxDepth is how deep a stranger's JSON or XML may nest.
const MaxDepth = 32

// ErrMismatch says that bytes are good JSON, but not of the type that was asked
// for: an object where a list was expected, or a number for a string.
var ErrMismatch = errors.New("JSON of another type than expected")

// Both check what encoding/json checks. sonicCopying copies every string; with
// sonicBorrowing those without escapes refer into what is read.
const (
	sonicBorrowing = decoder.OptionValidateString
	sonicCopying   = sonicBorrowing | decoder.OptionCopyString
)

var decoders = sync.Pool{New: func() any { return decoder.NewDecoder("") }}

// decode reads one value and nothing behind it, into v.
func decode(how decoder.Options, data string, v any) error {
	d := decoders.Get().(*decoder.Decoder)
	d.Reset(data)
	d.SetOptions(how)
	err := d.Decode(v)
	if err == nil {
		err = d.CheckTrailings()
	}
	d.Reset("") // the data is the caller's
	decoders.Put(d)
	return err
}

// ReadJSON reads one JSON value into v, with the library in use. Strings are
// copies; a json.RawMessage in v may borrow data, and what an UnmarshalJSON is
// given does. Names match whatever their case; of a string given twice the last
// counts; an invalid surrogate escape becomes U+FFFD.
//
// Bytes that are not JSON, not UTF-8, nest deeper than MaxDepth or go on after
// the value are a Problem of kind ErrInvalid with the code malformed_json,
// not_utf8 or too_deep; a byte order mark in front is allowed. ErrMismatch is
// for good JSON that does not fit v, or that an UnmarshalJSON in it refuses.
// With an error v may be partly filled.
func ReadJSON(data []byte, v any) error { return readJSON(sonicCopying, data, v) }

// BorrowJSON is ReadJSON, except that strings may refer into data, which must not
// change while they are in use: data from trace.Facts.Keep does not.
func BorrowJSON(data []byte, v any) error { return readJSON(sonicBorrowing, data, v) }

func readJSON(how decoder.Options, data []byte, v any) error {
	data = bytes.TrimPrefix(data, utf8BOM)
	if !validUTF8(View(data)) {
		return trace.Invalid("not_utf8", "", "JSON: %s", whereNotUTF8(data))
	}
	if tooDeep(data) {
		return trace.Invalid("too_deep", "", "JSON: nested deeper than %d", MaxDepth)
	}
	if JSONBy == Std || len(data) == 0 {
		if json.Unmarshal(data, v) == nil {
			return nil
		}
	} else {
		err := decode(how, View(data), v) // which copies no bytes that it need not
		if err == nil && goodEscapes(data) {
			return nil
		}
	}
	// Whichever library it was, encoding/json says what is wrong: its errors are
	// short, and so both refuse the same bytes.
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(data, new(json.RawMessage)), &syntax) {
		return trace.Invalid("malformed_json", "", "JSON: byte %d: %v", syntax.Offset, syntax)
	}
	return ErrMismatch
}

// validUTF8 is utf8.ValidString, in a fifth of its time for Chinese where Sonic is in use.
func validUTF8(data string) bool {
	if JSONBy == Std {
		return utf8.ValidString(data)
	}
	return sonicutf8.ValidateString(data)
}

// View is b as a string, without a copy: good until b changes.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// PretouchJSON prepares for reading values of v's type, so that the first
// request need not wait for it.
func PretouchJSON(v any) error {
	if JSONBy == Std {
		return nil
	}
	return sonic.Pretouch(reflect.TypeOf(v))
}

// UnmarshalText reads the name of a library: sonic or std.
func (l *JSONLibrary) UnmarshalText(text []byte) error {
	switch string(text) {
	case "sonic":
		*l = Sonic
	case "std":
		*l = Std
	default:
		return fmt.Errorf("there is no JSON library %q; there are sonic and std: %w", text, trace.ErrInvalid)
	}
	return nil
}

// MarshalText gives the library's name.
func (l JSONLibrary) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String is the library's name, as UnmarshalText reads it.
func (l JSONLibrary) String() string {
	if l == Std {
		return "std"
	}
	return "sonic"
}

// tooDeep reports whether JSON nests deeper than MaxDepth. Of bytes that are not
// JSON it may say either.
func tooDeep(data []byte) bool {
	// Most bodies have fewer brackets than they might have levels.
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= MaxDepth {
		return false
	}
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// goodEscapes reports whether every backslash begins an escape. Sonic does not
// look at those in all that it skips.
func goodEscapes(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		switch {
		case i < 0:
			return true
		case i+1 == len(data):
			return false
		}
		escape := data[i+1:]
		switch escape[0] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			data = escape[1:]
		case 'u':
			if len(escape) < 5 || bytes.ContainsFunc(escape[1:5], notHex) {
				return false
			}
			data = escape[5:]
		default:
			return false
		}
	}
}

func notHex(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'f') && (r < 'A' || r > 'F')
}

func whereNotUTF8(b []byte) string {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Sprintf("byte %d is not UTF-8", i+1)
		}
		i += size
	}
	return "not UTF-8"
}

var utf8BOM = []byte("\xef\xbb\xbf")

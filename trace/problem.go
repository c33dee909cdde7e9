package trace

import (
	"fmt"
	"strconv"
)

// A Problem is an error of one of the four kinds, with what the asker is told:
// a stable code, the field that it is about in the asker's own words, and a
// detail for people.
type Problem struct {
	Kind   error // ErrInvalid, ErrUnauthorized, ErrNotFound or ErrUnavailable
	Code   string
	Field  string // may be empty
	Detail string
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap gives the kind, so that errors.Is finds it.
func (p *Problem) Unwrap() error { return p.Kind }

// AppendJSON appends the problem as a problem document (RFC 9457), with the HTTP status
// that goes with it and the status's usual phrase.
func (p *Problem) AppendJSON(b []byte, status int, title string) []byte {
	b = AppendString(append(b, `{"type":"about:blank","title":`...), title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
	b = AppendString(append(b, `,"code":`...), p.Code)
	b = AppendString(append(b, `,"detail":`...), p.Detail)
	if p.Field != "" {
		b = AppendString(append(b, `,"field":`...), p.Field)
	}
	return append(b, '}')
}

// Invalid is a problem of kind ErrInvalid. field may be empty.
func Invalid(code, field, format string, args ...any) *Problem {
	return &Problem{ErrInvalid, code, field, fmt.Sprintf(format, args...)}
}

// Problemf is a problem of any kind about no field in particular.
func Problemf(kind error, code, format string, args ...any) *Problem {
	return &Problem{kind, code, "", fmt.Sprintf(format, args...)}
}

// An Asker is who stands at a door, as far as they have shown it.
type Asker struct {
	Account  string   // whose references they see; never empty
	Carriers []string // whose events they may push; empty is all
	Sender   string   // what limits are counted by: a key's id, or an address
	Exempt   bool     // named in the config: never limited, never blocked
	// Replicated: what they push is acknowledged once other nodes can have it, too.
	Replicated bool
}

// DefaultAccount is the account of whoever has shown no key, and of carriers
// whose settings name none.
const DefaultAccount = "main"

package trace

import "fmt"

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

package trace

import (
	"errors"
	"strings"
)

// The four kinds of error say what the caller can do about it. Whoever returns
// an error wraps one of them with the place and the thing; whoever answers asks
// with errors.Is. An error of none of these kinds is our own mistake.
var (
	// ErrInvalid: the input is wrong. Sending it again never helps.
	ErrInvalid = errors.New("invalid")
	// ErrUnauthorized: the asker has not shown who they are, or may not do this.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrNotFound: there is no such thing here.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: not now. Sending it again later may help.
	ErrUnavailable = errors.New("unavailable")
)

// Words is what an error says to the asker: its text, without the kind that it
// ends in.
func Words(err error) string {
	s := err.Error()
	for _, kind := range [...]error{ErrInvalid, ErrUnauthorized, ErrNotFound, ErrUnavailable} {
		s = strings.TrimSuffix(s, ": "+kind.Error())
	}
	return s
}

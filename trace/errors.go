package trace

import "errors"

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

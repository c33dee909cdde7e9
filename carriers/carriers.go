// Package carriers is the contract that every carrier's folder keeps: what a
// company that gives us traces can do for us. The rooms above know carriers by
// this contract alone; a carrier's quirks stay in its own folder.
//
// A carrier's folder has one constructor, New(Settings) Carrier, its code table
// as data, and case files that the exam in carriers/carriertest plays against
// it. carriers/all lists the folders.
package carriers

import (
	"bytes"

	"waytrace/trace"
)

// A Carrier is what one company can do for us. A nil field means that it does
// not do that.
type Carrier struct {
	Code    string   // our code, the folder's name
	Name    string   // the brand, in its exact case
	Aliases []string // other names of its push door
	Push    *Push    // it pushes traces to us
}

// A Push is a dialect in which a carrier pushes.
type Push struct {
	Door Door

	// Decode appends what the body says to facts: an event for each item that is
	// understood, with all that the source said but for Heard, and a fault for
	// each that is not. Every string it appends is its own: nothing refers into r.
	// It returns an error of kind ErrInvalid when the body does not parse, so that
	// nothing can be said of its items; and never for a reason that sending the
	// same again would not mend. ErrUnauthorized is for a wrong signature.
	Decode func(r *Request, facts *trace.Facts) error

	Names Names // for faults that are found after Decode

	// Answer appends the answer in the carrier's own words, and names its content
	// type: success where err is nil, else the failure that makes the carrier send
	// again. The kind of err (see package trace) says why. It is called without a
	// body too, when a request was refused before it was read: then the content
	// type alone tells its form.
	Answer func(dst []byte, r *Request, err error) (body []byte, contentType string)
}

// Names are a carrier's names of our fields of an event: number, time,
// description and so on. nil has none.
type Names map[string]string

// Of is the carrier's name of a field, or ours where it has none.
func (n Names) Of(field string) string {
	if name := n[field]; name != "" {
		return name
	}
	return field
}

// A Door says who may push. With no token and no address configured only
// loopback may.
type Door struct {
	Account   string   `name:"account" help:"Account that the carrier's references belong to." default:"main" yaml:"account"`
	Tokens    []string `name:"tokens" help:"Secrets that may end the door's path, two at once for rotation (32 random bytes each, as 43 characters of URL base64 or 64 of hex)." yaml:"tokens"`
	Addresses []string `name:"addresses" help:"Addresses or networks (CIDR) that may push without a token." yaml:"addresses"`
	AtOnce    int      `name:"at-once" help:"Pushes of one sender that may be under way at once; more get 503." default:"64" yaml:"at_once"`
}

// A Request is a push as it came. All of it is borrowed until the answer is
// written.
type Request struct {
	Body        []byte // after Content-Encoding
	ContentType string
	Query       string // of the address, as it came
}

// A Shape is what a body looks like. Content types are not reliable: carriers
// label JSON as forms and forms as JSON.
type Shape uint8

// The shapes of a body.
const (
	Empty Shape = iota
	JSON
	XML
	Form
)

// Shape tells the shape of a body by its first character: "{" or "[" is JSON,
// "<" is XML, anything else a form.
func (r *Request) Shape() Shape {
	b := bytes.TrimPrefix(r.Body, []byte("\xef\xbb\xbf"))
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return Empty
	}
	switch b[0] {
	case '{', '[':
		return JSON
	case '<':
		return XML
	}
	return Form
}

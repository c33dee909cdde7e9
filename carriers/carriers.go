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
	Codes   *Codes   // what its own codes mean; nil where it has none
}

// Codes are what a carrier's own codes mean, as data.
type Codes struct {
	// Version grows by one with every change of a code, a status or a sub-status in
	// any of its tables; nodes that work together must have the same.
	Version uint32
	Tables  []Table
	// Map maps a stored event anew, from what its source said: it sets Pair and
	// Provisional to what they would be if it were pushed now. known is false where
	// the table does not have its code.
	Map func(e *trace.Event) (known bool)
}

// A Push is a dialect in which a carrier pushes.
type Push struct {
	Door Door
	// Accounts are the doors of further accounts of the same carrier, by account:
	// whoever is known by one of them pushes for that account. They share Door's path
	// and its AtOnce.
	Accounts map[string]Door

	// Calls are the names that stand behind the door, one for each kind of push:
	// /push/alibaba/notifyTrace. Empty where the door itself is pushed to.
	Calls []string
	// Gateway is the path of another door that leads here, ending in "/": what
	// stands behind it is the dialect's to read, from Request.Path.
	Gateway string
	// ByGet: pushes come by GET too, all in the query.
	ByGet bool
	// Signed: a secret is configured, so the door is open to everybody, and Decode
	// verifies the signature of every request before anything else.
	Signed bool

	// Hidden are the names of parameters that are credentials: they are taken out of
	// what quarantine keeps.
	Hidden []string

	// Decode appends what the body says to facts: an event for each item that is
	// understood, with all that the source said but for Heard, and a fault for
	// each that is not. Every string it appends is its own, or lies in memory of facts
	// (Facts.Keep): nothing refers into r.
	// It returns an error of kind ErrInvalid when the body does not parse, so that
	// nothing can be said of its items; and never for a reason that sending the
	// same again would not mend. ErrUnauthorized is for a wrong signature.
	//
	// A source that sends the whole journey each time opens a list around its events
	// (FullList); one that sends increments under fine codes sets TextEdits on them;
	// never both.
	Decode func(r *Request, facts *trace.Facts) error

	Names Names // for faults that are found after Decode

	// Answer appends the answer in the carrier's own words, and names its content
	// type: success where err is nil, else the failure that makes the carrier send
	// again. The kind of err (see package trace) says why. It is called without a
	// body too, when a request was refused before it was read: then the content
	// type alone tells its form.
	Answer func(dst []byte, r *Request, err error) (body []byte, contentType string)

	// Yes reports whether an answer is success in the carrier's words. nil: every
	// answer of status 200 is.
	Yes func(body []byte) bool

	// Outgoing makes the request that the carrier itself would send of a payload, so
	// that a person can try the door: with its envelope, and signed where there is a
	// secret. nil: the payload is the request.
	Outgoing func(payload []byte, o Sending) (*Outgoing, error)
}

// Sending says how a payload is to be sent.
type Sending struct {
	Call   string // one of Push.Calls, or "" for the usual one
	Key    string // the name that goes with the secret, where the carrier has such
	Secret string // "" signs nothing
}

// An Outgoing is a request as a carrier would send it.
type Outgoing struct {
	Path        string // with its query, where it has one
	ContentType string
	Body        []byte
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
	// Acknowledge of a further account is the usual door's where it is empty.
	Acknowledge string `name:"acknowledge" help:"When a push is acknowledged: local, once it is synced here; replicated, once Kafka has it too." default:"local" enum:"local,replicated" yaml:"acknowledge"`
}

// A Request is a push as it came. All of it is borrowed until the answer is
// written.
type Request struct {
	Body        []byte // after Content-Encoding
	ContentType string
	Query       string // of the address, as it came
	Path        string // of the address, as it came, without a token of ours
	Call        string // one of Push.Calls, or "" where none is named
	Account     string // whose door it came through; "" is the carrier's usual one
	// Kept: it comes out of quarantine, where only what was verified is kept. Its
	// signature is not verified again: the secret may be another by now.
	Kept bool
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

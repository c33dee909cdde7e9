package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"waytrace/carriers"
)

// A Value is a parameter as it came. A scalar is Text, as a carriers.Loose has it:
// the document's own samples have numbers in quotes. An object or a list is JSON.
// null is as if it were absent.
type Value struct {
	Text string
	JSON string // "" where it is neither
	Sent bool   // it came, if only as text of blanks
}

// UnmarshalJSON takes any value.
func (v *Value) UnmarshalJSON(b []byte) error {
	var said carriers.Loose
	err := said.UnmarshalJSON(b)
	*v = Value{Text: said.Text, Sent: b[0] != 'n'}
	if said.Odd {
		v.JSON = string(b)
	}
	return err
}

// Given reports whether there is anything but blanks.
func (v Value) Given() bool { return v.JSON != "" || strings.TrimSpace(v.Text) != "" }

// Nested is the object or list that v is, or whose JSON text it is: a form has no
// other way to say one. Whether it is one is not known.
func (v Value) Nested() string {
	if v.JSON != "" {
		return v.JSON
	}
	return strings.TrimSpace(v.Text)
}

// Fields is a struct of Values that can be read in one pass: Field gives the one of a
// name, nil where there is none, and Names has them all.
type Fields interface {
	Field(name string) *Value
	Names() []string
}

// Scan reads an object in one pass, as UnmarshalJSON would read its members. Texts refer
// into what is read.
func Scan(s *carriers.JSONScan, into Fields) {
	for s.Open('{'); s.Member(); {
		if v := into.Field(s.Name); v != nil {
			v.scan(s)
		} else {
			s.Other(into.Names())
		}
	}
}

func (v *Value) scan(s *carriers.JSONScan) {
	switch s.Next() {
	case '{', '[':
		*v = Value{JSON: s.Skip(), Sent: true}
	case 'n':
		s.Skip()
		*v = Value{}
	default:
		var said carriers.Loose
		s.Loose(&said)
		*v = Value{Text: said.Text, Sent: true}
	}
}

// Object reads the object that v is, or whose JSON text it is, into a struct. code
// is BadFormat where it is none; err is as that of carriers.ReadJSON, where the
// request itself is no JSON.
func (v Value) Object(into any) (code string, err error) {
	return v.read([]byte(v.Nested()), into, '{')
}

// List gives the items of the list that v is, or whose JSON text it is. code is BadFormat where it is none. A list of more than most
// items is ErrTooMany; other errors are as those of Object.
func (v Value) List(most int) (items []json.RawMessage, code string, err error) {
	data := []byte(v.Nested())
	// An item has some ten commas, with those of its texts. So a megabyte of nothing
	// but commas does not become twenty of ours.
	if bytes.Count(data, []byte{','}) > 64*most {
		return nil, "", ErrTooMany
	}
	switch code, err = v.read(data, &items, '['); {
	case code != "" || err != nil:
		return nil, code, err
	case len(items) > most:
		return nil, "", ErrTooMany
	}
	return items, "", nil
}

// ErrTooMany: a list is longer than is read.
var ErrTooMany = errors.New("too many items")

func (v Value) read(data []byte, into any, first byte) (code string, err error) {
	if len(data) == 0 || data[0] != first {
		return BadFormat, nil
	}
	switch err := carriers.ReadJSON(data, into); {
	case err == nil:
		return "", nil
	case errors.Is(err, carriers.ErrMismatch), v.JSON == "":
		return BadFormat, nil // the request reads as JSON all the same
	default:
		return "", err
	}
}

package sf

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"waytrace/carriers"
	"waytrace/trace"
)

// maxAttributes is how many attributes one element may have; SF's have nine.
const maxAttributes = 64

// readXML reads the XML form: a root of any name, Body, and in it a WaybillRoute
// for each route with all that is said as attributes. What else there is counts
// for nothing, the language of the request too.
//
// Only plain XML is read: a DOCTYPE, entities beyond the five of XML, another
// encoding than UTF-8, deep nesting, or anything after the root is ErrInvalid.
func (p *push) readXML(data []byte, facts *trace.Facts) error {
	data = bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	if p.scanXML(data, facts) {
		return nil
	}
	p.reset()
	return p.readAnyXML(data)
}

// readAnyXML reads the XML form whatever there is in it.
func (p *push) readAnyXML(data []byte) error {
	in := &xmlInput{rest: data}
	d := xml.NewDecoder(in)
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errors.New("only UTF-8 is read") }
	depth, routes, inBody, ended := 0, 0, false, false
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return malformedXML(d, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > carriers.MaxDepth {
				return trace.Invalid("too_deep", "", "XML: nested deeper than %d", carriers.MaxDepth)
			}
			switch {
			case ended:
				return trace.Invalid("malformed_xml", "", "XML: line %d: more after the end of the root", line(d))
			case len(t.Attr) > maxAttributes:
				return errTooManyAttributes
			case depth == 2:
				inBody = t.Name.Local == "Body"
			case depth == 3 && inBody && t.Name.Local == "WaybillRoute":
				if routes++; routes <= MaxRoutes {
					p.Body.WaybillRoute = append(p.Body.WaybillRoute, routeOf(t.Attr))
				}
			}
		case xml.EndElement:
			depth--
			ended = depth == 0
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return trace.Invalid("malformed_xml", "", "XML: line %d: text outside of the root", line(d))
			}
		case xml.Directive:
			return trace.Invalid("malformed_xml", "", "XML: line %d: a DOCTYPE is not allowed", line(d))
		}
	}
	switch {
	case !ended:
		return trace.Invalid("malformed_xml", "", "XML: there is no root element")
	case routes > MaxRoutes:
		return errTooMany
	}
	return nil
}

func routeOf(attributes []xml.Attr) (r route) {
	for i := range attributes {
		if a := &attributes[i]; a.Name.Space == "" {
			r.set(a.Name.Local, a.Value)
		}
	}
	return r
}

// set takes what an attribute says.
func (r *route) set(name, value string) {
	switch name {
	case "mailno":
		r.Mailno = value
	case "acceptAddress":
		r.AcceptAddress = value
	case "reasonName":
		r.ReasonName = value
	case "orderid":
		r.Orderid = value
	case "acceptTime":
		r.AcceptTime = value
	case "remark":
		r.Remark = value
	case "opCode":
		r.OpCode = value
	case "id":
		r.ID = value
	case "reasonCode":
		r.ReasonCode = value
	case "firstStatusCode":
		r.FirstStatusCode = value
	}
}

// xmlInput hands bytes to the XML reader. It ends an element with endlessly many
// attributes before the reader has gathered them all.
type xmlInput struct {
	rest   []byte
	equals int // since the last "<", in attribute values too
}

// mostEquals is well above what the attributes of one element hold: text is
// not kept beyond trace.MaxText anyway.
const mostEquals = maxAttributes + trace.MaxText

var errTooManyAttributes = trace.Invalid("malformed_xml", "", "XML: an element has more than %d attributes", maxAttributes)

// ReadByte is io.ByteReader, which the XML reader prefers.
func (in *xmlInput) ReadByte() (byte, error) {
	if len(in.rest) == 0 {
		return 0, io.EOF
	}
	c := in.rest[0]
	in.rest = in.rest[1:]
	switch c {
	case '<':
		in.equals = 0
	case '=':
		if in.equals++; in.equals > mostEquals {
			return 0, errTooManyAttributes
		}
	}
	return c, nil
}

// Read is io.Reader. The XML reader does not call it.
func (in *xmlInput) Read(b []byte) (int, error) {
	n := copy(b, in.rest)
	in.rest = in.rest[n:]
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// malformedXML is the XML reader's error with its place, of kind ErrInvalid.
func malformedXML(d *xml.Decoder, err error) error {
	var ours *trace.Problem
	if errors.As(err, &ours) {
		return ours
	}
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return trace.Invalid("malformed_xml", "", "XML: line %d: %s", syntax.Line, syntax.Msg)
	}
	return trace.Invalid("malformed_xml", "", "XML: line %d: %v", line(d), err)
}

func line(d *xml.Decoder) int {
	n, _ := d.InputPos()
	return n
}

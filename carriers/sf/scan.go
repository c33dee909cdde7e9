package sf

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"waytrace/carriers"
	"waytrace/trace"
)

// scanXML reads the XML form as SF writes it, in one pass: elements and their
// attributes, with nothing but blanks between them. The routes' strings refer into data,
// or lie in memory of facts. It reports false, having read some routes or none, where
// there is anything else, or anything is wrong: then readAnyXML is to be asked, which
// takes ten times as long. What it reads, readAnyXML would read the same.
func (p *push) scanXML(data []byte, facts *trace.Facts) bool {
	if !utf8.Valid(data) {
		return false
	}
	s := xmlScan{rest: carriers.View(data), plain: isPlain(data)}
	if !s.declaration() {
		return false
	}
	const deepest = 3
	var open [deepest]string
	inBody := false
	for depth := 0; ; {
		s.blanks()
		name, closing, ok := s.tag()
		switch {
		case !ok:
			return false
		case closing:
			if depth--; depth < 0 || open[depth] != name || !s.skip(">") {
				return false
			}
		case depth == deepest:
			return false
		default:
			open[depth] = name
			if depth == 1 {
				inBody = name == "Body"
			}
			var r *route
			if depth == 2 && inBody && name == "WaybillRoute" {
				if len(p.Body.WaybillRoute) == MaxRoutes {
					return false
				}
				p.Body.WaybillRoute = append(p.Body.WaybillRoute, route{})
				r = &p.Body.WaybillRoute[len(p.Body.WaybillRoute)-1]
			}
			empty, ok := s.attributes(r, facts)
			if !ok {
				return false
			}
			if !empty {
				depth++
			}
		}
		if depth == 0 {
			s.blanks()
			return s.rest == ""
		}
	}
}

// An xmlScan is what of a text is still to be read.
type xmlScan struct {
	rest  string
	plain bool // there is nothing in the whole text that an attribute's value could not have as it is
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *xmlScan) blanks() {
	i := 0
	for i < len(s.rest) && isBlank(s.rest[i]) {
		i++
	}
	s.rest = s.rest[i:]
}

// skip takes what comes next, if it is this.
func (s *xmlScan) skip(text string) (ok bool) {
	s.rest, ok = strings.CutPrefix(s.rest, text)
	return ok
}

// declaration takes the first line, of version 1.0 and in UTF-8 if it says so, where
// there is one.
func (s *xmlScan) declaration() bool {
	if !s.skip("<?xml") {
		return true
	}
	inside, rest, found := strings.Cut(s.rest, "?>")
	s.rest = rest
	for _, usual := range declarations {
		if strings.EqualFold(inside, usual) {
			return found
		}
	}
	return false
}

// declarations are what may stand in the first line, in any case.
var declarations = [...]string{
	` version="1.0" encoding="utf-8"`, ` version='1.0' encoding='utf-8'`,
	` version="1.0"`, ` version='1.0'`,
}

// tag takes the beginning of a tag and its name, and of an end tag the blanks behind it.
func (s *xmlScan) tag() (name string, closing, ok bool) {
	if !s.skip("<") {
		return "", false, false
	}
	closing = s.skip("/")
	name = s.name()
	if closing {
		s.blanks()
	}
	return name, closing, name != ""
}

// name takes a name of Latin letters and digits; "" is none.
func (s *xmlScan) name() (name string) {
	n := 0
	for n < len(s.rest) && isNameByte[s.rest[n]] {
		n++
	}
	if n > 0 && s.rest[0] <= '9' {
		return "" // a digit in front
	}
	name, s.rest = s.rest[:n], s.rest[n:]
	return name
}

var isNameByte = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") {
		is[c] = true
	}
	return is
}()

// attributes takes those of an element with the end of its tag, for r where it is not
// nil. empty: the element ends with it.
func (s *xmlScan) attributes(r *route, facts *trace.Facts) (empty, ok bool) {
	whole := len(s.rest)
	for n := 0; ; n++ {
		s.blanks()
		switch {
		case s.rest == "":
			return false, false
		case s.rest[0] == '>':
			s.rest = s.rest[1:]
			return false, whole-len(s.rest) <= mostEquals
		case s.rest[0] == '/':
			return true, s.skip("/>") && whole-len(s.rest) <= mostEquals
		case n == maxAttributes:
			return false, false
		}
		name := s.name()
		s.blanks()
		if name == "" || name == "xmlns" || !s.skip("=") {
			return false, false
		}
		s.blanks()
		value, ok := s.value(facts)
		if !ok {
			return false, false
		}
		if r != nil {
			r.set(name, value)
		}
	}
}

// value takes a value with its quotes.
func (s *xmlScan) value(facts *trace.Facts) (value string, ok bool) {
	if s.rest == "" || s.rest[0] != '"' && s.rest[0] != '\'' {
		return "", false
	}
	end := strings.IndexByte(s.rest[1:], s.rest[0])
	if end < 0 {
		return "", false
	}
	value, s.rest = s.rest[1:1+end], s.rest[end+2:]
	switch {
	case strings.IndexByte(value, '<') >= 0:
		return "", false
	case s.plain || isPlain([]byte(value)):
		return value, true
	}
	return expand(facts.Keep([]byte(value)))
}

// isPlain reports whether there is neither an entity in a text nor anything that XML
// changes or refuses: control characters, and the last two of the first plane.
func isPlain(text []byte) bool {
	if bytes.IndexByte(text, '&') >= 0 || bytes.Contains(text, []byte("\xef\xbf")) {
		return false
	}
	for _, c := range text {
		if c < ' ' {
			return false
		}
	}
	return true
}

// expand puts the five entities of XML in place, and numeric ones of what may stand in
// a text. ok is false where there is anything else that is not plain.
func expand(b []byte) (_ string, ok bool) {
	to := 0
	for at := 0; at < len(b); {
		if c := b[at]; c != '&' {
			if c < ' ' || c == 0xEF {
				return "", false
			}
			b[to] = c
			at, to = at+1, to+1
			continue
		}
		end := bytes.IndexByte(b[at:], ';')
		if end < 0 {
			return "", false
		}
		r, ok := entity(string(b[at+1 : at+end]))
		if !ok {
			return "", false
		}
		// The shortest entity of a character is longer than its UTF-8.
		to += utf8.EncodeRune(b[to:at+end], r)
		at += end + 1
	}
	return carriers.View(b[:to]), true
}

func entity(name string) (r rune, ok bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	base, digits := uint32(10), strings.TrimPrefix(name, "#")
	if digits == name || digits == "" || len(digits) > 7 {
		return 0, false
	}
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	n := uint32(0)
	for i := range len(digits) {
		d := uint32(255)
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			d = uint32(c - '0')
		case c >= 'a' && c <= 'f':
			d = uint32(c-'a') + 10
		case c >= 'A' && c <= 'F':
			d = uint32(c-'A') + 10
		}
		if d >= base {
			return 0, false
		}
		n = n*base + d
	}
	// Beyond the tab and the end of a line, and what a route may well hold, the other
	// reader knows what is allowed.
	r = rune(n)
	return r, n == '\t' || n == '\n' || n == '\r' || n >= ' ' && n < 0xD800
}

package carriers

import "strings"

// A JSONScan reads JSON of a known shape in one pass, and lets go of it at anything
// else: a dialect reads what its source usually sends with it, and what Fine has not said
// yes to with ReadJSON. So it need not say what is wrong, and may refuse what is right:
// escapes in names, names in another case, objects where a text is expected, deep
// nesting. What it takes is JSON and UTF-8 and means what ReadJSON reads of it.
//
//	s := carriers.ScanJSON(carriers.View(data))
//	for s.Open('{'); s.Member(); {
//		switch s.Name {
//		case "time":
//			s.Loose(&t)
//		default:
//			s.Other(names)
//		}
//	}
//	if !s.Fine() { … }
//
// Each member or item that was told of must be read before the next one is asked for.
// Strings refer into the data.
type JSONScan struct {
	Name string // of the member that Member found

	data  string
	at    int
	depth int
	first bool // nothing of the object or list has been read
	bad   bool
}

// ScanJSON begins to read data.
func ScanJSON(data string) JSONScan {
	data = strings.TrimPrefix(data, string(utf8BOM))
	return JSONScan{data: data, bad: !validUTF8(data)}
}

// Fine reports, at the end, whether all that was read is what it was taken for, and
// nothing stands behind it.
func (s *JSONScan) Fine() bool {
	s.blanks()
	return !s.bad && s.depth == 0 && s.at == len(s.data)
}

// Next is the first character of what comes next, 0 at the end.
func (s *JSONScan) Next() byte {
	s.blanks()
	if s.bad || s.at == len(s.data) {
		return 0
	}
	return s.data[s.at]
}

// Open begins an object, "{", or a list, "[".
func (s *JSONScan) Open(bracket byte) {
	if s.Next() != bracket || s.depth == MaxDepth {
		s.bad = true
		return
	}
	s.at++
	s.depth++
	s.first = true
}

// Member finds the next member of an object; at its end, and where anything is wrong,
// there is none.
func (s *JSONScan) Member() bool {
	if !s.another('}') {
		return false
	}
	if s.Next() != '"' {
		s.bad = true
		return false
	}
	name, plain := s.quoted()
	if s.bad = s.bad || !plain || s.Next() != ':'; s.bad {
		return false
	}
	s.at++
	s.Name = name
	return true
}

// Item finds the next item of a list, as Member does.
func (s *JSONScan) Item() bool { return s.another(']') }

// another goes to what stands behind the next comma, or leaves by the closing bracket.
func (s *JSONScan) another(closing byte) bool {
	c := s.Next()
	switch {
	case s.bad:
		return false
	case c == closing:
		s.at++
		s.depth--
		s.first = false
		return false
	case !s.first:
		if c != ',' {
			s.bad = true
			return false
		}
		s.at++
	}
	s.first = false
	return true
}

// Loose reads a text, or what stands for one, as Loose.UnmarshalJSON does.
func (s *JSONScan) Loose(into *Loose) {
	switch c := s.Next(); c {
	case '"':
		start := s.at
		text, plain := s.quoted()
		if !plain && !s.bad {
			var err error
			if text, err = unquote([]byte(s.data[start:s.at])); err != nil {
				s.bad = true
			}
		}
		*into = Loose{Text: text}
	case 'n':
		s.word("null")
	case '{', '[':
		s.bad = true
	default:
		start := s.at
		s.scalar(c)
		*into = Loose{Text: s.data[start:s.at]}
	}
}

// Other passes over a member of no interest, unless its name is one of the names in
// another case.
func (s *JSONScan) Other(names []string) {
	for _, name := range names {
		if len(name) <= len(s.Name) && strings.EqualFold(name, s.Name) {
			s.bad = true
			return
		}
	}
	s.Skip()
}

// Skip passes over a value, and gives it as it was written.
func (s *JSONScan) Skip() (raw string) {
	c := s.Next()
	start := s.at
	switch c {
	case '"':
		if text, plain := s.quoted(); !plain && !s.bad {
			s.bad = !goodEscapes([]byte(text))
		}
	case '{':
		for s.Open('{'); s.Member(); {
			s.Skip()
		}
	case '[':
		for s.Open('['); s.Item(); {
			s.Skip()
		}
	case 'n':
		s.word("null")
	default:
		s.scalar(c)
	}
	return s.data[start:s.at]
}

func (s *JSONScan) blanks() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// quoted takes a string, and gives what stands between its quotes. plain: that is the
// text itself, for it has no escapes.
func (s *JSONScan) quoted() (inside string, plain bool) {
	start := s.at + 1
	for i := start; i < len(s.data); i++ {
		switch class := inString[s.data[i]]; {
		case class == ofText:
		case class == atEnd:
			s.at = i + 1
			return s.data[start:i], true
		case class == escape:
			return s.escaped(start, i)
		default:
			s.bad = true
			return "", false
		}
	}
	s.bad = true
	return "", false
}

// escaped goes on with a string at its first backslash. What the escapes are is not
// looked at.
func (s *JSONScan) escaped(start, i int) (inside string, plain bool) {
	for ; i < len(s.data); i++ {
		switch inString[s.data[i]] {
		case escape:
			i++
			if i < len(s.data) && s.data[i] < ' ' {
				s.bad = true
				return "", false
			}
		case atEnd:
			s.at = i + 1
			return s.data[start:i], false
		case control:
			s.bad = true
			return "", false
		}
	}
	s.bad = true
	return "", false
}

// What a byte is inside a string.
const (
	ofText = iota
	atEnd
	escape
	control
)

var inString = func() (class [256]uint8) {
	for c := range ' ' {
		class[c] = control
	}
	class['"'], class['\\'] = atEnd, escape
	return class
}()

// scalar takes a number or a truth value that begins with c.
func (s *JSONScan) scalar(c byte) {
	switch {
	case c == 't':
		s.word("true")
	case c == 'f':
		s.word("false")
	default:
		s.number()
	}
}

func (s *JSONScan) word(word string) {
	if strings.HasPrefix(s.data[s.at:], word) {
		s.at += len(word)
	} else {
		s.bad = true
	}
}

func (s *JSONScan) number() {
	digits := func() {
		start := s.at
		for s.at < len(s.data) && s.data[s.at]-'0' <= 9 {
			s.at++
		}
		s.bad = s.bad || s.at == start
	}
	has := func(any string) bool {
		if s.at < len(s.data) && strings.IndexByte(any, s.data[s.at]) >= 0 {
			s.at++
			return true
		}
		return false
	}
	has("-")
	if !has("0") {
		digits()
	}
	if has(".") {
		digits()
	}
	if has("eE") {
		has("+-")
		digits()
	}
}

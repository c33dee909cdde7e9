package carriers

import (
	"encoding/json"
)

// A Loose is a JSON value of a source that is not strict about types: a string,
// or what stands for one. A number or a truth value keeps its characters as
// written, and null is as if the member were absent. An object or a list is Odd,
// and has no text.
type Loose struct {
	Text string // a copy
	Odd  bool   // neither text nor a number
}

// UnmarshalJSON takes any value. It is for ReadJSON, which has seen to it that the
// bytes are UTF-8.
func (l *Loose) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case 'n':
	case '"':
		text, err := unquote(b)
		if err != nil {
			return err
		}
		*l = Loose{Text: text}
	case '{', '[':
		*l = Loose{Odd: true}
	default:
		*l = Loose{Text: string(b)}
	}
	return nil
}

// IfOdd gives the name of the member that l is where it is odd, else "".
func (l Loose) IfOdd(name string) string {
	if l.Odd {
		return name
	}
	return ""
}

// Absent reports whether a member has no value: it is not there, null, or the empty
// string that some languages write for an empty object or list.
func Absent(member json.RawMessage) bool {
	return len(member) == 0 || member[0] == 'n' || string(member) == `""`
}

// unquote reads a JSON string: most mean what stands between their quotes.
func unquote(b []byte) (string, error) {
	inside := b[1 : len(b)-1]
	for _, c := range inside {
		if c < ' ' || c == '\\' {
			var text string
			err := ReadJSON(b, &text)
			return text, err
		}
	}
	return string(inside), nil
}

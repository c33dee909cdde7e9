package carriers

import (
	"bytes"
	"iter"
	"net/url"

	"waytrace/trace"
)

// FormPairs ranges over the fields of a form or a query in their order: name and
// value as they were sent, borrowed from it.
func FormPairs(form []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for pair := range bytes.SplitSeq(form, []byte{'&'}) {
			if len(pair) == 0 {
				continue
			}
			name, value, _ := bytes.Cut(pair, []byte{'='})
			if !yield(name, value) {
				return
			}
		}
	}
}

// FormFields gives the decoded values of fields of a form, in memory of keep, which
// gives a copy that may be written to (bytes.Clone, trace.Facts.Keep), and nil for each
// that is not there. A name counts in any case, encoded or not, with blanks around it or
// not; of a field given more than once the first value that is not empty. Broken
// percent-encoding in one of the values is ErrInvalid with the code malformed_form; all
// other fields count for nothing.
func FormFields(keep func([]byte) []byte, form []byte, names ...string) ([][]byte, error) {
	values := make([][]byte, len(names))
	for sent, value := range FormPairs(form) {
		i := fieldNamed(sent, names)
		if i < 0 || len(values[i]) > 0 {
			continue
		}
		plain, err := FormValue(keep, value)
		if err != nil {
			return nil, trace.Invalid("malformed_form", names[i], "form: field %s: %v", names[i], err)
		}
		values[i] = plain
	}
	return values, nil
}

// FormField gives the decoded value of one field, as FormFields does. A form
// without it is ErrInvalid with the code missing_field.
func FormField(keep func([]byte) []byte, form []byte, name string) ([]byte, error) {
	values, err := FormFields(keep, form, name)
	if err != nil {
		return nil, err
	}
	if values[0] == nil {
		return nil, trace.Invalid("missing_field", name, "form: there is no field %s", name)
	}
	return values[0], nil
}

// FormValue decodes a name or a value as url.QueryUnescape does, with its error, in
// memory of keep. It is never nil.
func FormValue(keep func([]byte) []byte, sent []byte) ([]byte, error) {
	b := keep(sent)
	if len(b) == 0 {
		return []byte{}, nil
	}
	// Decoded in place: what is written never overtakes what is read.
	to := 0
	for at := 0; at < len(b); at, to = at+1, to+1 {
		switch c := b[at]; c {
		case '+':
			b[to] = ' '
		case '%':
			if at+2 >= len(b) || hexDigits[b[at+1]]|hexDigits[b[at+2]] > 15 {
				_, err := url.QueryUnescape(string(sent))
				return nil, err
			}
			b[to] = hexDigits[b[at+1]]<<4 | hexDigits[b[at+2]]
			at += 2
		default:
			b[to] = c
		}
	}
	return b[:to:to], nil
}

// hexDigits has the value of each hexadecimal digit, and 255 for what is none.
var hexDigits = func() (digits [256]byte) {
	for c := range digits {
		digits[c] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		digits[c], digits[bytes.ToUpper([]byte{c})[0]] = byte(i), byte(i)
	}
	return digits
}()

// FormHas reports whether a form has a field, whatever its value.
func FormHas(form []byte, name string) bool {
	names := []string{name}
	for sent := range FormPairs(form) {
		if fieldNamed(sent, names) >= 0 {
			return true
		}
	}
	return false
}

// maxFieldName is how long the name of a field may be that is looked for, as it was
// sent.
const maxFieldName = 64

// fieldNamed finds the one of the names that a field was sent under, or -1.
func fieldNamed(sent []byte, names []string) int {
	if len(sent) > maxFieldName {
		return -1
	}
	if bytes.ContainsAny(sent, "%+") {
		plain, err := url.QueryUnescape(string(sent))
		if err != nil {
			return -1
		}
		sent = []byte(plain)
	}
	sent = bytes.TrimSpace(sent)
	for i, name := range names {
		if len(sent) == len(name) && bytes.EqualFold(sent, []byte(name)) {
			return i
		}
	}
	return -1
}

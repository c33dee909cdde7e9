package wire

import (
	"fmt"

	"waytrace/trace"
)

// ParseTime reads a time as the document wants it: ISO 8601, to the second and no
// finer, 2015-01-09T13:13:02+0100, with or without the colon of the offset, or with
// Z. A blank where the sign of the offset stands is a + that was not escaped in a
// form, and is read as one. ISO 8601 allows a time without offset: it is taken for China's, which is an
// assumption and marked so (trace.ZoneDefault). Anything else is ErrInvalid.
func ParseTime(s string) (trace.Time, error) {
	const seconds = len("2006-01-02T15:04:05")
	switch {
	case len(s) < seconds || s[4] != '-' || s[10] != 'T' || s[16] != ':':
	case len(s) == seconds:
		return trace.ParseLocal(s, trace.China, trace.ZoneDefault)
	case s[seconds] == ' ':
		return trace.ParseOffset(s[:seconds] + "+" + s[seconds+1:])
	case s[seconds] == 'Z' || s[seconds] == '+' || s[seconds] == '-':
		return trace.ParseOffset(s)
	}
	return trace.Time{}, fmt.Errorf("not of the form yyyy-MM-ddTHH:mm:ss+0800: %w", trace.ErrInvalid)
}

package carriers

import (
	"bytes"
	"encoding/json"
	"errors"
)

// ErrTooMany says that a list has more items than are read.
var ErrTooMany = errors.New("more items than are read")

// ReadList gives the items of a JSON list; they may borrow data. A list of more than
// most items, which is at least 1, is ErrTooMany and takes no memory to speak of: it
// is counted first, for a megabyte of "1," becomes forty of items. Other errors are
// those of ReadJSON.
func ReadList(data []byte, most int) (items []json.RawMessage, err error) {
	if moreItems(data, most) {
		// That what was counted is JSON, ReadJSON says without making room for items.
		var whole json.RawMessage
		if err = ReadJSON(data, &whole); err == nil {
			err = ErrTooMany
		}
		return nil, err
	}
	if err := ReadJSON(data, &items); err != nil {
		return nil, err
	}
	return items, nil
}

// moreItems reports whether a JSON list has more than most items. Of bytes that are
// not JSON it may say either.
func moreItems(data []byte, most int) bool {
	// Most lists have fewer commas than they might have items.
	if bytes.Count(data, []byte{','}) < most || bytes.TrimLeft(data, " \t\r\n")[0] != '[' {
		return false
	}
	depth, inString, items := 0, false, 1
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 1:
			if items++; items > most {
				return true
			}
		}
	}
	return false
}

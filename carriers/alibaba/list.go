package alibaba

import (
	"errors"
	"fmt"
	"strings"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

// A list is a parameter that is a list of objects, held against their table.
type list[T any] struct {
	items []T
	bad   [][]wire.Violation // of each item; nil is good
	good  int                // how many are
	whole []wire.Violation   // of the list itself; then there are no items
}

// An item is one of a list, which can hold itself against its table.
type item[T any] interface {
	*T
	Check() []wire.Violation
}

// readList reads a list of at most MaxItems objects. The error says that the
// request is no JSON, or of type *whole that the list is too long.
func readList[T any, P item[T]](v wire.Value, field string) (l list[T], err error) {
	if items, ok := scanList[T, P](v.Nested()); ok {
		l.items = items
		l.check(field, nil, func(item *T) []wire.Violation { return P(item).Check() })
		return l, nil
	}
	raw, code, err := v.List(MaxItems)
	switch {
	case errors.Is(err, wire.ErrTooMany):
		return l, &whole{Fault: trace.Fault{Code: "too_many_items", Field: field, Detail: fmt.Sprintf("at most %d are read", MaxItems)}}
	case err != nil:
		return l, err
	case code == "" && len(raw) == 0:
		code = wire.Empty
	}
	if code != "" {
		l.whole = []wire.Violation{{Code: code, Field: field}}
		return l, nil
	}
	l.items = make([]T, len(raw))
	codes := make([]string, len(raw))
	for i := range raw {
		if codes[i], err = (wire.Value{JSON: string(raw[i])}).Object(&l.items[i]); err != nil {
			return list[T]{}, err
		}
	}
	l.check(field, codes, func(item *T) []wire.Violation { return P(item).Check() })
	return l, nil
}

// check holds the items against their table, but for those that have a sub-code of
// what is wrong with them.
func (l *list[T]) check(field string, codes []string, check func(*T) []wire.Violation) {
	l.bad = make([][]wire.Violation, len(l.items))
	for i := range l.items {
		if codes != nil && codes[i] != "" {
			l.bad[i] = []wire.Violation{{Code: codes[i]}}
		} else {
			l.bad[i] = check(&l.items[i])
		}
		if l.bad[i] == nil {
			l.good++
		} else {
			wire.At(fmt.Sprintf("%s[%d].", field, i), l.bad[i])
		}
	}
}

// scanList reads a list of objects that read themselves in one pass, texts referring
// into data. ok is false where wire.Value.List has to: there is none, or anything of it
// is not as it usually is.
func scanList[T any, P item[T]](data string) (items []T, ok bool) {
	if _, ok := any(P(nil)).(wire.Fields); !ok || strings.Count(data, ",") > mostCommas {
		return nil, false
	}
	items = make([]T, 0, min(strings.Count(data, "{"), MaxItems))
	s := carriers.ScanJSON(data)
	for s.Open('['); s.Item(); {
		if len(items) == MaxItems {
			return nil, false
		}
		items = append(items, *new(T))
		wire.Scan(&s, any(P(&items[len(items)-1])).(wire.Fields))
	}
	return items, s.Fine() && len(items) > 0
}

// mostCommas is how many commas a list may have that is read in one pass: one with more
// is likely to be too long.
const mostCommas = 32 * MaxItems

// wrong is all that is wrong with the list and its items.
func (l *list[T]) wrong() (all []wire.Violation) {
	all = append(all, l.whole...)
	for _, bad := range l.bad {
		all = append(all, bad...)
	}
	return all
}

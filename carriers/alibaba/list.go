package alibaba

import (
	"errors"
	"fmt"

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

// readList reads a list of at most MaxItems objects. The error says that the
// request is no JSON, or of type *whole that the list is too long.
func readList[T any, P interface {
	*T
	Check() []wire.Violation
}](v wire.Value, field string) (l list[T], err error) {
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
	l.items, l.bad = make([]T, len(raw)), make([][]wire.Violation, len(raw))
	for i := range raw {
		code, err := wire.Value{JSON: raw[i]}.Object(&l.items[i])
		switch {
		case err != nil:
			return list[T]{}, err
		case code != "":
			l.bad[i] = []wire.Violation{{Code: code}}
		default:
			l.bad[i] = P(&l.items[i]).Check()
		}
		if l.bad[i] == nil {
			l.good++
		} else {
			wire.At(fmt.Sprintf("%s[%d].", field, i), l.bad[i])
		}
	}
	return l, nil
}

// wrong is all that is wrong with the list and its items.
func (l *list[T]) wrong() (all []wire.Violation) {
	all = append(all, l.whole...)
	for _, bad := range l.bad {
		all = append(all, bad...)
	}
	return all
}

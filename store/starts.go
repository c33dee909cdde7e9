package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A start is one start of a daemon on the directory, under the id that it has now: which
// numbers it gave out can be told from those that it and the next one began with.
type start struct {
	mark  uint64
	count uint64    // the how manieth it was, from 1
	at    trace.HLC // when
	own   [trace.Partitions]uint64
}

func (a *start) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, a.count)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.at))
	for _, own := range a.own {
		dst = binary.AppendUvarint(dst, own)
	}
	return dst
}

func (a *start) decode(value []byte) error {
	r := reader{rest: value}
	a.count, a.at = r.uvarint(), trace.HLC(r.fixed64())
	for i := range a.own {
		a.own[i] = r.uvarint()
	}
	return r.end("start")
}

// recallStarts reads all starts under the present id, in their order.
func (s *Store) recallStarts() error {
	err := s.scanEntered(keys.Meta(nil, metaMark), func(key, value []byte) (bool, error) {
		var a start
		mark, err := strconv.ParseUint(string(key[len(metaMark)+1:]), 16, 64)
		if err == nil {
			err = a.decode(value)
		}
		if err != nil {
			return false, fmt.Errorf("%s: its mark %q is broken: restore it from a backup: %w", s.dir, key, err)
		}
		a.mark = mark
		s.starts = append(s.starts, a)
		return true, nil
	})
	slices.SortFunc(s.starts, func(a, b start) int { return cmp.Compare(a.count, b.count) })
	return err
}

// Numbered is the mark under which this directory gave out a number of a partition; ok is
// false where it never did. What a start gave out and a crash took back never left the
// node, so the latest start that can have given it out has.
func (s *Store) Numbered(partition uint16, own uint64) (mark uint64, ok bool) {
	if own == 0 || own > s.Counted(partition) {
		return 0, false
	}
	for i := len(s.starts) - 1; i >= 0; i-- {
		if s.starts[i].own[partition] <= own {
			return s.starts[i].mark, true
		}
	}
	return 0, false
}

// marked reports whether a mark is of a start under the present id.
func (s *Store) marked(mark uint64) bool {
	return slices.ContainsFunc(s.starts, func(a start) bool { return a.mark == mark })
}

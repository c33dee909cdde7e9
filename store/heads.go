package store

import (
	"encoding/binary"
	"sync/atomic"

	"waytrace/trace"
)

// The table of heads keeps the heads of the numbers that were written to last in
// memory, as they are stored: the writer need not look for them on the disk, and a
// status is answered from it. A number is there with the heads of all its carriers or
// not at all. It is filled by what is written, so that opening stays quick, and holds
// what is written before it is synced, as the database itself does.
//
// The writer alone changes it; everybody reads.
type headTable struct {
	ring *ring
	off  atomic.Bool // after a failed write: what is here may never come to be
}

// free gives the memory back; nobody may read any more.
func (t *headTable) free() {
	if t.ring != nil {
		t.ring.free()
	}
}

// size is how many bytes the table takes, and how many numbers it holds.
func (t *headTable) size() (bytes int64, numbers int) {
	if t.ring == nil {
		return 0, 0
	}
	return t.ring.size()
}

// A list of heads is, for each carrier in byte order: its code and the head, each
// behind its length as uvarint.

// nextHead takes the first head off a list.
func nextHead(list []byte) (carrier, head, rest []byte) {
	take := func() (part []byte) {
		n, size := binary.Uvarint(list)
		part, list = list[size:size+int(n)], list[size+int(n):]
		return part
	}
	carrier = take()
	head = take()
	return carrier, head, list
}

func appendHead(dst []byte, carrier string, head []byte) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(carrier))), carrier...)
	return append(binary.AppendUvarint(dst, uint64(len(head))), head...)
}

// get appends the list of a number's heads to dst, if it is known.
func (t *headTable) get(dst []byte, hash uint64, number string) ([]byte, bool) {
	if t.ring == nil || t.off.Load() {
		return dst, false
	}
	return t.ring.get(dst, hash, number)
}

func (t *headTable) put(hash uint64, number string, list []byte) {
	if t.ring != nil {
		t.ring.put(hash, number, list)
	}
}

// replaceHead appends list with one carrier's head replaced or added.
func replaceHead(dst, list []byte, carrier string, head []byte) []byte {
	done := false
	for len(list) > 0 {
		var c, h []byte
		c, h, list = nextHead(list)
		if !done && string(c) >= carrier {
			dst, done = appendHead(dst, carrier, head), true
		}
		if string(c) != carrier {
			dst = appendHead(dst, string(c), h)
		}
	}
	if !done {
		dst = appendHead(dst, carrier, head)
	}
	return dst
}

// listOf appends the list of a number's heads to dst: from the table, or else from the
// database, and then the table has it. Only the writer calls it.
func (s *Store) listOf(dst []byte, hash uint64, number string) ([]byte, error) {
	if s.known.lacks(hash) {
		return dst, nil
	}
	list, ok := s.heads.get(dst, hash, number)
	if ok {
		return list, nil
	}
	list, err := s.readList(dst, number)
	if err == nil && len(list) > len(dst) {
		s.heads.put(hash, number, list[len(dst):])
	}
	return list, err
}

// readList appends the list of a number's heads as the database has them.
func (s *Store) readList(dst []byte, number string) ([]byte, error) {
	l := lookups.Get().(*lookup)
	defer lookups.Put(l)
	it, err := s.iterate(l)
	if err != nil {
		return dst, err
	}
	defer it.Close()
	err = eachHeadOf(it, l, number, func(carrier, head []byte) error {
		dst = appendHead(dst, string(carrier), head)
		return nil
	})
	return dst, err
}

// readTable reads the head of a number out of the table, as readHeads does out of the
// database; known is false where it is not there.
func (s *Store) readTable(l *lookup, hash uint64, t *trace.Trace, number, carrier string) (known bool, err error) {
	l.list, known = s.heads.get(l.list[:0], hash, number)
	if !known {
		return false, nil
	}
	c := choice{t: t, number: number, carrier: carrier}
	for list := l.list; len(list) > 0; {
		var of, head []byte
		of, head, list = nextHead(list)
		if err := c.take(of, head); err != nil {
			return true, err
		}
	}
	return true, c.end()
}

// keepHead puts a head that the batch writes into the table. twin says that the batch
// writes another of the number.
func (w *writer) keepHead(h *liveHead, head []byte, twin bool) {
	t := &w.store.heads
	if t.ring == nil {
		return
	}
	var ok bool
	w.list, ok = t.get(w.list[:0], h.hash, h.Number)
	switch {
	case ok:
		w.listed = replaceHead(w.listed[:0], w.list, h.Carrier, head)
	case h.alone && !twin:
		w.listed = appendHead(w.listed[:0], h.Carrier, head)
	default:
		return // the others are not here: it is read from the database when it is wanted again
	}
	t.put(h.hash, h.Number, w.listed)
}

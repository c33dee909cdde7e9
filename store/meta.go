package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// Form is the form of a directory that this version writes. A directory of another
// form is refused: form 1 was never released.
const Form = 2

// The names of what a directory knows about itself.
const (
	metaForm       = "form"       // 4 bytes
	metaNode       = "node"       // trace.Origin
	metaMark       = "mark/"      // and the mark in hexadecimal: when that start was, HLC
	metaPartitions = "partitions" // 2 bytes
	metaClock      = "clock"      // HLC: no reading given out is greater
	metaNext       = "next"       // counters
	metaFolding    = "folding"    // trace.AppendFolding: what the heads were folded under
)

// counters are the numbers that the writer gives out next, kept in the batch
// that used them.
type counters struct {
	seq      uint64 // of the feed, from 1
	own      [trace.Partitions]uint64
	waybills uint64 // how many there are, which is no number to be given out
}

func (c *counters) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, c.seq)
	for _, n := range c.own {
		dst = binary.AppendUvarint(dst, n)
	}
	return binary.AppendUvarint(dst, c.waybills)
}

func (c *counters) decode(b []byte) error {
	next := func() uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			b = nil
			return 0
		}
		b = b[size:]
		return n
	}
	c.seq = next()
	for i := range c.own {
		c.own[i] = next()
	}
	c.waybills = next()
	if b == nil || len(b) != 0 {
		return fmt.Errorf("counters: %w", trace.ErrInvalid)
	}
	return nil
}

// birth makes the directory's own facts when it is new, and checks them when it
// is not; then it marks this start.
func (s *Store) birth() error {
	form, err := s.metaGet(metaForm)
	if err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	set := func(name string, value []byte) {
		// A batch in memory fails only when it is out of order of use.
		if err := b.Set(keys.Meta(nil, name), value, nil); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	switch {
	case form == nil:
		if err := s.mustBeEmpty(); err != nil {
			return err
		}
		s.node = trace.Origin(random64())
		s.next.seq = 1
		for i := range s.next.own {
			s.next.own[i] = 1
		}
		set(metaForm, binary.BigEndian.AppendUint32(nil, Form))
		set(metaNode, binary.BigEndian.AppendUint64(nil, uint64(s.node)))
		set(metaPartitions, binary.BigEndian.AppendUint16(nil, trace.Partitions))
		set(metaNext, s.next.append(nil))
		set(metaFolding, trace.AppendFolding(nil))
	case len(form) != 4:
		return fmt.Errorf("%s: it does not say its form: restore it from a backup", s.dir)
	case binary.BigEndian.Uint32(form) > Form:
		return fmt.Errorf("%s has form %d and this version of waytrace reads up to form %d: run the newer version that wrote it",
			s.dir, binary.BigEndian.Uint32(form), Form)
	case binary.BigEndian.Uint32(form) < Form:
		return fmt.Errorf("%s has form %d, of a version before the first release: choose another directory with --data", s.dir, binary.BigEndian.Uint32(form))
	default:
		if err := s.recall(); err != nil {
			return err
		}
	}
	s.mark = random64()
	set(metaMark+trace.Origin(s.mark).String(), binary.BigEndian.AppendUint64(nil, uint64(s.clock.Now())))
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("%s: %w", s.dir, err)
	}
	s.safe.Store(s.next.seq - 1)
	s.waybills.Store(s.next.waybills)
	return s.scan([]byte{keys.KindLeg}, func(_, _ []byte) (bool, error) {
		s.legs.Store(true)
		return false, nil
	})
}

// recall reads what an existing directory knows about itself.
func (s *Store) recall() error {
	node, err := s.metaUint(metaNode, 8)
	if err != nil {
		return err
	}
	partitions, err := s.metaUint(metaPartitions, 2)
	if err != nil {
		return err
	}
	if partitions != trace.Partitions {
		return fmt.Errorf("%s has %d partitions, this version knows %d only", s.dir, partitions, trace.Partitions)
	}
	clock, err := s.metaUint(metaClock, 8)
	if err != nil && !errors.Is(err, trace.ErrNotFound) {
		return err
	}
	next, err := s.metaGet(metaNext)
	if err != nil {
		return err
	}
	folding, err := s.metaGet(metaFolding)
	if err != nil {
		return err
	}
	s.stale.Store(string(folding) != string(trace.AppendFolding(nil)))
	s.node = trace.Origin(node)
	s.reserved = trace.HLC(clock)
	s.clock.Start(s.reserved)
	return s.next.decode(next)
}

// mustBeEmpty refuses to settle in a database that somebody else made.
func (s *Store) mustBeEmpty() error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer it.Close()
	if it.First() {
		return fmt.Errorf("%s holds a database that waytrace did not make: choose another directory with --data", s.dir)
	}
	return it.Error()
}

// metaGet gives a copy of a value, nil when there is none.
func (s *Store) metaGet(name string) ([]byte, error) {
	value, closer, err := s.db.Get(keys.Meta(nil, name))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.dir, err)
	}
	defer closer.Close()
	return append([]byte{}, value...), nil
}

func (s *Store) metaUint(name string, size int) (n uint64, err error) {
	value, err := s.metaGet(name)
	switch {
	case err != nil:
		return 0, err
	case value == nil:
		return 0, fmt.Errorf("%s: its %s is missing: %w", s.dir, name, trace.ErrNotFound)
	case len(value) != size:
		return 0, fmt.Errorf("%s: its %s is broken: restore it from a backup", s.dir, name)
	}
	for _, c := range value {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

func random64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return binary.BigEndian.Uint64(b[:])
}

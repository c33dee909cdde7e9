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
const Form = 3

// The names of what a directory knows about itself.
const (
	metaForm       = "form"       // 4 bytes
	metaNode       = "node"       // trace.Origin
	metaMark       = "mark/"      // and the mark of a start in hexadecimal: start
	metaPartitions = "partitions" // 2 bytes
	metaClock      = "clock"      // HLC: no reading given out is greater
	metaNext       = "next"       // counters
	metaReborn     = "reborn"     // 16 bytes, node and mark to be: a Rebirth is under way
	metaFolding    = "folding"    // trace.AppendFolding: what the heads were folded under
)

// counters are the numbers that the writer gives out next, kept in the batch
// that used them.
type counters struct {
	seq      uint64 // of the feed, from 1
	own      [trace.Partitions]uint64
	waybills uint64                   // how many there are, which is no number to be given out
	bytes    [trace.Partitions]uint64 // of feed entries ever written, keys and values
}

func (c *counters) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, c.seq)
	for _, n := range c.own {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = binary.AppendUvarint(dst, c.waybills)
	for _, n := range c.bytes {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func (c *counters) decode(b []byte) error {
	r := reader{rest: b}
	c.seq = r.uvarint()
	for i := range c.own {
		c.own[i] = r.uvarint()
	}
	c.waybills = r.uvarint()
	for i := range c.bytes {
		c.bytes[i] = r.uvarint()
	}
	return r.end("counters")
}

// A reader reads the parts of a value one after the other. What it gives once a part
// was broken means nothing; end says so.
type reader struct {
	rest   []byte
	broken bool
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest, r.broken = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) fixed64() uint64 {
	if len(r.rest) < 8 {
		r.rest, r.broken = nil, true
		return 0
	}
	n := binary.BigEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return n
}

// text is a copy.
func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.rest, r.broken = nil, true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

// end is ErrInvalid unless every part was there and nothing is left.
func (r *reader) end(of string) error {
	if r.broken || len(r.rest) != 0 {
		return fmt.Errorf("%s: %w", of, trace.ErrInvalid)
	}
	return nil
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
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
	set := func(name string, value []byte) { put(b, keys.Meta(nil, name), value) }
	if form == nil {
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
	} else {
		if err := s.recall(); err != nil {
			return err
		}
		if reborn, err := s.metaGet(metaReborn); err != nil {
			return err
		} else if reborn != nil {
			return fmt.Errorf("%s is being given a new node id, which was not finished: run `waytrace restore --data %s` again", s.dir, s.dir)
		}
	}
	s.mark = random64()
	this := start{mark: s.mark, count: uint64(len(s.starts)) + 1, at: s.clock.Now(), own: s.next.own}
	s.starts = append(s.starts, this)
	set(metaMark+trace.Origin(s.mark).String(), this.append(nil))
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("%s: %w", s.dir, err)
	}
	s.safe.Store(s.next.seq - 1)
	s.waybills.Store(s.next.waybills)
	if err := s.recallFeed(); err != nil {
		return err
	}
	return s.scan([]byte{keys.KindLeg}, func(_, _ []byte) (bool, error) {
		s.legs.Store(true)
		return false, nil
	})
}

// put puts a pair into a batch, which copies it.
func put(b *pebble.Batch, key, value []byte) {
	// A batch in memory fails only when it is out of order of use.
	if err := b.Set(key, value, nil); err != nil {
		panic("BUG: " + err.Error())
	}
}

// mustHaveForm refuses a directory of another form.
func (s *Store) mustHaveForm() error {
	form, err := s.metaUint(metaForm, 4)
	switch {
	case errors.Is(err, trace.ErrNotFound):
		return noDirectory(s.dir)
	case err != nil:
		return err
	case form > Form:
		return fmt.Errorf("%s has form %d and this version of waytrace reads up to form %d: run the newer version that wrote it", s.dir, form, Form)
	case form < Form:
		return fmt.Errorf("%s has form %d, of a version before the first release: choose another directory with --data", s.dir, form)
	}
	return nil
}

// recall reads what an existing directory knows about itself.
func (s *Store) recall() error {
	if err := s.mustHaveForm(); err != nil {
		return err
	}
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
	if err := s.next.decode(next); err != nil {
		return fmt.Errorf("%s: %w", s.dir, err)
	}
	return s.recallStarts()
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

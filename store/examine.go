package store

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/trace"
)

// An Examined is what a directory says of itself.
type Examined struct {
	Node     trace.Origin
	Waybills uint64
	Seq      uint64    // of the last change in its feed
	Clock    trace.HLC // no reading in it is greater, nor older by more than a few seconds
	// Reborn: it is being given a new node id, which was not finished.
	Reborn bool
}

// Examine opens a directory, changes nothing in it, and says what it holds. The error
// says why it cannot be used. A directory that is in use cannot be examined.
func Examine(dir string, o Options) (e Examined, err error) {
	s, err := openExisting(dir, o, true)
	if err != nil {
		return e, err
	}
	defer func() {
		if shut := s.shut(); err == nil && shut != nil {
			err = fmt.Errorf("%s: %w", dir, shut)
		}
	}()
	reborn, err := s.metaGet(metaReborn)
	if err != nil {
		return e, err
	}
	return Examined{s.node, s.next.waybills, s.next.seq - 1, s.reserved, reborn != nil}, nil
}

// openExisting opens the database of a directory that is there, with no writer over it,
// and reads what it knows about itself.
func openExisting(dir string, o Options, readOnly bool) (*Store, error) {
	o = o.withDefaults()
	if _, err := o.FS.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, noDirectory(dir) // the database would make it
	}
	s, err := openDatabase(dir, o, func(po *pebble.Options) {
		po.ReadOnly, po.ErrorIfNotExists = readOnly, true
	})
	if err != nil {
		return nil, err
	}
	if err := s.recall(); err != nil {
		s.shut()
		return nil, err
	}
	return s, nil
}

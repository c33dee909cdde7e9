package store

import (
	"hash/maphash"
	"sync/atomic"
)

// stamps tell whoever keeps something made of a number's heads whether these have
// changed since. Numbers share cells by their hash: now and then a stamp moves though
// nothing of its own number did, and never the other way round.
//
// A cell counts in its low bits the batches under way to the disk that change a head,
// and in the others all there ever were.
type stamps struct {
	seed  maphash.Seed
	cells []atomic.Uint32
}

const (
	stampCells    = 1 << 20 // 4 MiB: with a million things kept, a change drops one beside its own
	stampUnderWay = 8       // bits; far fewer batches are under way at once
)

func newStamps() stamps {
	return stamps{maphash.MakeSeed(), make([]atomic.Uint32, stampCells)}
}

// hash is what a number goes by in memory, here and in the other tables.
func (s *stamps) hash(number string) uint64 { return maphash.String(s.seed, number) }

// begin notes that a batch that changes the number is about to be seen by readers,
// and gives the cell, for land.
func (s *stamps) begin(hash uint64) (cell uint32) {
	cell = uint32(hash % stampCells)
	s.cells[cell].Add(1<<stampUnderWay | 1)
	return cell
}

// land notes that the batch is synced. One that failed never lands: what is on disk of
// it nobody knows.
func (s *stamps) land(cell uint32) { s.cells[cell].Add(^uint32(0)) }

// all are the cells as they are.
func (s *stamps) all() []uint32 {
	cells := make([]uint32, len(s.cells))
	for i := range cells {
		cells[i] = s.cells[i].Load()
	}
	return cells
}

// same reports whether a number's cell is as it was, and no batch was under way then.
func (s *stamps) same(hash uint64, before []uint32) bool {
	cell := hash % stampCells
	return before[cell]&(1<<stampUnderWay-1) == 0 && s.cells[cell].Load() == before[cell]
}

// Stamp is another one after every change of what is known of a number; it moves
// before the first reader can see the change. settled is false while a change is
// not yet synced. What was read between two calls that gave the same stamp, both
// settled, is synced, and may be kept and shown for as long as Stamp gives that one.
func (s *Store) Stamp(number string) (stamp uint32, settled bool) {
	v := s.stamps.cells[s.stamps.hash(number)%stampCells].Load()
	return v >> stampUnderWay, v&(1<<stampUnderWay-1) == 0
}

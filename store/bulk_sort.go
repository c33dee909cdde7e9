package store

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A sorter sorts pairs by their keys, more of them than fit into memory: what is full
// is sorted and written to a file while the next fills, and the runs are merged when
// all is there. The file has no name, so that whatever ends the process leaves none.
//
//	add ──▶ filling ──▶ spilling ──▶ file: run, run, run ──▶ merge
//	             └──────────────────────────────────────────▶
type sorter struct {
	fs   vfs.FS
	name string // of the file, until it is made
	most int    // bytes that are filled before they are sorted

	mu       sync.Mutex
	added    uint64
	filling  sortable
	spare    sortable // free while nothing is spilled
	spilling sync.WaitGroup

	// The spilling goroutine's while it runs.
	file vfs.File // nil before anything is spilled
	size int64
	runs []run
	err  error
}

// A run is a sorted part of the file.
type run struct{ from, to int64 }

// A sortable has pairs in memory, one behind the other in data.
type sortable struct {
	data  []byte
	order []pairAt
}

// A pairAt is where a pair begins, with the first bytes of its key: most comparisons
// need no more.
type pairAt struct{ front, at uint64 }

// pairWeight is what a pair's place weighs, in bytes.
const pairWeight = 16

func newSorter(fs vfs.FS, name string, most int) *sorter {
	return &sorter{fs: fs, name: name, most: most}
}

// add takes a pair in, and copies it. It waits while two portions are full. It is safe
// for concurrent use.
func (s *sorter) add(key, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.filling
	if len(p.data) > 0 && len(p.data)+len(key)+len(value)+pairWeight*len(p.order) >= s.most {
		s.spilling.Wait()
		if s.err != nil {
			return s.err
		}
		full := s.filling
		s.filling, s.spare = s.spare, sortable{}
		s.spilling.Go(func() {
			s.err = s.spill(&full)
			s.spare = sortable{full.data[:0], full.order[:0]}
		})
	}
	s.added++
	if p.data == nil {
		p.data = make([]byte, 0, s.most)
	}
	var front [8]byte
	copy(front[:], key)
	p.order = append(p.order, pairAt{binary.BigEndian.Uint64(front[:]), uint64(len(p.data))})
	p.data = appendPair(p.data, key, value)
	return nil
}

// count is how many pairs were added.
func (s *sorter) count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.added
}

// A pair is its key's length and its value's as uvarint, the key and the value.
func appendPair(dst, key, value []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(append(dst, key...), value...)
}

// pairIn reads the pair that b begins with.
func pairIn(b []byte) (key, value, rest []byte) {
	k, n := binary.Uvarint(b)
	v, m := binary.Uvarint(b[n:])
	b = b[n+m:]
	return b[:k], b[k : k+v], b[k+v:]
}

func (p *sortable) sort() {
	slices.SortFunc(p.order, func(a, b pairAt) int {
		if c := cmp.Compare(a.front, b.front); c != 0 {
			return c
		}
		x, _, _ := pairIn(p.data[a.at:])
		y, _, _ := pairIn(p.data[b.at:])
		return bytes.Compare(x, y)
	})
}

// spill sorts a portion and writes it as a run.
func (s *sorter) spill(p *sortable) error {
	p.sort()
	if s.file == nil {
		file, err := s.fs.OpenReadWrite(s.name, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		s.file = file
		if err := s.fs.Remove(s.name); err != nil {
			return err
		}
	}
	begin := s.size
	out := bufio.NewWriterSize(s.file, 1<<20)
	for _, at := range p.order {
		_, _, rest := pairIn(p.data[at.at:])
		pair := p.data[at.at : len(p.data)-len(rest)]
		s.size += int64(len(pair))
		if _, err := out.Write(pair); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	s.runs = append(s.runs, run{begin, s.size})
	return nil
}

// close gives the file up.
func (s *sorter) close() error {
	s.spilling.Wait()
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// The buffers of all runs together have about so many bytes, each of them so many at
// least.
const (
	mergeBuffers     = 64 << 20
	leastMergeBuffer = 64 << 10
)

// merge gives all pairs in the order of their keys, borrowed by take until it returns.
// Nobody may add any more.
func (s *sorter) merge(ctx context.Context, take func(key, value []byte) error) error {
	s.spilling.Wait()
	if s.err != nil {
		return s.err
	}
	s.spare = sortable{}
	s.filling.sort()
	all := merging{}
	add := func(src *source) error {
		err := src.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		all = append(all, src)
		return err
	}
	buffer := max(leastMergeBuffer, min(1<<20, mergeBuffers/max(1, len(s.runs))))
	for _, r := range s.runs {
		in := bufio.NewReaderSize(io.NewSectionReader(s.file, r.from, r.to-r.from), buffer)
		if err := add(&source{file: in}); err != nil {
			return err
		}
	}
	if err := add(&source{memory: &s.filling}); err != nil {
		return err
	}
	for i := len(all)/2 - 1; i >= 0; i-- {
		all.down(i)
	}
	for n := 0; len(all) > 0; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		first := all[0]
		if err := take(first.key, first.value); err != nil {
			return err
		}
		switch err := first.next(); {
		case errors.Is(err, io.EOF):
			last := len(all) - 1
			all[0] = all[last]
			all = all[:last]
		case err != nil:
			return err
		}
		all.down(0)
	}
	return nil
}

// merging is a heap of sources by their keys.
type merging []*source

// down puts the source at i where it belongs.
func (m merging) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m); child++ {
			if bytes.Compare(m[child].key, m[least].key) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m[i], m[least] = m[least], m[i]
		i = least
	}
}

// A source is a run, in the file or in memory.
type source struct {
	key, value []byte // of its first pair

	file *bufio.Reader
	pair []byte

	memory *sortable
	at     int
}

// next goes to the next pair; io.EOF behind the last one.
func (s *source) next() error {
	if s.memory != nil {
		if s.at == len(s.memory.order) {
			return io.EOF
		}
		s.key, s.value, _ = pairIn(s.memory.data[s.memory.order[s.at].at:])
		s.at++
		return nil
	}
	k, err := binary.ReadUvarint(s.file)
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	v, err2 := binary.ReadUvarint(s.file)
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("sort: read what was sorted: %w", err)
	}
	s.pair = slices.Grow(s.pair[:0], int(k+v))[:k+v]
	if _, err := io.ReadFull(s.file, s.pair); err != nil {
		return fmt.Errorf("sort: read what was sorted: %w", err)
	}
	s.key, s.value = s.pair[:k], s.pair[k:]
	return nil
}

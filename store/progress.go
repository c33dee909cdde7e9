package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A pair goes into the batch as it is.
type pair struct{ key, value []byte }

// ApplyNews merges facts of other nodes, which have judged them, and writes in the same
// batch how far they were read: so what was read is applied once, whatever happens.
// Facts are taken as they are, and count as heard there; each event must have been sealed
// with its own hearing. Either may be nil. It returns when both are synced.
//
// The error is as Append's, and so is what holds of the facts then. p is not kept.
func (s *Store) ApplyNews(ctx context.Context, facts *trace.Facts, p *trace.Progress) error {
	r := &request{facts: facts, done: make(chan struct{}, 1)}
	if facts != nil {
		facts.Judged = true
	}
	if p != nil {
		r.progress = append(r.progress, pair{keys.Position(nil, p.Partition), appendPosition(nil, p.Position)})
		for origin, known := range p.Origins {
			r.progress = append(r.progress, pair{keys.Known(nil, p.Partition, origin), appendKnown(nil, &known)})
		}
	}
	if err := s.submit(ctx, r); err != nil {
		return err
	}
	return r.err
}

// Place is how far a partition of the topic was read, and what was read of each node's
// news in it. Both are zero where nothing was.
func (s *Store) Place(partition uint16) (at trace.Position, known map[trace.Origin]trace.Known, err error) {
	known = make(map[trace.Origin]trace.Known)
	err = s.scan(keys.Position(nil, partition), func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		if k.Origin == 0 {
			return true, decodePosition(&at, value)
		}
		var of trace.Known
		err = decodeKnown(&of, value)
		known[k.Origin] = of
		return true, err
	})
	if err != nil {
		return trace.Position{}, nil, fmt.Errorf("partition %d: %w", partition, err)
	}
	return at, known, nil
}

func appendPosition(dst []byte, p trace.Position) []byte {
	return binary.BigEndian.AppendUint64(binary.AppendUvarint(dst, uint64(p.Offset)), p.Last)
}

func decodePosition(p *trace.Position, value []byte) error {
	r := reader{rest: value}
	*p = trace.Position{Offset: int64(r.uvarint()), Last: r.fixed64()}
	return r.end("position")
}

func appendKnown(dst []byte, k *trace.Known) []byte {
	dst = binary.AppendUvarint(dst, k.Own)
	for _, run := range k.Runs {
		dst = binary.AppendUvarint(binary.BigEndian.AppendUint64(dst, run.Mark), run.From)
	}
	return dst
}

func decodeKnown(k *trace.Known, value []byte) error {
	r := reader{rest: value}
	*k = trace.Known{Own: r.uvarint()}
	for len(r.rest) > 0 {
		k.Runs = append(k.Runs, trace.Run{Mark: r.fixed64(), From: r.uvarint()})
	}
	return r.end("what was read of a node")
}

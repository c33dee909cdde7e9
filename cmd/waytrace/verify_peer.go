package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"waytrace/store"
	"waytrace/trace"
)

// How much of what differs is looked at twice, and how much of that is named.
const (
	maxSuspects = 10_000
	maxNamed    = 100
	maxParts    = 5
	// maxLooks is how often what changes while it is looked at is looked at again.
	maxLooks = 5
)

// A comparison is of a daemon with a peer.
type comparison struct {
	std         *streams
	here, there side
	heads       bool // what the facts mean counts too
	lag         time.Duration
	most        int // suspects

	compared uint64 // waybills
	suspects []suspect
	full     bool // there are more
}

// A suspect is a waybill of which the two had not the same.
type suspect struct {
	trace.Waybill
	seen both
}

// both is what the two have of one waybill; one that is not there is empty.
type both struct{ here, there store.Digest }

// compare compares the daemon with its peer.
func (c *VerifyCmd) compare(ctx context.Context, std *streams) error {
	here, err := c.client()
	if err != nil {
		return err
	}
	defer here.close()
	there, err := newClient(c.Peer, c.PeerKey)
	if err != nil {
		return err
	}
	defer there.close()
	p := comparison{std: std, here: side{client: here}, there: side{client: there}, lag: c.Lag, most: maxSuspects}
	if err := p.introduce(ctx, c.Heads); err != nil {
		return err
	}
	b := newBar(std, p.here.header.Waybills)
	err = p.ranges(ctx, b)
	b.close()
	if err != nil {
		return err
	}
	return p.judge(ctx)
}

// introduce asks both who they are, and says where they would make different heads of
// the same facts.
func (p *comparison) introduce(ctx context.Context, heads bool) error {
	for _, s := range []*side{&p.here, &p.there} {
		err := s.digests(ctx, url.Values{"heads": {"1"}}, func(line *digestLine) error {
			if line.Header != nil {
				s.header = line.Header
			}
			return errEnough
		})
		if err != nil {
			return err
		}
	}
	here, there := p.here.header, p.there.header
	if here.Node == there.Node {
		return fmt.Errorf("%s and %s are both node %s: is that one daemon, or a copied directory that `waytrace restore` must make new?",
			p.here.base, p.there.base, plain(here.Node))
	}
	unlike := differing("", here.Settings, there.Settings)
	unlike = append(unlike, differing("the code table of ", here.Tables, there.Tables)...)
	if here.Fold != there.Fold && len(unlike) == 0 {
		unlike = append(unlike, fmt.Sprintf("the fold is of version %s here and of %s there", plain(here.Version), plain(there.Version)))
	}
	for _, line := range unlike {
		fmt.Fprintln(p.std.err, line)
	}
	p.heads = heads || len(unlike) == 0
	if !p.heads {
		fmt.Fprintln(p.std.err, "so only the facts are compared, and not what they mean (--heads compares both)")
	}
	return nil
}

// differing names what two maps have not alike.
func differing[V comparable](what string, here, there map[string]V) (lines []string) {
	names := maps.Clone(here)
	maps.Copy(names, there)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, isHere := here[name]
		b, isThere := there[name]
		if a == b && isHere == isThere {
			continue
		}
		said := func(v V, is bool) string {
			if !is {
				return "not known"
			}
			return plain(fmt.Sprint(v))
		}
		lines = append(lines, fmt.Sprintf("%s%s is %s here and %s there", what, plain(name), said(a, isHere), said(b, isThere)))
	}
	return lines
}

// ranges compares range by range, and waybill by waybill where one differs.
func (p *comparison) ranges(ctx context.Context, b *bar) error {
	return p.here.digests(ctx, url.Values{}, func(line *digestLine) error {
		if line.Range == nil {
			return nil
		}
		ours := line.Range
		var theirs *store.Range
		err := p.there.digests(ctx, url.Values{"from": {ours.From}, "to": {ours.To}}, func(line *digestLine) error {
			if line.Range != nil {
				theirs = line.Range
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case theirs == nil:
			return fmt.Errorf("%s was asked for a range and told none", p.there.base)
		}
		p.compared += max(ours.Waybills, theirs.Waybills)
		b.show(p.compared, p.here.header.Waybills)
		if ours.Waybills == theirs.Waybills && ours.Facts == theirs.Facts && (!p.heads || ours.Heads == theirs.Heads) {
			return nil
		}
		return p.each(ctx, ours)
	})
}

// each compares the waybills of a range.
func (p *comparison) each(ctx context.Context, of *store.Range) error {
	query := url.Values{"from": {of.From}, "to": {of.To}, "each": {"1"}}
	var ours []store.Digest // one range of this node's is not many
	err := p.here.digests(ctx, query, func(line *digestLine) error {
		if line.Waybill != nil {
			ours = append(ours, *line.Waybill)
		}
		return nil
	})
	if err != nil {
		return err
	}
	suspected := func(w store.Digest, seen both) error {
		if p.agree(seen) {
			return nil
		}
		if len(p.suspects) == p.most {
			p.full = true
			return errEnough
		}
		p.suspects = append(p.suspects, suspect{trace.Waybill{Number: w.Number, Carrier: w.Carrier}, seen})
		return nil
	}
	before := func(w store.Digest) error {
		for len(ours) > 0 && byWaybill(ours[0], w) < 0 {
			if err := suspected(ours[0], both{here: ours[0]}); err != nil {
				return err
			}
			ours = ours[1:]
		}
		return nil
	}
	err = p.there.digests(ctx, query, func(line *digestLine) error {
		if line.Waybill == nil {
			return nil
		}
		theirs := *line.Waybill
		if err := before(theirs); err != nil {
			return err
		}
		seen := both{there: theirs}
		if len(ours) > 0 && byWaybill(ours[0], theirs) == 0 {
			seen.here, ours = ours[0], ours[1:]
		}
		return suspected(theirs, seen)
	})
	for ; err == nil && len(ours) > 0 && !p.full; ours = ours[1:] {
		err = suspected(ours[0], both{here: ours[0]})
	}
	if p.full {
		return errEnough
	}
	return err
}

func byWaybill(a, b store.Digest) int {
	return cmp.Or(strings.Compare(a.Number, b.Number), strings.Compare(a.Carrier, b.Carrier))
}

// agree reports whether the two have the same of a waybill.
func (p *comparison) agree(of both) bool {
	return byWaybill(of.here, of.there) == 0 && of.here.Facts == of.there.Facts && (!p.heads || of.here.Head == of.there.Head)
}

// judge looks again at what differed, for pushes go on: what is alike by now was on its
// way, what differs as before does differ, and what has changed is looked at once more.
func (p *comparison) judge(ctx context.Context) error {
	differ := 0
	for look := 0; len(p.suspects) > 0 && look < maxLooks; look++ {
		select {
		case <-time.After(p.lag):
		case <-ctx.Done():
			return errors.New("stopped")
		}
		var moving []suspect
		for _, s := range p.suspects {
			now, why, err := p.again(ctx, s.Waybill)
			switch {
			case err != nil:
				return err
			case p.agree(now):
			case now != s.seen:
				moving = append(moving, suspect{s.Waybill, now})
			default:
				if differ++; differ <= maxNamed {
					if _, err := fmt.Fprintf(p.std.out, "%s %s: %s\n", plain(s.Number), plain(s.Carrier), why); err != nil {
						return err
					}
				}
			}
		}
		p.suspects = moving
	}
	fmt.Fprintf(p.std.err, "%d parcels were compared with %s\n", p.compared, p.there.base)
	switch restless := len(p.suspects); {
	case p.full:
		return fmt.Errorf("%d parcels differ, of the first %d that seemed to; the rest was not compared", differ, p.most)
	case differ > maxNamed:
		return fmt.Errorf("%d parcels differ; the first %d are listed", differ, maxNamed)
	case differ > 0:
		return fmt.Errorf("%d parcels differ", differ)
	case restless > 0:
		return fmt.Errorf("%d parcels changed each time they were looked at: compare again when less is pushed, or with a longer --lag", restless)
	}
	fmt.Fprintln(p.std.err, "they are alike")
	return nil
}

// again looks at one waybill on both sides, and says in what they differ.
func (p *comparison) again(ctx context.Context, w trace.Waybill) (now both, why string, err error) {
	var ours, theirs []store.Part
	if now.here, ours, err = p.here.one(ctx, w); err != nil {
		return now, "", err
	}
	if now.there, theirs, err = p.there.one(ctx, w); err != nil {
		return now, "", err
	}
	switch {
	case now.here == store.Digest{}:
		return now, "missing here", nil
	case now.there == store.Digest{}:
		return now, "missing there", nil
	case now.here.Facts == now.there.Facts:
		return now, "the facts are the same, and what they mean is not: code tables or settings differ, or did when it was folded last", nil
	}
	return now, unlikeParts(ours, theirs), nil
}

// unlikeParts names the facts that two nodes have not alike.
func unlikeParts(ours, theirs []store.Part) string {
	sums := func(parts []store.Part) map[string]store.Sum {
		all := make(map[string]store.Sum, len(parts))
		for _, part := range parts {
			all[part.Name] ^= part.Sum // two that are called alike count as one
		}
		return all
	}
	here, there := sums(ours), sums(theirs)
	names := maps.Clone(here)
	maps.Copy(names, there)
	var lines []string
	gone := make(map[string]bool) // events: what belongs to one is missing with it
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, isHere := here[name]
		b, isThere := there[name]
		if at := strings.LastIndex(name, "event "); at >= 0 && isHere != isThere {
			if gone[name[at:]] {
				continue
			}
			gone[name] = at == 0
		}
		switch {
		case !isHere:
			lines = append(lines, plain(name)+" is missing here")
		case !isThere:
			lines = append(lines, plain(name)+" is missing there")
		case a != b:
			lines = append(lines, plain(name)+" differs")
		}
	}
	if n := len(lines); n > maxParts {
		lines = append(lines[:maxParts], fmt.Sprintf("and %d more", n-maxParts))
	}
	return strings.Join(lines, "; ")
}

// A side is one of the two daemons.
type side struct {
	*client
	header *digestHeader
}

// digests asks one for digests, and wants the answer whole.
func (s *side) digests(ctx context.Context, query url.Values, take func(*digestLine) error) error {
	whole := false
	err := s.lines(ctx, http.MethodGet, "/digests?"+query.Encode(), func(text []byte) error {
		var line digestLine
		if err := json.Unmarshal(text, &line); err != nil {
			return fmt.Errorf("%s does not answer as a daemon does: is this the admin listener?", s.base)
		}
		if line.Error != nil {
			return fmt.Errorf("%s: %w", s.base, line.Error.asError())
		}
		whole = line.Done != nil
		err := take(&line)
		whole = whole || errors.Is(err, errEnough)
		return err
	})
	if err == nil && !whole {
		return fmt.Errorf("%s ended the answer before it had done", s.base)
	}
	return err
}

// one asks for a single waybill; one that is not there is empty.
func (s *side) one(ctx context.Context, w trace.Waybill) (one store.Digest, parts []store.Part, err error) {
	err = s.digests(ctx, url.Values{"number": {w.Number}, "carrier": {w.Carrier}}, func(line *digestLine) error {
		switch {
		case line.Waybill != nil:
			one = *line.Waybill
		case line.Part != nil:
			parts = append(parts, *line.Part)
		}
		return nil
	})
	var no *refused
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return store.Digest{}, nil, nil
	}
	return one, parts, err
}

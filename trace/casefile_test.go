package trace

import (
	"bytes"
	stdflag "flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A case file in testdata/fold is a situation out of a parcel's life: a title, the
// facts in the order in which they were heard, and behind a line of dashes what they
// mean together.
//
//	# Why this case is here.
//	scan LABEL DATE [TIME[OFFSET]] STATUS[.SUB] [OPTION…]   a scan is told
//	scan LABEL [OPTION…]                                    it is told again
//	list SOURCE                                             a source tells its whole journey:
//	  LABEL …                                               an item, told first or again, as behind "scan"
//	  broken                                                an item that is not understood
//	leg ROLE NUMBER|- CARRIER|- DATE TIME                   a booking says who carries it on; "-" is not said
//	override STATUS[.SUB]|withdrawn "REASON"                an operator gives his word, or takes it back
//	heard DATE TIME                                         what follows is heard from then on
//	waybill NUMBER CARRIER                                  what follows is of that parcel
//
// Options of a scan: source, code (else the label), reason, text, en, city, ref, table,
// zone (an offset, or "unknown"), leg (ROLE:NUMBER:CARRIER), signed; edits (its source
// edits texts), from-text (the status was drawn from the text). Times are local to
// China unless they have an offset, and as exact as they are written.
type caseFile struct {
	path, name string
	facts      string // with the title
	want       string
}

const caseSeparator = "\n----\n"

var golden = stdflag.Bool("golden", false, "rewrite what the cases in testdata/fold mean")

func caseFiles(t testing.TB) (files []caseFile) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "fold", "*.case"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		facts, want, _ := strings.Cut(string(content), caseSeparator)
		files = append(files, caseFile{path, strings.TrimSuffix(filepath.Base(path), ".case"), strings.TrimRight(facts, "\n") + "\n", want})
	}
	return files
}

// Each case means what its file says, and means it in whatever order, and however
// often, the facts reach a node to which they come judged.
func TestFoldCases(t *testing.T) {
	for _, f := range caseFiles(t) {
		t.Run(f.name, func(t *testing.T) {
			p := play(t, f)
			got := p.outcome(t)
			if *golden && got != f.want {
				f.want = got
				if err := os.WriteFile(f.path, []byte(f.facts+caseSeparator[1:]+got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != f.want {
				t.Errorf("%s: it means\n%s\nwant\n%s", f.path, got, f.want)
			}
			want := p.heads()
			p.comesBack(t, want)
			seed := fnv.New64a()
			seed.Write([]byte(f.name))
			random := rand.New(rand.NewPCG(seed.Sum64(), 1))
			for range 24 {
				if got, order := p.shuffled(t, random); !maps.EqualFunc(got, want, bytes.Equal) {
					t.Fatalf("%s: told in the order %v the heads are\n%x, want\n%x", f.path, order, got, want)
				}
			}
		})
	}
}

// A played case: what is known of each parcel, and all that was told.
type played struct {
	file  caseFile
	line  int
	of    Waybill
	heard HLC
	names map[ID]string     // the scans' labels
	scans map[string]*Event // by label, as told last
	rooms map[Waybill]*room
	order []Waybill
	told  []fact // in order, as another node gets them
	notes []string
	lists int
}

// A room is what a node has of one parcel.
type room struct {
	head   Head
	events map[ID]*Event
	judged map[string]*Judgement
}

// A fact is one of these.
type fact struct {
	event    *Event
	list     *List
	leg      *LegFact
	override *Override
}

const caseOrigin Origin = 0x5e

func play(t testing.TB, f caseFile) *played {
	t.Helper()
	p := &played{file: f, names: map[ID]string{}, scans: map[string]*Event{}}
	p.reset()
	p.of = Waybill{"SF7444400031887", "sf"}
	p.hear(t, []string{"2026-12-31", "12:00:00"})
	lines := strings.Split(f.facts, "\n")
	if !strings.HasPrefix(lines[0], "# ") {
		t.Fatalf("%s: the first line says why the case is there", f.path)
	}
	for i := 0; i < len(lines); i++ {
		p.line = i + 1
		line, _, _ := strings.Cut(lines[i], "#")
		words := p.words(t, line)
		if len(words) == 0 {
			continue
		}
		var facts Facts
		switch rest := words[1:]; words[0] {
		case "scan":
			p.scan(t, &facts, rest)
		case "list":
			facts.OpenList(p.of, rest[0], -1)
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
				i++
				p.line = i + 1
				if item := p.words(t, lines[i]); item[0] == "broken" {
					facts.Fault(0, "invalid_item", "", "it is not understood")
				} else {
					p.scan(t, &facts, item)
				}
			}
			facts.CloseList()
			p.lists++
		case "leg":
			facts.Legs = append(facts.Legs, p.leg(t, rest))
		case "override":
			facts.Overrides = append(facts.Overrides, p.override(t, rest))
		case "heard":
			p.hear(t, rest)
			continue
		case "waybill":
			p.of = Waybill{rest[0], rest[1]}
			continue
		default:
			p.fatal(t, "%q is no kind of fact", words[0])
		}
		p.push(t, &facts)
	}
	p.fold()
	return p
}

func (p *played) fatal(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Fatalf("%s:%d: %s", p.file.path, p.line, fmt.Sprintf(format, args...))
}

var word = regexp.MustCompile(`[^\s"]*"[^"]*"|\S+`)

func (p *played) words(t testing.TB, line string) []string {
	words := word.FindAllString(line, -1)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], `"`, "")
	}
	return words
}

func (p *played) hear(t testing.TB, words []string) {
	at, err := ParseLocal(strings.Join(words, " "), China, ZoneCarrier)
	if err != nil {
		p.fatal(t, "%v", err)
	}
	p.heard = HLCAt(at.Instant())
}

func (p *played) pair(t testing.TB, s string) Pair {
	name, sub, _ := strings.Cut(s, ".")
	status, ok := ParseStatus(name)
	if !ok {
		p.fatal(t, "there is no status %q", name)
	}
	return Pair{status, sub}
}

var clock = regexp.MustCompile(`^\d\d:\d\d`)

// scan tells a scan, for the first time or again.
func (p *played) scan(t testing.TB, facts *Facts, words []string) {
	label := words[0]
	e := Event{Waybill: p.of, Source: p.of.Carrier, Code: label, Table: 1}
	if old := p.scans[label]; old != nil {
		e, words = *old, words[1:]
	} else {
		if len(words) < 3 {
			p.fatal(t, "there is no scan %q", label)
		}
		if n := len(facts.Lists); n > 0 {
			e.Source = facts.Lists[n-1].Source
		}
		written := words[1]
		words = words[2:]
		if clock.MatchString(words[0]) {
			written += " " + words[0]
			words = words[1:]
		}
		var err error
		if e.At, err = ParseLocal(written, China, ZoneCarrier); err != nil {
			if e.At, err = ParseOffset(written); err != nil {
				p.fatal(t, "%v", err)
			}
		}
		e.Pair, words = p.pair(t, words[0]), words[1:]
	}
	for _, w := range words {
		p.option(t, &e, w)
	}
	kept := e
	p.scans[label] = &kept
	e.References = slices.Clone(e.References)
	added := facts.Event()
	e.List = added.List
	*added = e
}

func (p *played) option(t testing.TB, e *Event, option string) {
	name, value, _ := strings.Cut(option, "=")
	switch name {
	case "source":
		e.Source = value
	case "code":
		e.Code = value
	case "reason":
		e.ReasonCode = value
	case "text":
		e.Text.Text = value
	case "en":
		e.Text.EN = value
	case "city":
		e.Place.City = value
	case "signed":
		e.SignedBy = value
	case "ref":
		e.References = []Reference{{"main", value}}
	case "status":
		e.Pair = p.pair(t, value)
	case "table":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			p.fatal(t, "%v", err)
		}
		e.Table = uint32(n)
	case "zone":
		e.At.Offset, e.At.Zone = 0, ZoneUnknown
		if value != "unknown" {
			offset, ok := parseOffset(value)
			if !ok {
				p.fatal(t, "there is no zone %q", value)
			}
			e.At.Offset, e.At.Zone = offset, ZoneLocation
		}
	case "leg":
		parts := strings.Split(value, ":")
		if len(parts) != 3 {
			p.fatal(t, "a leg is ROLE:NUMBER:CARRIER, not %q", value)
		}
		e.Leg = LegTo{Waybill{parts[1], parts[2]}, p.role(t, parts[0])}
	case "edits":
		e.TextEdits = true
	case "from-text":
		e.Provisional = true
	default:
		p.fatal(t, "there is no option %q", name)
	}
}

func (p *played) role(t testing.TB, name string) Role {
	i := slices.Index(roleNames[:], name)
	if i < 0 {
		p.fatal(t, "there is no role %q", name)
	}
	return Role(i)
}

func (p *played) leg(t testing.TB, words []string) LegFact {
	if len(words) != 5 {
		p.fatal(t, "a leg is told as ROLE NUMBER CARRIER DATE TIME")
	}
	given := func(s string) string { return strings.TrimSuffix(s, "-") }
	at, err := ParseLocal(words[3]+" "+words[4], China, ZoneCarrier)
	if err != nil {
		p.fatal(t, "%v", err)
	}
	return LegFact{Waybill: p.of, To: LegTo{Waybill{given(words[1]), given(words[2])}, p.role(t, words[0])}, Since: at.Instant()}
}

func (p *played) override(t testing.TB, words []string) Override {
	o := Override{Waybill: p.of, Author: "li", Reason: words[len(words)-1]}
	if words[0] != "withdrawn" {
		o.Pair = p.pair(t, words[0])
	}
	return o
}

// push does what the writer does with one push: all is checked and sealed, then the
// events are taken, then the list is judged over what it brought.
func (p *played) push(t testing.TB, facts *Facts) {
	t.Helper()
	labels := map[int]string{}
	for i := range facts.Events {
		e := &facts.Events[i]
		e.Item, e.Relayed = i, true
		for label, of := range p.scans {
			if sameScan(of, e) {
				labels[i] = label
			}
		}
	}
	next := func() HLC { p.heard++; return p.heard }
	facts.Judge(next(), next, func(field string) string { return field })
	for _, fault := range facts.Faults {
		if label, is := labels[fault.Index]; is && fault.Code != "invalid_item" {
			p.note("scan %s", "%s", label, fault.Code)
		}
	}
	for i := range facts.Events {
		e := &facts.Events[i]
		p.names[e.ID] = labels[e.Item]
		sent := *e
		sent.References = slices.Clone(e.References)
		p.told = append(p.told, fact{event: &sent})
		// That a list tells again what is known is its way.
		if taken := p.take(t, e); taken != Fresh && (e.List == 0 || taken != Repeat) {
			p.note("scan %s again", "%s", labels[e.Item], [...]string{Repeat: "repeat", Changed: "changed", Earlier: "heard earlier", TooMany: "too many"}[taken])
		}
	}
	for i := range facts.Lists {
		l := &facts.Lists[i]
		l.Origin = caseOrigin
		r := p.room(l.Waybill)
		l.Has = slices.DeleteFunc(l.Has, func(id ID) bool { return !r.head.Has(id) })
		j := r.judged[l.Source]
		if j == nil {
			j = new(Judgement)
			r.judged[l.Source] = j
		}
		if !r.head.Judge(l.Waybill, l, j) {
			p.note("list %s", "no news", fmt.Sprint(p.lists))
			continue
		}
		j.Note(l)
		p.takeList(l)
		p.told = append(p.told, fact{list: l})
		p.noteList(l)
	}
	for i := range facts.Legs {
		l := &facts.Legs[i]
		p.told = append(p.told, fact{leg: l})
		if p.room(l.Waybill).head.TakeLeg(l, false) == Repeat {
			p.note("leg %s", "repeat", l.To.Number)
		}
	}
	for i := range facts.Overrides {
		o := &facts.Overrides[i]
		o.Origin = caseOrigin
		if p.room(o.Waybill).head.TakeOverride(o) == Repeat {
			p.note("override %s", "repeat", o.Pair.Status.String())
			continue
		}
		p.told = append(p.told, fact{override: o})
	}
	// The next push finds what this one means.
	for w, r := range p.rooms {
		r.head.Fold(w, p.kin)
	}
}

func sameScan(a, b *Event) bool {
	return a.Waybill == b.Waybill && a.Source == b.Source && a.Code == b.Code && a.At == b.At && a.Text == b.Text
}

func (p *played) note(what, how string, args ...any) {
	n := strings.Count(what, "%")
	p.notes = append(p.notes, fmt.Sprintf("  %-14s ", fmt.Sprintf(what, args[:n]...))+fmt.Sprintf(how, args[n:]...))
}

func (p *played) noteList(l *List) {
	var labels [3][]string
	for i, ids := range [...][]ID{l.Hides, l.Restores} {
		for _, id := range ids {
			labels[i] = append(labels[i], p.names[id])
		}
		slices.Sort(labels[i])
	}
	said := "believed"
	if l.Doubtful {
		said = "doubtful"
	}
	for i, what := range [...]string{"hides", "shows again"} {
		if l.Doubtful {
			what = [...]string{"would hide", "would show again"}[i]
		}
		if len(labels[i]) > 0 {
			said += ", " + what + " " + strings.Join(labels[i], " ")
		}
	}
	p.note("list %s", "%s", fmt.Sprint(p.lists), said)
}

func (p *played) reset() { p.rooms, p.order = map[Waybill]*room{}, nil }

func (p *played) room(w Waybill) *room {
	if p.rooms[w] == nil {
		p.rooms[w] = &room{events: map[ID]*Event{}, judged: map[string]*Judgement{}}
		p.order = append(p.order, w)
	}
	return p.rooms[w]
}

func (p *played) take(t testing.TB, e *Event) Taken {
	t.Helper()
	r := p.room(e.Waybill)
	taken, err := r.head.Take(e, func() (*Event, error) {
		old, have := new(Event), r.events[e.ID]
		return old, DecodeEvent(old, have.Waybill, have.At.Local, have.ID, have.Append(nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	if taken == Fresh || taken == Changed || taken == Earlier {
		kept := *e
		r.events[e.ID] = &kept
	}
	return taken
}

func (p *played) takeList(l *List) { p.room(l.Waybill).head.TakeList(l) }

// kin is what the case knows of a number that a parcel goes on under.
func (p *played) kin(child Waybill) (carrier string, h *Head) {
	carrier = child.Carrier
	for _, w := range slices.SortedFunc(maps.Keys(p.rooms), func(a, b Waybill) int { return strings.Compare(a.Carrier, b.Carrier) }) {
		if w.Number == child.Number && (w.Carrier == child.Carrier || child.Carrier == "") &&
			(h == nil || p.rooms[w].head.Newest() > h.Newest()) {
			carrier, h = w.Carrier, &p.rooms[w].head
		}
	}
	return carrier, h
}

func (p *played) fold() {
	for w, r := range p.rooms {
		r.head.Fold(w, p.kin)
	}
}

func (p *played) heads() map[Waybill][]byte {
	all := map[Waybill][]byte{}
	for w, r := range p.rooms {
		all[w] = r.head.Append(nil)
	}
	return all
}

// shuffled are the heads of a node that gets the facts as they were judged, in any
// order and some of them twice, and folds now and then.
func (p *played) shuffled(t testing.TB, random *rand.Rand) (heads map[Waybill][]byte, order []int) {
	t.Helper()
	for i := range p.told {
		order = append(order, i)
		if random.IntN(4) == 0 {
			order = append(order, i)
		}
	}
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	q := &played{}
	q.reset()
	for _, i := range order {
		switch f := p.told[i]; {
		case f.event != nil:
			e := *f.event
			e.References = slices.Clone(e.References)
			e.Judged = true
			q.take(t, &e)
		case f.list != nil:
			q.takeList(f.list)
		case f.leg != nil:
			q.room(f.leg.Waybill).head.TakeLeg(f.leg, true)
		case f.override != nil:
			q.room(f.override.Waybill).head.TakeOverride(f.override)
		}
		if random.IntN(3) == 0 {
			q.fold()
		}
	}
	q.fold()
	return q.heads(), order
}

// comesBack wants the stored form of every head to be read as what it was, and what is
// read to mean the same when it is folded again.
func (p *played) comesBack(t testing.TB, heads map[Waybill][]byte) {
	t.Helper()
	for w, value := range heads {
		var h Head
		if err := DecodeHead(&h, value); err != nil {
			t.Fatalf("%s: the head of %s does not come back: %v", p.file.path, w.Number, err)
		}
		if got := h.Append(nil); !bytes.Equal(got, value) {
			t.Errorf("%s: read and written the head of %s is\n%x, want\n%x", p.file.path, w.Number, got, value)
		}
		h.Fold(w, p.kin)
		if got := h.Append(nil); !bytes.Equal(got, value) {
			t.Errorf("%s: folded again the head of %s is\n%x, want\n%x", p.file.path, w.Number, got, value)
		}
	}
}

// outcome is what the facts mean, as a case file has it: of each parcel its newest
// epoch first, read back from the stored form as an answer is.
func (p *played) outcome(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	if len(p.notes) > 0 {
		fmt.Fprintf(&b, "heard\n%s\n", strings.Join(p.notes, "\n"))
	}
	for _, w := range p.order {
		tr := p.trace(t, w)
		for epoch := tr.Head.Epochs(); epoch > 0; epoch-- {
			fmt.Fprintf(&b, "%s %s", w.Number, w.Carrier)
			if n := tr.Head.Epochs(); n > 1 {
				fmt.Fprintf(&b, ", parcel %d of %d", epoch, n)
			}
			b.WriteByte('\n')
			p.describe(&b, tr, Variant{Events: true, Retracted: true, Epoch: epoch, Lang: EN})
		}
	}
	return b.String()
}

func (p *played) trace(t testing.TB, w Waybill) *Trace {
	t.Helper()
	events := func(w Waybill) (all []Event) {
		for _, e := range p.rooms[w].events {
			all = append(all, *e)
		}
		SortEvents(all)
		return all
	}
	tr := new(Trace)
	if err := tr.SetHead(w, p.rooms[w].head.Append(nil)); err != nil {
		t.Fatalf("%s: the head of %s does not come back: %v", p.file.path, w.Number, err)
	}
	tr.Events = events(w)
	var children []Waybill
	for epoch := range tr.Head.Epochs() {
		children = append(children, tr.Children(Want{Legs: true, Epoch: epoch + 1})...)
	}
	for _, child := range children {
		if carrier, h := p.kin(child); h != nil {
			of := Waybill{child.Number, carrier}
			part := Part{Waybill: of, Events: events(of)}
			if err := DecodeHead(&part.Head, h.Append(nil)); err != nil {
				t.Fatal(err)
			}
			tr.Legs = append(tr.Legs, part)
		}
	}
	if answer := tr.AppendJSON(nil, Variant{Events: true, Retracted: true}); !validJSON(answer) {
		t.Fatalf("%s: not JSON: %s", p.file.path, answer)
	}
	return tr
}

func (p *played) describe(b *strings.Builder, tr *Trace, v Variant) {
	m, legs := tr.meaning(v)
	say := func(name, format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %-10s %s", name, fmt.Sprintf(format, args...)), " ") + "\n")
	}
	say("status", "%s", pairText(m.Pair))
	if m.Since.Known {
		say("since", "%s", written(m.Since))
	}
	if m.Overridden {
		say("overridden", "by %s: %s", tr.Head.Override.Author, tr.Head.Override.Reason)
	}
	if m.Corrected {
		if m.First.Known {
			say("corrected", "delivered first %s", written(m.First))
		} else {
			say("corrected", "")
		}
	}
	if party := m.Pair.Party(); party != NoParty {
		act := ""
		if m.Pair.ActionRequired() {
			act = ", action required"
		}
		say("party", "%s%s", party, act)
	}
	if m.Anomalies > 0 {
		say("anomalies", "%d", m.Anomalies)
	}
	for i, at := range m.Milestones {
		if at.Known {
			say("reached", "%-20s %s", milestoneTable[i].name, written(at))
		}
	}
	for _, l := range legs {
		known := ""
		if l.Child == 0 {
			known = ", nothing is known of it"
		}
		say("leg", "%s %s since %s%s", l.Role, strings.TrimSpace(l.Number+" "+l.Carrier), AppendTime(nil, l.Since, China), known)
	}
	for _, l := range tr.lines(v) {
		e := l.event
		at := Moment{At: e.At, Known: true}
		more := ""
		if l.leg {
			more += ", under " + e.Number
		}
		if len(l.sources) > 0 {
			more += ", told by " + strings.Join(l.sources, " and ")
		}
		if n := len(e.Revisions); n > 1 {
			more += fmt.Sprintf(", text %d of %d: %s", n, n, e.shown().Text)
		}
		if e.Provisional {
			more += ", drawn from its text"
		}
		if e.SignedBy != "" {
			more += ", signed by " + e.SignedBy
		}
		if l.retracted {
			more += ", taken back"
		}
		say("scan", "%-4s %-26s %s%s", p.names[e.ID], written(at), pairText(e.Pair), more)
	}
}

func pairText(p Pair) string { return strings.TrimSuffix(p.Status.String()+"."+p.Sub, ".") }

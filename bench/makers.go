package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A maker makes requests of one kind, one after the other, and judges their
// answers. Each serves one connection.
type maker interface {
	// next makes the next request, or several that lie one behind the other, and says
	// how many answers are to come; 0: there is nothing left to ask. The bytes are
	// borrowed until next is called again.
	next() (requests []byte, answers int)
	// judge says what an answer was worth, in units and in bytes of the body that
	// carried them, or why it was none.
	judge(a answer) (units, size int, err error)
}

// A client is a maker with a connection: a worker.
type client struct {
	conn
	maker
	requests []byte
	answers  int
}

// newClient dials.
func newClient(to *endpoint, m maker) (*client, error) {
	c := &client{conn: conn{to: to}, maker: m}
	return c, c.open(time.Now())
}

func (c *client) prepare() bool {
	c.requests, c.answers = c.next()
	return c.answers > 0
}

func (c *client) do(now time.Time) (units, size int, err error) {
	err = c.ask(c.requests, c.answers, now, func(a answer) error {
		u, n, err := c.judge(a)
		units, size = units+u, size+n
		return err
	})
	return units, size, err
}

// A getter asks for one parcel after the other.
type getter struct {
	parcels *parcels
	pick    func() int // which parcel next
	want    int        // the status
	request []byte
	number  int // where in request the number stands
}

const (
	tracesPath = "/v1/traces/"
	statusPath = "/v1/status/"
)

func newGetter(to *endpoint, path string, want int, p *parcels, pick func() int) *getter {
	g := &getter{parcels: p, pick: pick, want: want}
	g.request = to.get(path + string(p.appendNumber(nil, 0)))
	g.number = bytes.Index(g.request, []byte(path)) + len(path)
	return g
}

func (g *getter) next() ([]byte, int) {
	g.parcels.appendNumber(g.request[:g.number], g.pick())
	return g.request, 1
}

func (g *getter) judge(a answer) (units, size int, err error) {
	if a.Status != g.want {
		return 0, 0, wrong(g.request, a, g.want)
	}
	return 1, len(a.Body), nil
}

// wrong says of an answer that it is not what was wanted.
func wrong(request []byte, a answer, want int) error {
	line, _, _ := bytes.Cut(request, []byte(" HTTP/1.1"))
	return fmt.Errorf("%.200s: status %d, want %d: %.200s", line, a.Status, want, a.Body)
}

// An inTurn asks for the parcels of a set one after the other, each once, together
// with those that share its place.
type inTurn struct {
	*getter
	place *atomic.Int64
}

func newInTurn(to *endpoint, path string, p *parcels, place *atomic.Int64) *inTurn {
	return &inTurn{newGetter(to, path, 200, p, nil), place}
}

func (t *inTurn) next() ([]byte, int) {
	n := int(t.place.Add(1)) - 1
	if n >= t.parcels.set {
		return nil, 0
	}
	t.parcels.appendNumber(t.request[:t.number], n)
	return t.request, 1
}

// A repeater asks what it was given, in turn.
type repeater struct {
	requests [][]byte
	at       int
	want     int
}

func (r *repeater) next() ([]byte, int) {
	r.at = (r.at + 1) % len(r.requests)
	return r.requests[r.at], 1
}

func (r *repeater) judge(a answer) (units, size int, err error) {
	if a.Status != r.want {
		return 0, 0, wrong(r.requests[r.at], a, r.want)
	}
	return 1, len(a.Body), nil
}

// A batcher asks for many parcels in one request.
type batcher struct {
	to      *endpoint
	parcels *parcels
	pick    func() int
	body    []byte
	request []byte
}

// batchSize is how many parcels a batch asks for.
const batchSize = 100

const batchPath = "/v1/traces/batch"

func (b *batcher) next() ([]byte, int) {
	b.body = append(b.body[:0], `{"numbers":["`...)
	for n := range batchSize {
		if n > 0 {
			b.body = append(b.body, `","`...)
		}
		b.body = b.parcels.appendNumber(b.body, b.pick())
	}
	b.body = append(b.body, `"]}`...)
	b.request = b.to.appendPost(b.request[:0], batchPath, "application/json", b.body)
	return b.request, 1
}

var notFound = []byte(`"error":{"code"`)

func (b *batcher) judge(a answer) (units, size int, err error) {
	if a.Status != 200 || bytes.Contains(a.Body, notFound) {
		return 0, 0, wrong(b.request, a, 200)
	}
	return batchSize, len(a.Body), nil
}

// pipelined sends several requests of another maker before it reads the first
// answer.
type pipelined struct {
	maker
	depth    int
	requests []byte
}

func (p *pipelined) next() (requests []byte, answers int) {
	p.requests = p.requests[:0]
	for range p.depth {
		one, n := p.maker.next()
		p.requests = append(p.requests, one...)
		answers += n
	}
	return p.requests, answers
}

// A mixture makes requests of one maker or of another, by chance.
type mixture struct {
	random        *rand.Rand
	first, second maker
	share         float64 // of the first
	last          maker
}

func (m *mixture) next() ([]byte, int) {
	m.last = m.second
	if m.random.Float64() < m.share {
		m.last = m.first
	}
	return m.last.next()
}

// judge counts requests: those of two kinds have nothing else in common.
func (m *mixture) judge(a answer) (units, size int, err error) {
	_, size, err = m.last.judge(a)
	return 1, size, err
}

// A pusher pushes events in the words of a carrier, and wants to hear yes.
type pusher struct {
	to      *endpoint
	dialect *dialect
	parcels *parcels
	choose  func(dst []pick) []pick // which events; none: nothing left
	heard   *heard                  // is told of lists; nil for others
	picks   []pick
	body    []byte
	request []byte
}

// heard remembers the last full list of each carrier that was acknowledged, to be
// looked for afterwards.
type heard struct {
	mu   sync.Mutex
	last map[*dialect][]pick
}

func (h *heard) note(d *dialect, list []pick) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[d] = append(h.last[d][:0], list...)
}

func (p *pusher) next() ([]byte, int) {
	if p.picks = p.choose(p.picks[:0]); len(p.picks) == 0 {
		return nil, 0
	}
	p.body = p.dialect.push(p.parcels, p.body[:0], p.picks)
	p.request = p.to.appendPost(p.request[:0], p.to.door(p.dialect.carrier, p.dialect.call), p.dialect.contentType, p.body)
	return p.request, 1
}

func (p *pusher) judge(a answer) (units, size int, err error) {
	if a.Status != 200 || !bytes.Contains(a.Body, []byte(p.dialect.yes)) {
		return 0, 0, fmt.Errorf("push of %s: status %d: %.200s", p.dialect.name, a.Status, a.Body)
	}
	if p.heard != nil {
		p.heard.note(p.dialect, p.picks)
	}
	return len(p.picks), len(p.body), nil
}

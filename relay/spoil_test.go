package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"waytrace/trace"
)

// A spoiler changes a byte of what comes in, where it says so.
type spoiler struct {
	net.Conn
	word []byte
}

func (s *spoiler) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if i := bytes.Index(b[:n], s.word); i >= 0 {
		b[i] ^= 0x20
	}
	return n, err
}

// joinSpoilt opens the relay of a node that cannot read batches which hold a word.
func (w *world) joinSpoilt(n *node, word string) *Relay {
	w.Helper()
	b, err := newBroker(w.settings(), func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := w.net.DialContext(ctx, network, address)
		return &spoiler{c, []byte(word)}, err
	})
	if err != nil {
		w.Fatal(err)
	}
	r, err := open(n, n, b, w.settings().withDefaults())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { r.Close() })
	return r
}

// putText writes one batch of records of a foreign node that say what they are given.
func (w *world) putText(partition uint16, compression string, own uint64, texts ...string) {
	w.Helper()
	s := w.settings()
	s.Compression = compression
	b, err := newBroker(s, w.net.DialContext)
	if err != nil {
		w.Fatal(err)
	}
	defer b.Close()
	var items []trace.LoadItem
	for i, text := range texts {
		facts := factsOf(number(partition, 0), text)
		news := trace.News{Waybill: facts.Events[0].Waybill, Origin: stranger, Mark: 70, Own: own + uint64(i)}
		items = append(items, trace.LoadItem{Own: news.Own, Key: news.Number, Value: news.Append(nil, facts)})
	}
	if err := b.Produce(context.Background(), partition, items); err != nil {
		w.Fatal(err)
	}
}

// A batch that has rotted stops the partition, once what lies before it is applied: not
// the relay, nor what it ships, and it is said where reading goes on.
func TestRottenBatch(t *testing.T) {
	for _, compression := range []string{"none", "lz4", "snappy"} {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s first %t", compression, first), func(t *testing.T) {
				inWorld(t, func(t *world) {
					own, want := uint64(1), []string(nil)
					if !first {
						t.putText(3, "none", 1, "fine")
						own, want = 2, []string{"fine"}
					}
					// No codec makes this smaller, so the word is there to be found.
					word := large(40)
					t.putText(3, compression, own, word, word+"2", word+"3")
					t.putText(3, "none", own+3, "behind it")
					a := newNode(1)
					r := t.joinSpoilt(a, word[8:24])
					end := int64(own) + 2
					t.stopped(r, 3, stateStopped, fmt.Sprintf("the record at offset %d cannot be read", own-1), fmt.Sprintf("--offset %d", end))
					t.heardAll(a, 3, want)
					t.shipsStill(a, 3)
					if err := r.SkipTo(t.Context(), 3, end); err != nil {
						t.Fatal(err)
					}
					t.stopped(r, 3, stateStopped, fmt.Sprintf("number %d of node", own), fmt.Sprintf("--to %d", own+3))
					if err := r.Skip(t.Context(), 3, stranger, own+3); err != nil {
						t.Fatal(err)
					}
					t.heardAll(a, 3, append(want, "behind it"))
				})
			})
		}
	}
}

// A byte that was spoilt on its way, and is right the next time, stops nothing; nor does a
// rotten batch that was read long ago.
func TestSpoiltOnItsWay(t *testing.T) {
	inWorld(t, func(t *world) {
		word := large(40)
		t.putText(3, "none", 1, word)
		b := newNode(2)
		r := t.join(b)
		t.heardAll(b, 3, []string{word})
		r.Close()
		t.putText(3, "none", 2, "behind it")
		r = t.joinSpoilt(b, word[8:24])
		t.heardAll(b, 3, []string{word, "behind it"})
		if s := stateOf(r, 3); s.State != stateRunning {
			t.Errorf("it is %+v", s)
		}
	})
}

// An operator's word is heard while the log is looked through for its own records, which
// goes on all the same.
func TestWordWhileItScans(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		t.put(3, stranger, 70, 1, 3)
		t.put(3, stranger, 70, 4)
		var over atomic.Bool
		t.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			t.KeepControl()
			for _, of := range req.(*kmsg.FetchRequest).Topics {
				for _, p := range of.Partitions {
					if p.Partition == 3 && p.FetchOffset > 0 && !over.Load() {
						return nil, errors.New("cut off"), true
					}
				}
			}
			return nil, nil, false
		})
		own := a.hear(3, "mine")
		r := t.join(a)
		t.stopped(r, 3, stateStopped, "--to 3")
		time.Sleep(20 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := r.Skip(ctx, 3, stranger, 3); err != nil {
			t.Fatal(err)
		}
		if a.Bookmark(3).Own != 0 {
			t.Error("it ships, and has not seen all")
		}
		over.Store(true)
		t.heardAll(a, 3, []string{"n 1", "n 3", "n 4"})
		t.until("shipped", func() bool { return a.Bookmark(3).Own == own })
	})
}

// What rotted is passed by where only its own records are looked for.
func TestScanPassesRot(t *testing.T) {
	inWorld(t, func(t *world) {
		word := large(40)
		t.put(3, stranger, 70, 2) // a gap
		t.putText(3, "none", 3, word, word+"2")
		t.put(3, 1, newNode(1).mark, 1) // what this directory does not know
		a := newNode(1)
		r := t.joinSpoilt(a, word[8:24])
		select {
		case <-r.Fatal():
		case <-time.After(time.Minute):
			t.Fatal("it goes on")
		}
	})
}

package kuaidi100

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"waytrace/carriers"
)

// A push is what Kuaidi100 says of one number: of its journey at the carrier that
// was named, and of that at the carrier in the country where it goes.
type push struct {
	Status     carriers.Loose  `json:"status"` // polling, shutdown, abort or updateall
	Message    carriers.Loose  `json:"message"`
	ComNew     carriers.Loose  `json:"comNew"` // the carrier that it was found to be, where that is not the one that was named
	LastResult json.RawMessage `json:"lastResult"`
	DestResult json.RawMessage `json:"destResult"`

	lists []list
	many  bool      // there are more scans than are read
	odd   bool      // it is not an object
	room  [2][]scan // for those of the lists that scan reads
}

// A result is the journey at one carrier.
type result struct {
	Nu    carriers.Loose  `json:"nu"`
	Com   carriers.Loose  `json:"com"`
	State carriers.Loose  `json:"state"`
	Data  json.RawMessage `json:"data"`
}

// A list is a result with its scans.
type list struct {
	result
	there bool              // scan found it
	raw   []json.RawMessage // the scans as they came, where scan did not read them
	scans []scan
	odd   string // the field that is not of the form that it should have
}

// A scan is one of Kuaidi100's scans, the newest of its list first.
type scan struct {
	Time       carriers.Loose `json:"time"`
	Ftime      carriers.Loose `json:"ftime"`
	Context    carriers.Loose `json:"context"`
	Status     carriers.Loose `json:"status"`     // a word, where the subscription has resultv2
	StatusCode carriers.Loose `json:"statusCode"` // a code, where resultv2 is at least 4
	Location   carriers.Loose `json:"location"`
	AreaName   carriers.Loose `json:"areaName"`
	AreaCenter carriers.Loose `json:"areaCenter"`

	odd string // the field that is neither text nor number
}

var pushes = sync.Pool{New: func() any { return new(push) }}

// readPush reads a push, whose strings may refer into param. The caller ends with done.
func readPush(param []byte) (*push, error) {
	p := pushes.Get().(*push)
	if p.scan(param) {
		return p, nil
	}
	p.done()
	return readAnyPush(param)
}

// mostReused is for how many scans room is kept.
const mostReused = 256

// done gives the memory of a push back.
func (p *push) done() {
	room := p.room
	for i := range room {
		if cap(room[i]) > mostReused {
			room[i] = nil
		}
		clear(room[i])
		room[i] = room[i][:0]
	}
	clear(p.lists)
	*p = push{lists: p.lists[:0], room: room}
	pushes.Put(p)
}

// scan reads a push of the form that Kuaidi100's document gives, in one pass. It reports
// false, having read some of it, where anything is otherwise, or too much: then
// readAnyPush is to be asked.
func (p *push) scan(param []byte) bool {
	s := carriers.ScanJSON(carriers.View(param))
	var last, dest list
	for s.Open('{'); s.Member(); {
		switch s.Name {
		case "status":
			s.Loose(&p.Status)
		case "message":
			s.Loose(&p.Message)
		case "comNew":
			s.Loose(&p.ComNew)
		case "lastResult":
			if !last.scan(&s, &p.room[0]) {
				return false
			}
		case "destResult":
			if !dest.scan(&s, &p.room[1]) {
				return false
			}
		default:
			s.Other(pushNames)
		}
	}
	for _, l := range []*list{&last, &dest} {
		if l.there {
			p.lists = append(p.lists, *l)
		}
	}
	return s.Fine() && p.items() <= MaxScans
}

// scan reads a result with its scans, which it puts into room. One that is no object, or
// comes twice, is for readAnyPush, and so are scans that come twice.
func (l *list) scan(s *carriers.JSONScan, room *[]scan) bool {
	if l.there || s.Next() != '{' {
		return false
	}
	l.there = true
	for s.Open('{'); s.Member(); {
		switch s.Name {
		case "nu":
			s.Loose(&l.Nu)
		case "com":
			s.Loose(&l.Com)
		case "state":
			s.Loose(&l.State)
		case "data":
			if l.scans != nil || s.Next() != '[' {
				return false
			}
			l.scans = append(*room, scan{})[:0]
			for s.Open('['); s.Item(); {
				if len(l.scans) == MaxScans {
					return false
				}
				l.scans = append(l.scans, scan{})
				l.scans[len(l.scans)-1].scan(s)
			}
			*room = l.scans
		default:
			s.Other(resultNames)
		}
	}
	return true
}

// scan reads one of Kuaidi100's scans.
func (c *scan) scan(s *carriers.JSONScan) {
	for s.Open('{'); s.Member(); {
		switch s.Name {
		case "time":
			s.Loose(&c.Time)
		case "ftime":
			s.Loose(&c.Ftime)
		case "context":
			s.Loose(&c.Context)
		case "status":
			s.Loose(&c.Status)
		case "statusCode":
			s.Loose(&c.StatusCode)
		case "location":
			s.Loose(&c.Location)
		case "areaName":
			s.Loose(&c.AreaName)
		case "areaCenter":
			s.Loose(&c.AreaCenter)
		default:
			s.Other(scanNames)
		}
	}
}

var (
	pushNames   = []string{"status", "message", "comNew", "lastResult", "destResult"}
	resultNames = []string{"nu", "com", "state", "data"}
	scanNames   = []string{"time", "ftime", "context", "status", "statusCode", "location", "areaName", "areaCenter"}
)

// readAnyPush reads a push whatever it is like. Its scans are read only when they are
// not too many.
func readAnyPush(param []byte) (*push, error) {
	p := new(push)
	if err := carriers.ReadJSON(param, p); errors.Is(err, carriers.ErrMismatch) {
		return &push{odd: true}, nil
	} else if err != nil {
		return nil, err
	}
	for _, r := range []struct {
		name string
		raw  json.RawMessage
	}{{"lastResult", p.LastResult}, {"destResult", p.DestResult}} {
		if carriers.Absent(r.raw) {
			continue
		}
		l, err := readList(r.name, r.raw)
		if errors.Is(err, carriers.ErrTooMany) {
			return &push{many: true}, nil
		} else if err != nil {
			return nil, err
		}
		p.lists = append(p.lists, l)
	}
	if p.items() > MaxScans {
		return &push{many: true}, nil
	}
	for i := range p.lists {
		l := &p.lists[i]
		l.scans = make([]scan, len(l.raw))
		for j, raw := range l.raw {
			if err := l.scans[j].read(raw); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func readList(name string, raw json.RawMessage) (l list, err error) {
	switch err := carriers.ReadJSON(raw, &l.result); {
	case errors.Is(err, carriers.ErrMismatch):
		return list{odd: name}, nil
	case err != nil:
		return list{}, err
	}
	l.odd = cmp.Or(l.Nu.IfOdd("nu"), l.Com.IfOdd("com"))
	if carriers.Absent(l.Data) {
		return l, nil
	}
	if l.raw, err = carriers.ReadList(l.Data, MaxScans); errors.Is(err, carriers.ErrMismatch) {
		l.odd, err = "data", nil
	}
	return l, err
}

func (s *scan) read(raw json.RawMessage) error {
	if err := carriers.ReadJSON(raw, s); errors.Is(err, carriers.ErrMismatch) {
		*s = scan{odd: "data"}
	} else if err != nil {
		return err
	}
	s.odd = cmp.Or(s.odd, s.Time.IfOdd("time"), s.Ftime.IfOdd("ftime"), s.Context.IfOdd("context"), s.Status.IfOdd("status"),
		s.StatusCode.IfOdd("statusCode"), s.Location.IfOdd("location"), s.AreaName.IfOdd("areaName"))
	return nil
}

// items is how many items a list is: its scans, or itself when it has none.
func (l *list) items() int { return max(1, len(l.raw), len(l.scans)) }

func (p *push) items() (n int) {
	for i := range p.lists {
		n += p.lists[i].items()
	}
	return n
}

// aborted: Kuaidi100 watches the number no more.
func (p *push) aborted() bool { return p.Status.Text == "abort" }

// why says what Kuaidi100 says of a number that it watches no more.
func (p *push) why() string {
	why := fmt.Sprintf("Kuaidi100 gave up on it: %q", strings.TrimSpace(p.Message.Text))
	if p.ComNew.Text != "" {
		why += fmt.Sprintf("; the carrier may be %q", p.ComNew.Text)
	}
	return why
}

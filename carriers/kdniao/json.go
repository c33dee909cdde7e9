package kdniao

import (
	"cmp"
	"encoding/json"
	"errors"

	"waytrace/carriers"
)

// A push is what Kdniao says of any number of parcels. Its documents write the
// names of fields with capitals and without; they are read in any case.
type push struct {
	EBusinessID carriers.Loose  `json:"EBusinessID"`
	Data        json.RawMessage `json:"Data"`

	parcels []parcel
	many    bool   // there are more scans than are read
	odd     string // what is not of the form that it should have
}

// said is what is said of a parcel as a whole.
type said struct {
	OrderCode    carriers.Loose  `json:"OrderCode"`
	ShipperCode  carriers.Loose  `json:"ShipperCode"`
	LogisticCode carriers.Loose  `json:"LogisticCode"`
	Success      carriers.Loose  `json:"Success"`
	Reason       carriers.Loose  `json:"Reason"`
	State        carriers.Loose  `json:"State"`
	StateEx      carriers.Loose  `json:"StateEx"`
	Traces       json.RawMessage `json:"Traces"`
}

// A parcel is what is said of it, with its scans.
type parcel struct {
	said
	raw   []json.RawMessage // the scans as they came
	scans []scan
	odd   string // the field that is not of the form that it should have
}

// A scan is one of Kdniao's scans.
type scan struct {
	AcceptTime    carriers.Loose `json:"AcceptTime"`
	AcceptStation carriers.Loose `json:"AcceptStation"`
	Location      carriers.Loose `json:"Location"`
	Action        carriers.Loose `json:"Action"`
	Remark        carriers.Loose `json:"Remark"`

	odd string // the field that is neither text nor number
}

// readPush reads a push. Its scans are read only when they are not too many.
func readPush(data []byte) (*push, error) {
	p := new(push)
	if err := carriers.ReadJSON(data, p); errors.Is(err, carriers.ErrMismatch) {
		return &push{odd: "RequestData"}, nil
	} else if err != nil {
		return nil, err
	}
	if carriers.Absent(p.Data) {
		return p, nil
	}
	var err error
	p.parcels, err = readParcels(p.Data)
	switch {
	case errors.Is(err, carriers.ErrMismatch):
		return &push{odd: "Data"}, nil
	case errors.Is(err, carriers.ErrTooMany):
		return &push{many: true}, nil
	case err != nil:
		return nil, err
	}
	for i := range p.parcels {
		w := &p.parcels[i]
		w.scans = make([]scan, len(w.raw))
		for j, raw := range w.raw {
			if err := w.scans[j].read(raw); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// readParcels reads a list of parcels, or the one that stands there without a list.
// Those with more than MaxScans scans together are carriers.ErrTooMany.
func readParcels(data json.RawMessage) (parcels []parcel, err error) {
	raws := []json.RawMessage{data}
	if data[0] != '{' {
		if raws, err = carriers.ReadList(data, MaxScans); err != nil {
			return nil, err
		}
	}
	parcels = make([]parcel, len(raws))
	items := 0
	for i, raw := range raws {
		if parcels[i], err = readParcel(raw); err != nil {
			return nil, err
		}
		if items += parcels[i].items(); items > MaxScans {
			return nil, carriers.ErrTooMany
		}
	}
	return parcels, nil
}

func readParcel(raw json.RawMessage) (w parcel, err error) {
	switch err := carriers.ReadJSON(raw, &w.said); {
	case errors.Is(err, carriers.ErrMismatch):
		return parcel{odd: "Data"}, nil
	case err != nil:
		return parcel{}, err
	}
	w.odd = cmp.Or(w.LogisticCode.IfOdd("LogisticCode"), w.ShipperCode.IfOdd("ShipperCode"), w.OrderCode.IfOdd("OrderCode"))
	if carriers.Absent(w.Traces) {
		return w, nil
	}
	if w.raw, err = carriers.ReadList(w.Traces, MaxScans); errors.Is(err, carriers.ErrMismatch) {
		w.odd, err = "Traces", nil
	}
	return w, err
}

func (s *scan) read(raw json.RawMessage) error {
	if err := carriers.ReadJSON(raw, s); errors.Is(err, carriers.ErrMismatch) {
		*s = scan{odd: "Traces"}
	} else if err != nil {
		return err
	}
	s.odd = cmp.Or(s.odd, s.AcceptTime.IfOdd("AcceptTime"), s.AcceptStation.IfOdd("AcceptStation"), s.Location.IfOdd("Location"),
		s.Action.IfOdd("Action"), s.Remark.IfOdd("Remark"))
	return nil
}

// items is how many items a parcel is: its scans, or itself when it has none.
func (w *parcel) items() int { return max(1, len(w.raw)) }

func (p *push) items() (n int) {
	for i := range p.parcels {
		n += p.parcels[i].items()
	}
	return n
}

// hasTraces reports whether there is a scan in it.
func (p *push) hasTraces() bool {
	for i := range p.parcels {
		if len(p.parcels[i].raw) > 0 {
			return true
		}
	}
	return false
}

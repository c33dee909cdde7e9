package sf

import (
	"bytes"
	"encoding/json"
	"errors"

	"waytrace/carriers"
)

// mostCommas is how many commas a push of MaxRoutes routes may have and be read
// at one go: some ten a route, and those of its texts. It keeps a body of a
// hundred thousand empty routes from becoming a hundred thousand of ours.
const mostCommas = 16 * MaxRoutes

// readJSON reads the JSON form: {"Body":{"WaybillRoute":[…]}}, all values
// strings, which refer into data. Whatever differs from that is read again, piece by
// piece.
func (p *push) readJSON(data []byte) error {
	if bytes.Count(data, []byte{','}) <= mostCommas {
		err := carriers.BorrowJSON(data, p)
		if err == nil && len(p.Body.WaybillRoute) > MaxRoutes {
			return errTooMany
		}
		if !errors.Is(err, carriers.ErrMismatch) {
			return err
		}
		p.reset()
	}
	return p.readLoosely(data)
}

// readLoosely reads JSON that is not of the form that SF's document gives: one
// route without a list around it, numbers for strings, and a route that is no
// route spoils only itself.
func (p *push) readLoosely(data []byte) error {
	var outer struct{ Body json.RawMessage }
	var body struct{ WaybillRoute json.RawMessage }
	if err := carriers.ReadJSON(data, &outer); err != nil {
		return mismatch(err, "the body is not an object")
	}
	if carriers.Absent(outer.Body) {
		return nil
	}
	if err := carriers.ReadJSON(outer.Body, &body); err != nil {
		return mismatch(err, "Body is not an object")
	}
	if carriers.Absent(body.WaybillRoute) {
		return nil
	}
	items := []json.RawMessage{body.WaybillRoute}
	switch body.WaybillRoute[0] {
	case '{':
	case '[':
		var err error
		if items, err = carriers.ReadList(body.WaybillRoute, MaxRoutes); errors.Is(err, carriers.ErrTooMany) {
			return errTooMany
		} else if err != nil {
			return err
		}
	default:
		return mismatch(carriers.ErrMismatch, "WaybillRoute is not a list")
	}
	for _, item := range items {
		r, err := readRoute(item)
		if err != nil {
			return err
		}
		p.Body.WaybillRoute = append(p.Body.WaybillRoute, r)
	}
	return nil
}

func readRoute(data json.RawMessage) (r route, err error) {
	var loose said[carriers.Loose]
	if err := carriers.ReadJSON(data, &loose); errors.Is(err, carriers.ErrMismatch) {
		return route{odd: "WaybillRoute"}, nil
	} else if err != nil {
		return route{}, err
	}
	take := func(name string, v carriers.Loose) string {
		if v.Odd && r.odd == "" {
			r.odd = name
		}
		return v.Text
	}
	r.said = said[string]{
		Mailno:          take("mailno", loose.Mailno),
		AcceptAddress:   take("acceptAddress", loose.AcceptAddress),
		ReasonName:      take("reasonName", loose.ReasonName),
		Orderid:         take("orderid", loose.Orderid),
		AcceptTime:      take("acceptTime", loose.AcceptTime),
		Remark:          take("remark", loose.Remark),
		OpCode:          take("opCode", loose.OpCode),
		ID:              take("id", loose.ID),
		ReasonCode:      take("reasonCode", loose.ReasonCode),
		FirstStatusCode: take("firstStatusCode", loose.FirstStatusCode),
	}
	return r, nil
}

// mismatch says what was expected, where that is all that is wrong.
func mismatch(err error, detail string) error {
	if errors.Is(err, carriers.ErrMismatch) {
		return &unexpected{Code: "unexpected_shape", Detail: detail}
	}
	return err
}

package kdniao

import (
	"time"

	"waytrace/carriers"
	"waytrace/trace"
)

const jsonType = "application/json; charset=utf-8"

// maxID is how long an EBusinessID may be.
const maxID = 32

var chinaTime = time.FixedZone("China", int(trace.China)*60)

// answer is carriers.Push.Answer: whose push it was, when it was taken by China's
// clock, whether, and why not.
func (d *dialect) answer(dst []byte, r *carriers.Request, err error) (body []byte, contentType string) {
	dst = append(dst, `{"EBusinessID":"`...)
	dst = append(dst, d.businessID(r)...)
	dst = append(dst, `","UpdateTime":"`...)
	dst = d.now().In(chinaTime).AppendFormat(dst, time.DateTime)
	if err == nil {
		return append(dst, `","Success":true,"Reason":""}`...), jsonType
	}
	dst = append(dst, `","Success":false,"Reason":`...)
	dst = trace.AppendString(dst, carriers.FailureZH(err))
	return append(dst, '}'), jsonType
}

// businessID is whose push it was: as the push says, else as is set.
func (d *dialect) businessID(r *carriers.Request) string {
	f, err := readForm(r)
	if err != nil {
		return d.id
	}
	if f.id == "" {
		var p struct {
			EBusinessID carriers.Loose `json:"EBusinessID"`
		}
		if carriers.ReadJSON(f.data, &p) == nil {
			f.id = p.EBusinessID.Text
		}
	}
	if !validID(f.id) {
		return d.id
	}
	return f.id
}

// validID: an EBusinessID is letters and digits, a test account's with a "test" in
// front.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// yes is carriers.Push.Yes.
func yes(body []byte) bool {
	var a struct {
		Success bool `json:"Success"`
	}
	return carriers.ReadJSON(body, &a) == nil && a.Success
}

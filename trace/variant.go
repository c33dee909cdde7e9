package trace

import (
	"fmt"
	"slices"
	"strings"
)

// A Lang is a language of answers.
type Lang uint8

// The languages; Simplified Chinese is the default.
const (
	ZhHans Lang = iota
	ZhHant
	EN
	langs
)

var langTags = [langs]string{"zh-Hans", "zh-Hant", "en"}

// String is the language's BCP 47 tag.
func (l Lang) String() string { return langTags[l] }

// ParseLang reads a BCP 47 tag: zh in any form, or en. ok is false for others.
func ParseLang(tag string) (l Lang, ok bool) {
	for i, own := range langTags { // as our own events have it: without a copy
		if tag == own {
			return Lang(i), true
		}
	}
	switch t := strings.ToLower(tag); {
	case t == "en", strings.HasPrefix(t, "en-"):
		return EN, true
	case t == "zh-hant", strings.HasPrefix(t, "zh-hant-"), t == "zh-tw", t == "zh-hk", t == "zh-mo":
		return ZhHant, true
	case t == "zh", strings.HasPrefix(t, "zh-"):
		return ZhHans, true
	}
	return ZhHans, false
}

// labels are the statuses in people's words.
var labels = [statuses][langs]string{
	Unknown:            {"暂无状态", "暫無狀態", "No status yet"},
	PreTransit:         {"待揽收", "待攬收", "Awaiting pickup"},
	PickedUp:           {"已揽收", "已攬收", "Picked up"},
	InTransit:          {"运输中", "運輸中", "In transit"},
	OutForDelivery:     {"派送中", "派送中", "Out for delivery"},
	AttemptFailed:      {"派送未成功", "派送未成功", "Delivery attempt failed"},
	AvailableForPickup: {"待取件", "待取件", "Available for pickup"},
	Exception:          {"运输异常", "運輸異常", "Exception"},
	Delivered:          {"已签收", "已簽收", "Delivered"},
	Returning:          {"退回中", "退回中", "Returning to sender"},
	Returned:           {"已退回", "已退回", "Returned to sender"},
	Lost:               {"已丢失", "已遺失", "Lost"},
	Cancelled:          {"已取消", "已取消", "Cancelled"},
}

// Fields is a set of top-level members of a trace in JSON. The zero value is
// all of them.
type Fields uint16

var fieldNames = [...]string{"number", "carrier", "references", "status", "milestones", "legs", "events", "also", "also_numbers",
	"earlier", "charges", "business", "override",
	// Promised, and not here yet: absent is absent.
	"tracking", "eta"}

// ParseFields reads a comma list of top-level names. A name that is none is
// ErrInvalid.
func ParseFields(list string) (f Fields, err error) {
	for name := range strings.SplitSeq(list, ",") {
		i := slices.Index(fieldNames[:], name)
		if i < 0 {
			return 0, fmt.Errorf("fields: there is no %q; there are %s: %w", clip(name), strings.Join(fieldNames[:], ", "), ErrInvalid)
		}
		f |= 1 << i
	}
	return f, nil
}

func (f Fields) has(name string) bool {
	return f == 0 || f>>slices.Index(fieldNames[:], name)&1 != 0
}

// A Variant is how a trace is shown.
type Variant struct {
	Lang    Lang
	Desc    bool   // newest event first
	Events  bool   // with events; a status has none
	Fields  Fields // which members
	Account string // whose references are shown

	Epoch     int  // which parcel under the number, counted from 1, the oldest; 0 is the newest
	Retracted bool // with events that were taken back
	Business  bool // with business events
	Override  bool // with who overrode the status, and why
}

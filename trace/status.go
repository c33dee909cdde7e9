package trace

// Status is where a parcel is in its life. Its number is the stored form and
// never changes meaning.
type Status uint8

// The thirteen statuses.
const (
	Unknown            Status = iota // no mapped event yet; on an event: it changes no status
	PreTransit                       // the carrier has data only
	PickedUp                         // first physical acceptance
	InTransit                        // moving, sorting, customs
	OutForDelivery                   // with the final courier
	AttemptFailed                    // a delivery was tried; another is expected
	AvailableForPickup               // locker, shop, post office
	Exception                        // held, or someone must act
	Delivered                        // with the consignee or at the agreed place
	Returning                        // on the way back to the sender
	Returned                         // the sender has it again
	Lost                             // missing, destroyed, disposed of or seized
	Cancelled                        // void before, or stopped during, transit
	statuses
)

// statusTable: name is the code of the answers; rank settles ties between
// events of one instant and says what may replace what; terminal statuses are
// soft: the fold says what reopens them.
var statusTable = [statuses]struct {
	name     string
	rank     uint8
	terminal bool
}{
	Unknown:            {"unknown", 0, false},
	PreTransit:         {"pre_transit", 10, false},
	PickedUp:           {"picked_up", 20, false},
	InTransit:          {"in_transit", 30, false},
	OutForDelivery:     {"out_for_delivery", 40, false},
	AttemptFailed:      {"attempt_failed", 45, false},
	AvailableForPickup: {"available_for_pickup", 50, false},
	Exception:          {"exception", 35, false},
	Delivered:          {"delivered", 90, true},
	Returning:          {"returning", 60, false},
	Returned:           {"returned", 95, true},
	Lost:               {"lost", 92, true},
	Cancelled:          {"cancelled", 91, true},
}

// String is the status's code in answers, such as "in_transit".
func (s Status) String() string {
	if s >= statuses {
		return statusTable[Unknown].name
	}
	return statusTable[s].name
}

// Rank orders events of one instant: the higher comes later.
func (s Status) Rank() uint8 {
	if s >= statuses {
		return 0
	}
	return statusTable[s].rank
}

// Terminal reports whether the journey has ended, as far as is known.
func (s Status) Terminal() bool { return s < statuses && statusTable[s].terminal }

// ParseStatus reads a status's code; ok is false when there is none of that name.
func ParseStatus(name string) (s Status, ok bool) {
	for i := range statusTable {
		if statusTable[i].name == name {
			return Status(i), true
		}
	}
	return Unknown, false
}

// A Pair is a status with its finer sub-status. Sub is open-ended; the known
// ones are in subTable, and "" means that nothing finer is known.
type Pair struct {
	Status Status
	Sub    string
}

// subTable numbers the sub-statuses that are known, for the stored form of a
// head: a number once given is never given to another, new ones go at the end,
// and 0 is "none".
var subTable = [...]string{
	"",
	// pre_transit
	"order_created", "label_created", "pickup_scheduled", "courier_assigned", "awaiting_pickup", "pickup_failed",
	// picked_up
	"collected", "dropped_off", "accepted", "warehouse_in",
	// in_transit
	"general", "departed", "arrived", "linehaul", "handed_to_carrier", "export_customs", "customs_started",
	"customs_cleared", "arrived_country", "destination_facility", "destination_city", "forwarded", "rescheduled",
	"resolved", "reopened",
	// out_for_delivery
	"contacted", "appointment", "last_mile_received",
	// attempt_failed
	"not_home", "business_closed", "no_access", "address", "refused_pending", "cod_unpaid", "id_check",
	"no_contact", "out_of_area",
	// available_for_pickup
	"locker", "shop", "post_office", "reminder", "overdue",
	// exception
	"customs_hold", "customs_docs", "customs_prohibited", "duty_unpaid", "payment", "weather", "delay", "damaged",
	"refused", "misrouted", "security", "on_hold", "info_required", "investigating", "intercepted", "pickup_overdue",
	// delivered
	"signed", "signed_by_other", "neighbour", "safe_place", "reception", "cod", "partial", "after_exception", "po_box",
	// returning, returned
	"unclaimed", "undeliverable", "requested", "to_sender", "to_warehouse",
	// lost
	"missing", "destroyed", "disposed", "seized",
	// cancelled
	"by_shipper", "by_carrier", "by_consignee", "void_label",
}

var subNumbers = func() map[string]uint8 {
	m := make(map[string]uint8, len(subTable))
	for i, s := range subTable {
		if _, twice := m[s]; twice {
			panic("BUG: sub-status " + s + " is numbered twice")
		}
		m[s] = uint8(i)
	}
	return m
}()

// MaxSub is the length of a sub-status, in characters.
const MaxSub = 40

// ValidSub reports whether s can be a sub-status: at most 40 characters out of
// a-z, 0-9 and "_". It need not be one that is known.
func ValidSub(s string) bool {
	if len(s) > MaxSub {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

package trace

import (
	"fmt"
	"time"
)

// A Zone says where the zone of a time came from.
type Zone uint8

// Where a zone can come from. Their numbers are the stored form.
const (
	ZoneUnknown  Zone = iota // no zone is known; ordered as if it were UTC
	ZoneOffset               // the carrier wrote the offset with the time
	ZoneCarrier              // the carrier writes local time of a zone that is known
	ZoneLocation             // from the place of the event
	ZoneDefault              // from a setting
	zones
)

var zoneNames = [zones]string{"unknown", "carrier_offset", "carrier_zone", "location", "default"}

// String is the provenance as answers give it in zone_from.
func (z Zone) String() string {
	if z >= zones {
		return zoneNames[ZoneUnknown]
	}
	return zoneNames[z]
}

// A Precision says how exactly a time was given.
type Precision uint8

// The precisions. Their numbers are the stored form.
const (
	Second Precision = iota // to the second, or finer
	Minute
	Day
	precisions
)

// China is the offset of local time at Chinese domestic carriers, in minutes:
// they write it without a zone, and there is no daylight saving.
const China int16 = 8 * 60

// A Time is when something happened, with where its zone came from, how exact
// it is, and how the source wrote it.
type Time struct {
	Local     int64 // the time as written, read as UTC: milliseconds since 1970
	Offset    int16 // minutes east of UTC; 0 when the zone is unknown
	Zone      Zone  // where Offset came from
	Precision Precision
	Raw       string // as the source wrote it
}

// The local times that can be written: the years 0000 to 9999.
const (
	firstLocal = -62_167_219_200_000
	lastLocal  = 253_402_300_799_999
)

// Instant is the moment itself, in milliseconds since 1970 UTC. Without a known
// zone the local time is taken for UTC.
func (t Time) Instant() int64 { return t.Local - int64(t.Offset)*60_000 }

// UTC is the moment as a time.Time in UTC.
func (t Time) UTC() time.Time { return time.UnixMilli(t.Instant()).UTC() }

// ParseLocal reads a local time without a zone, as most Chinese carriers write
// it: "2006-01-02 15:04:05", with "T" or "/" in place of " " or "-" if need be,
// with or without a fraction, the seconds, or the clock time. offset and zone
// say what the time is local to; for ZoneUnknown offset is 0. Digits are
// counted strictly, a day must exist; anything else is ErrInvalid.
func ParseLocal(s string, offset int16, zone Zone) (Time, error) {
	t := Time{Offset: offset, Zone: zone, Raw: s}
	rest, ok := t.parse(s)
	if !ok || rest != "" {
		return Time{}, fmt.Errorf("time %q is not of the form yyyy-MM-dd HH:mm:ss: %w", clip(s), ErrInvalid)
	}
	return t, nil
}

// ParseOffset reads a time that carries its offset: RFC 3339, with the colon of
// the offset optional. Anything else is ErrInvalid.
func ParseOffset(s string) (Time, error) {
	t := Time{Zone: ZoneOffset, Raw: s}
	rest, ok := t.parse(s)
	if ok && t.Precision != Day {
		if t.Offset, ok = parseOffset(rest); ok {
			return t, nil
		}
	}
	return Time{}, fmt.Errorf("time %q is not RFC 3339, such as 2006-01-02T15:04:05+08:00: %w", clip(s), ErrInvalid)
}

// ParseDate reads a day, "2006-01-02". Anything else is ErrInvalid.
func ParseDate(s string, offset int16, zone Zone) (Time, error) {
	t := Time{Offset: offset, Zone: zone, Raw: s}
	if rest, ok := t.parse(s); ok && rest == "" && t.Precision == Day {
		return t, nil
	}
	return Time{}, fmt.Errorf("date %q is not of the form yyyy-MM-dd: %w", clip(s), ErrInvalid)
}

// parse reads date and clock time from the front of s, sets Local and
// Precision, and returns what is left: the offset, or nothing.
func (t *Time) parse(s string) (rest string, ok bool) {
	if len(s) < 10 || (s[4] != '-' && s[4] != '/') || s[7] != s[4] {
		return s, false
	}
	year, ok1 := digits(s[0:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return s, false
	}
	days := daysSince1970(year, month, day)
	if len(s) == 10 {
		t.Local, t.Precision = days*86_400_000, Day
		return "", true
	}
	if len(s) < 16 || (s[10] != ' ' && s[10] != 'T' && s[10] != 't') || s[13] != ':' {
		return s, false
	}
	hour, ok1 := digits(s[11:13])
	minute, ok2 := digits(s[14:16])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return s, false
	}
	ms := int64(hour*3600+minute*60) * 1000
	t.Precision = Minute
	s = s[16:]
	if len(s) >= 3 && s[0] == ':' {
		second, ok := digits(s[1:3])
		if !ok || second > 60 {
			return s, false
		}
		// A leap second is the last of its minute: nothing else has sixty.
		second = min(second, 59)
		ms += int64(second) * 1000
		t.Precision = Second
		s = s[3:]
		if len(s) >= 2 && (s[0] == '.' || s[0] == ',') {
			n, unit := 1, int64(100)
			for n < len(s) && s[n] >= '0' && s[n] <= '9' {
				ms += int64(s[n]-'0') * unit
				unit /= 10
				n++
			}
			if n == 1 || n > 10 {
				return s, false
			}
			s = s[n:]
		}
	}
	t.Local = days*86_400_000 + ms
	return s, true
}

// parseOffset reads "Z", "+08:00" or "+0800" as minutes east of UTC.
func parseOffset(s string) (int16, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) != 5 || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	hours, ok1 := digits(s[1:3])
	minutes, ok2 := digits(s[3:5])
	if !ok1 || !ok2 || minutes > 59 || !validOffset(int64(hours*60+minutes)) {
		return 0, false
	}
	offset := int16(hours*60 + minutes)
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// validOffset bounds an offset in minutes: no place on earth is sixteen hours off.
func validOffset(minutes int64) bool { return minutes > -16*60 && minutes < 16*60 }

func digits(s string) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts days in the Gregorian calendar, years beginning in March
// so that the leap day is the last of its year, and one era of 400 years later
// so that January of the year 0 does not divide below zero.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	year += 400
	return int64(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468 - 146097)
}

// clip keeps an error's quotation of a stranger's text short.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	for i := range s {
		if i > most {
			return s[:i] + "…"
		}
	}
	return s
}

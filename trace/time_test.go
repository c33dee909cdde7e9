package trace

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// at is a local time, read as UTC, in milliseconds since 1970.
func at(year, month, day, hour, minute, second, ms int) int64 {
	return time.Date(year, time.Month(month), day, hour, minute, second, ms*1e6, time.UTC).UnixMilli()
}

func TestParseLocal(t *testing.T) {
	for _, c := range []struct {
		in        string
		local     int64
		precision Precision
	}{
		{"2020-05-11 16:56:54", at(2020, 5, 11, 16, 56, 54, 0), Second},
		{"2020-05-11T16:56:54", at(2020, 5, 11, 16, 56, 54, 0), Second},
		{"2020-05-11t16:56:54", at(2020, 5, 11, 16, 56, 54, 0), Second},
		{"2020/05/11 16:56:54", at(2020, 5, 11, 16, 56, 54, 0), Second},
		{"2020-05-11 16:56:54.1", at(2020, 5, 11, 16, 56, 54, 100), Second},
		{"2020-05-11 16:56:54.12", at(2020, 5, 11, 16, 56, 54, 120), Second},
		{"2020-05-11 16:56:54,123", at(2020, 5, 11, 16, 56, 54, 123), Second},
		{"2020-05-11 16:56:54.123999999", at(2020, 5, 11, 16, 56, 54, 123), Second},
		{"2020-05-11 16:56:54.000", at(2020, 5, 11, 16, 56, 54, 0), Second},
		{"2016-12-31 23:59:60", at(2016, 12, 31, 23, 59, 59, 0), Second},
		{"2016-12-31 23:59:60.5", at(2016, 12, 31, 23, 59, 59, 500), Second},
		{"2020-05-11 16:56", at(2020, 5, 11, 16, 56, 0, 0), Minute},
		{"2020/05/11T00:00", at(2020, 5, 11, 0, 0, 0, 0), Minute},
		{"2020-05-11", at(2020, 5, 11, 0, 0, 0, 0), Day},
		{"2020/12/31", at(2020, 12, 31, 0, 0, 0, 0), Day},
		{"2020-02-29 23:59:59", at(2020, 2, 29, 23, 59, 59, 0), Second},
		{"2000-02-29", at(2000, 2, 29, 0, 0, 0, 0), Day},
		{"1969-12-31 23:59:59.999", -1, Second},
		{"0000-01-01", firstLocal, Day},
		{"0000-02-29 12:00:00", at(0, 2, 29, 12, 0, 0, 0), Second},
		{"0000-03-01", at(0, 3, 1, 0, 0, 0, 0), Day},
		{"9999-12-31 23:59:59.999", lastLocal, Second},
	} {
		want := Time{Local: c.local, Offset: China, Zone: ZoneCarrier, Precision: c.precision, Raw: c.in}
		if got, err := ParseLocal(c.in, China, ZoneCarrier); got != want || err != nil {
			t.Errorf("ParseLocal(%q) = %+v, %v; want %+v", c.in, got, err, want)
		}
		got, err := ParseDate(c.in, -90, ZoneLocation)
		if want := (Time{Local: c.local, Offset: -90, Zone: ZoneLocation, Precision: Day, Raw: c.in}); c.precision == Day && (got != want || err != nil) {
			t.Errorf("ParseDate(%q) = %+v, %v; want %+v", c.in, got, err, want)
		}
		if c.precision != Day && !errors.Is(err, ErrInvalid) {
			t.Errorf("ParseDate(%q) = %+v, %v; want ErrInvalid", c.in, got, err)
		}
	}
}

// notTimes are no times in any of the forms.
var notTimes = []string{
	"", " ", "2020", "2020-05", "2020-05-1", "20200511", "2020-5-11 16:56:54", "20-05-11 16:56:54", "2020-05-11 ", "2020-05-11 16",
	"2020-05-11 16:5", "2020-05-11 16:56:5", "2020-05-11 16:56:54 ", " 2020-05-11 16:56:54", "2020-05-11 16:56:54\n", "2020-05-11 16:56:54.",
	"2020-05-11 16:56:54.x", "2020-05-11 16:56:54.1234567890", "2020-05-11 24:00:00", "2020-05-11 24:00", "2020-05-11 16:60:00",
	"2020-05-11 16:56:61", "2020-13-11 16:56:54", "2020-00-11 16:56:54", "2020-05-00", "2020-05-32", "2020-04-31", "2021-02-29", "1900-02-29",
	"2100-02-29", "2020-02-30", "2020/05-11 16:56:54", "2020-05/11 16:56:54", "2020.05.11 16:56:54", "2020-05-11_16:56:54",
	"2020-05-11 16.56.54", "2020-05-11 16:56.54", "-020-05-11 16:56:54", "-2020-05-11 16:56:54", "+2020-05-11 16:56:54", "2020-+5-11 16:56:54",
	"2020-05-11 16:-6:54", "２０２０-05-11 16:56:54", "2020-05-11 16:56:５4", "2020-05-11 4:56:54 PM", "2020-05-11  16:56:54", "11-05-2020 16:56:54",
	"2020-05-11 16:56:54\x00", "now", "1589187414", "2020-05-11 1a:56:54", "2020年05月11日", "\xff\xff\xff\xff-05-11",
}

// notOffsets are no offsets.
var notOffsets = []string{"+8", "+08", "+08:", "+08:0", "+08:000", "+0800 ", " +0800", "+8:00", "08:00", "GMT", "Z ", "ZZ", "+24:00", "+16:00", "-1600",
	"+08:60", "+0860", "+-8:00", "+08-00", "+０8:00", "CST", "+08:00:00", "--800", "Z+08:00", "\x00"}

func TestParseRefuses(t *testing.T) {
	refuses := func(name, in string, got Time, err error) {
		t.Helper()
		if !errors.Is(err, ErrInvalid) || got != (Time{}) {
			t.Errorf("%s(%q) = %+v, %v; want ErrInvalid", name, in, got, err)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%s(%.20q…): an error of %d bytes", name, in, len(err.Error()))
		}
	}
	for _, in := range append(notTimes, strings.Repeat("2020-05-11", 1000)) {
		got, err := ParseLocal(in, China, ZoneCarrier)
		refuses("ParseLocal", in, got, err)
		got, err = ParseDate(in, China, ZoneCarrier)
		refuses("ParseDate", in, got, err)
		got, err = ParseOffset(in)
		refuses("ParseOffset", in, got, err)
		got, err = ParseOffset(in + "Z")
		refuses("ParseOffset", in+"Z", got, err)
	}
	for _, offset := range append(notOffsets, "") {
		for _, local := range []string{"2020-05-11T16:56:54", "2020-05-11T16:56", "2020-05-11T16:56:54.5"} {
			got, err := ParseOffset(local + offset)
			refuses("ParseOffset", local+offset, got, err)
		}
	}
	for _, in := range []string{"2020-05-11", "2020-05-11Z", "2020-05-11+08:00"} {
		got, err := ParseOffset(in)
		refuses("ParseOffset", in, got, err)
	}
	for _, in := range []string{"2020-05-11 16:56:54Z", "2020-05-11 16:56:54+08:00", "2020-05-11T16:56+0800", "2020-05-11Z"} {
		got, err := ParseLocal(in, 0, ZoneUnknown)
		refuses("ParseLocal", in, got, err)
	}
}

func TestParseOffset(t *testing.T) {
	for _, c := range []struct {
		in        string
		instant   int64
		offset    int16
		precision Precision
	}{
		{"2020-05-11T16:56:54+08:00", at(2020, 5, 11, 8, 56, 54, 0), 480, Second},
		{"2020-05-11 16:56:54+0800", at(2020, 5, 11, 8, 56, 54, 0), 480, Second},
		{"2020-05-11T08:56:54Z", at(2020, 5, 11, 8, 56, 54, 0), 0, Second},
		{"2020-05-11t08:56:54z", at(2020, 5, 11, 8, 56, 54, 0), 0, Second},
		{"2020-05-11T08:56:54-00:00", at(2020, 5, 11, 8, 56, 54, 0), 0, Second},
		{"2020-05-11T04:26:54.25-04:30", at(2020, 5, 11, 8, 56, 54, 250), -270, Second},
		{"2020-05-11T14:41+05:45", at(2020, 5, 11, 8, 56, 0, 0), 345, Minute},
		{"2020/01/01T00:00:00+14:00", at(2019, 12, 31, 10, 0, 0, 0), 840, Second},
		{"2019-12-31T23:00:00-12:00", at(2020, 1, 1, 11, 0, 0, 0), -720, Second},
		{"2020-01-01T00:00:00-15:59", at(2020, 1, 1, 15, 59, 0, 0), -959, Second},
		{"2020-01-01T00:00:00+15:59", at(2019, 12, 31, 8, 1, 0, 0), 959, Second},
	} {
		got, err := ParseOffset(c.in)
		if err != nil || got.Instant() != c.instant || got.Offset != c.offset || got.Precision != c.precision ||
			got.Zone != ZoneOffset || got.Raw != c.in || !got.UTC().Equal(time.UnixMilli(c.instant)) {
			t.Errorf("ParseOffset(%q) = %+v, %v; want instant %d, offset %d, precision %d", c.in, got, err, c.instant, c.offset, c.precision)
		}
	}
}

// Both ways as package time has them, for every year that can be written.
func TestTimesAsPackageTimeHasThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(firstLocal, lastLocal).Draw(t, "local")
		if rapid.Bool().Draw(t, "near an edge") {
			day := time.UnixMilli(ms).UTC().Format("2006")
			first, err := time.Parse("2006", day)
			if err != nil {
				t.Fatal(err)
			}
			ms = max(first.UnixMilli()+rapid.Int64Range(-2*86_400_000, 61*86_400_000).Draw(t, "from new year"), firstLocal)
		}
		want := time.UnixMilli(ms).UTC()
		for _, layout := range []string{"2006-01-02 15:04:05.000", "2006/01/02T15:04:05.000000", "2006-01-02 15:04:05,999", "2006-01-02T15:04:05",
			"2006-01-02 15:04", "2006/01/02"} {
			s := want.Format(layout)
			parsed, err := time.Parse(layout, s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseLocal(s, 0, ZoneUnknown)
			if err != nil || got.Local != parsed.UnixMilli() {
				t.Fatalf("ParseLocal(%q) = %d, %v; want %d", s, got.Local, err, parsed.UnixMilli())
			}
		}
		offset := int16(rapid.IntRange(-959, 959).Draw(t, "offset"))
		zoned := want.In(time.FixedZone("", int(offset)*60))
		if y := zoned.Year(); y < 0 || y > 9999 {
			return
		}
		layout := "2006-01-02T15:04:05Z07:00"
		if ms%1000 != 0 {
			layout = "2006-01-02T15:04:05.000Z07:00"
		}
		written := string(AppendTime([]byte("at "), ms, offset))
		if s := "at " + zoned.Format(layout); written != s {
			t.Fatalf("AppendTime(%d, %d) = %q, want %q", ms, offset, written, s)
		}
		back, err := ParseOffset(strings.TrimPrefix(written, "at "))
		if err != nil || back.Instant() != ms || back.Offset != offset {
			t.Fatalf("%q is read as %+v, %v; want %d", written, back, err, ms)
		}
		if got, want := string(appendDate(nil, ms)), want.Format("2006-01-02"); got != want {
			t.Fatalf("the day of %d is %q, want %q", ms, got, want)
		}
	})
}

// Every day of two eras, so that no leap year is missed.
func TestEveryDay(t *testing.T) {
	for d := time.Date(1899, 12, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2401; d = d.AddDate(0, 0, 1) {
		s := d.Format("2006-01-02")
		if got, err := ParseDate(s, 0, ZoneUnknown); err != nil || got.Local != d.UnixMilli() {
			t.Fatalf("ParseDate(%q) = %d, %v; want %d", s, got.Local, err, d.UnixMilli())
		}
		if got := string(appendDate(nil, d.UnixMilli()+86_399_999)); got != s {
			t.Fatalf("the last of %s is written %q", s, got)
		}
		next := fmt.Sprintf("%s-%02d", d.Format("2006-01"), d.Day()+1)
		if _, err := time.Parse("2006-01-02", next); err != nil {
			if got, err := ParseDate(next, 0, ZoneUnknown); err == nil {
				t.Fatalf("ParseDate(%q) = %+v, and there is no such day", next, got)
			}
		}
	}
}

// A time is shown as its source knew it, and stored as written.
func TestTimeInAnswers(t *testing.T) {
	for _, c := range []struct{ in, zone, want string }{
		{"2020-05-11 16:56:54", "carrier", "2020-05-11T16:56:54+08:00"},
		{"2020-05-11 16:56", "carrier", "2020-05-11T16:56:00+08:00"},
		{"2020-05-11 16:56:54.25", "carrier", "2020-05-11T16:56:54.250+08:00"},
		{"2020-05-11", "carrier", "2020-05-11"},
		{"2020-05-11 16:56:54", "", "2020-05-11T16:56:54"},
		{"2020-05-11", "", "2020-05-11"},
		{"2020-05-11T16:56:54Z", "offset", "2020-05-11T16:56:54Z"},
		{"2020-05-11T16:56:54-0930", "offset", "2020-05-11T16:56:54-09:30"},
	} {
		var at Time
		var err error
		switch c.zone {
		case "carrier":
			at, err = ParseLocal(c.in, China, ZoneCarrier)
		case "offset":
			at, err = ParseOffset(c.in)
		default:
			at, err = ParseLocal(c.in, 0, ZoneUnknown)
		}
		if got := string(at.appendJSON(nil)); err != nil || got != `"`+c.want+`"` {
			t.Errorf("%q is shown as %s, %v; want %q", c.in, got, err, c.want)
		}
	}
}

func TestZoneNames(t *testing.T) {
	for z, want := range map[Zone]string{ZoneUnknown: "unknown", ZoneOffset: "carrier_offset", ZoneCarrier: "carrier_zone",
		ZoneLocation: "location", ZoneDefault: "default", zones: "unknown"} {
		if got := z.String(); got != want {
			t.Errorf("zone %d is %q, want %q", z, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{strings.Repeat("x", 40), strings.Repeat("x", 40)},
		{strings.Repeat("x", 50), strings.Repeat("x", 41) + "…"},
		{strings.Repeat("运", 50), strings.Repeat("运", 14) + "…"},
		{strings.Repeat("x", 39) + "运", strings.Repeat("x", 39) + "运"},
	} {
		if got := clip(c.in); got != c.want {
			t.Errorf("clip(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range notTimes {
		f.Add(s)
	}
	for _, s := range notOffsets {
		f.Add("2020-05-11T16:56:54" + s)
	}
	for _, s := range []string{"2020-05-11T16:56:54.25+08:00", "2020-05-11 16:56+0800", "2020/05/11", "0000-01-01T00:00:00Z", "9999-12-31 23:59:60,999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := ParseOffset(s); err == nil {
			if got.Raw != s || !validOffset(int64(got.Offset)) {
				t.Fatalf("%q is read as %+v", s, got)
			}
			if want, err := time.Parse(time.RFC3339, s); err == nil && want.UnixMilli() != got.Instant() {
				t.Fatalf("%q is %s, and was read as %s", s, want, got.UTC())
			}
			written := string(AppendTime(nil, got.Instant(), got.Offset))
			if back, err := ParseOffset(written); err != nil || back.Instant() != got.Instant() || back.Offset != got.Offset {
				t.Fatalf("%q is written %q and read as %+v, %v", s, written, back, err)
			}
		} else if !errors.Is(err, ErrInvalid) || got != (Time{}) {
			t.Fatalf("%q: %+v, %v", s, got, err)
		}
		if got, err := ParseLocal(s, China, ZoneCarrier); err == nil {
			back, err := ParseLocal(got.canonical(), China, ZoneCarrier)
			if err != nil || back.Local != got.Local {
				t.Fatalf("%q is written %q and read as %+v, %v", s, got.canonical(), back, err)
			}
			if _, err := ParseDate(s, China, ZoneCarrier); (err == nil) != (got.Precision == Day) {
				t.Fatalf("%q has precision %d, and as a date %v", s, got.Precision, err)
			}
			// What was read is written so that it decodes as the same.
			e := Event{Waybill: Waybill{"SF7444400031887", "sf"}, Source: "sf", At: got}
			x := sealed(e)
			var read Event
			if err := DecodeEvent(&read, e.Waybill, got.Local, x.ID, x.Value); err != nil || read.At != got {
				t.Fatalf("%q is stored and read as %+v, %v; want %+v", s, read.At, err, got)
			}
		} else if !errors.Is(err, ErrInvalid) || got != (Time{}) {
			t.Fatalf("%q: %+v, %v", s, got, err)
		}
	})
}

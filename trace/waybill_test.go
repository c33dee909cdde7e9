package trace

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseNumber(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"SF7444400031887", "SF7444400031887"},
		{"sf7444400031887", "SF7444400031887"},
		{" sf 7444 4000\t31887\r\n", "SF7444400031887"},
		{"\u3000SF7444\u00a0400031887\u2009", "SF7444400031887"},
		{"1Z-999-AA1", "1Z-999-AA1"},
		{"a-b-", "A-B-"},
		{"abcd", "ABCD"},
		{strings.Repeat("a", 50), strings.Repeat("A", 50)},
		{strings.Repeat("a ", 50), strings.Repeat("A", 50)},
	} {
		if got, err := ParseNumber(c.in); got != c.want || err != nil {
			t.Errorf("ParseNumber(%q) = %q, %v; want %q", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{
		"", " ", "abc", "a b c", strings.Repeat("a", 51), strings.Repeat("9", 300), "SF74444_0031887", "SF7444400031887\x00",
		"SF/7444400031887", "\u017fF7444400031887", "\uff33\uff267444400031887", "SF744440003188\uff17", "SF744440003188\xff", "运单号1234", "SF7444400031887\u200b",
		"SF.744440", "SF+744440", "SF%20744440", "'; DROP--",
	} {
		if got, err := ParseNumber(in); !errors.Is(err, ErrInvalid) || got != "" {
			t.Errorf("ParseNumber(%q) = %q, %v; want ErrInvalid", in, got, err)
		}
	}
}

func TestParseNumberBorrowsWhatIsCanonical(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if _, err := ParseNumber("SF7444400031887"); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a canonical number, want none", n)
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"SF7444400031887", " sf 7444\u3000400031887", "1z-999-aa1", "abc", "\xff\xfe", strings.Repeat("x", 51), "\u017fK\u212a1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		number, err := ParseNumber(s)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || number != "" || !utf8.ValidString(err.Error()) {
				t.Fatalf("ParseNumber(%q) = %q, %q", s, number, err)
			}
			return
		}
		if len(number) < MinNumber || len(number) > MaxNumber || strings.Trim(number, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			t.Fatalf("ParseNumber(%q) = %q, which is not canonical", s, number)
		}
		if again, err := ParseNumber(number); again != number || err != nil {
			t.Fatalf("the canonical %q becomes %q, %v", number, again, err)
		}
		if lower, err := ParseNumber(" " + strings.ToLower(number) + "\n"); lower != number || err != nil {
			t.Fatalf("%q in small letters becomes %q, %v", number, lower, err)
		}
	})
}

func TestValidCarrier(t *testing.T) {
	for _, s := range []string{"sf", "x-17", "17track", "a", strings.Repeat("a", 32)} {
		if !ValidCarrier(s) {
			t.Errorf("%q cannot be a carrier", s)
		}
	}
	for _, s := range []string{"", "SF", "s f", "s_f", "sf\x00", "顺丰", strings.Repeat("a", 33)} {
		if ValidCarrier(s) {
			t.Errorf("%q can be a carrier", s)
		}
	}
}

func TestValidReference(t *testing.T) {
	for _, s := range []string{"1", "order 7/8 #9", "订单 7", "a\"b\\c", strings.Repeat("单", 128)} {
		if !ValidReference(s) {
			t.Errorf("%q cannot be a reference", s)
		}
	}
	for _, s := range []string{"", "a\x00b", "a\nb", "\x7f", "a\u00a0b", "a\u200bb", "\xff", "\ufffd", strings.Repeat("a", 129), strings.Repeat("单", 129)} {
		if ValidReference(s) {
			t.Errorf("%q can be a reference", s)
		}
	}
}

func TestValidSub(t *testing.T) {
	for _, s := range append(subTable[:], "x_9", strings.Repeat("a", MaxSub)) {
		if !ValidSub(s) {
			t.Errorf("%q cannot be a sub-status", s)
		}
	}
	for _, s := range []string{"Signed", "si gned", "签收", "a.b", strings.Repeat("a", MaxSub+1)} {
		if ValidSub(s) {
			t.Errorf("%q can be a sub-status", s)
		}
	}
}

// The numbers of statuses and sub-statuses are on disk: none may move.
func TestStoredNumbers(t *testing.T) {
	for status, want := range map[Status]string{0: "unknown", 1: "pre_transit", 2: "picked_up", 3: "in_transit", 4: "out_for_delivery",
		5: "attempt_failed", 6: "available_for_pickup", 7: "exception", 8: "delivered", 9: "returning", 10: "returned", 11: "lost", 12: "cancelled"} {
		if got := status.String(); got != want {
			t.Errorf("status %d is %s, want %s", status, got, want)
		}
		if back, ok := ParseStatus(want); back != status || !ok {
			t.Errorf("%s is status %d, want %d", want, back, status)
		}
		if got, want := int(status.Rank()), naiveRank[status]; got != want {
			t.Errorf("%s has rank %d, want %d", status, got, want)
		}
		if got, want := status.Terminal(), naiveRank[status] >= 90; got != want {
			t.Errorf("%s is terminal: %t, want %t", status, got, want)
		}
	}
	if _, ok := ParseStatus("Delivered"); ok {
		t.Error("a status in capitals is known")
	}
	if s := statuses; s.String() != "unknown" || s.Rank() != 0 || s.Terminal() {
		t.Error("a status beyond the last is not like unknown")
	}
	for sub, want := range map[string]uint8{"": 0, "order_created": 1, "collected": 7, "general": 11, "reopened": 25, "signed": 59,
		"to_sender": 71, "void_label": 80} {
		if got, known := subNumbers[sub]; got != want || !known {
			t.Errorf("sub-status %q has number %d, want %d", sub, got, want)
		}
	}
}

// Package trace has the words of the house: waybill, event, place, status and
// trace, and the pure rules over them: identity, order, the fold from facts to
// status, the one form for disk and Kafka and the one form for answers.
//
// A dialect fills an [Event]; [Event.Check] judges it, [Facts.Seal] takes its
// identity and encodes it; [Head.Take] merges it into what is known of its
// waybill, and [Head.Fold] says what that means. Nothing here reads a clock, a
// disk or a socket, and the package imports nothing of ours.
package trace

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Waybill names one parcel at one carrier.
type Waybill struct {
	Number  string // canonical, see ParseNumber
	Carrier string // our code of who moves the parcel, see ValidCarrier
}

// The length of a canonical waybill number, in characters.
const (
	MinNumber = 4
	MaxNumber = 50
)

// ParseNumber returns the canonical form of a waybill number: blanks removed,
// letters upper-cased; 4 to 50 characters out of A-Z, 0-9 and "-". Anything
// else is ErrInvalid. A number that is canonical already is returned as it
// came, without a copy.
func ParseNumber(s string) (string, error) {
	if canonicalNumber(s) {
		return s, nil
	}
	var buf [MaxNumber]byte
	b := buf[:0]
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
		case r == utf8.RuneError:
			return "", fmt.Errorf("byte %d is not UTF-8: %w", i+1, ErrInvalid)
		case unicode.IsSpace(r):
			continue
		default:
			return "", fmt.Errorf("character %q is not one of A-Z 0-9 -: %w", r, ErrInvalid)
		}
		if len(b) == MaxNumber {
			return "", fmt.Errorf("longer than %d characters: %w", MaxNumber, ErrInvalid)
		}
		b = append(b, byte(r))
	}
	if len(b) < MinNumber {
		return "", fmt.Errorf("shorter than %d characters: %w", MinNumber, ErrInvalid)
	}
	return string(b), nil
}

func canonicalNumber(s string) bool {
	if len(s) < MinNumber || len(s) > MaxNumber {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// ValidCarrier reports whether s can be a carrier's code: 1 to 32 characters out
// of a-z, 0-9 and "-". It says nothing about whether we know that carrier.
func ValidCarrier(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// A Reference is a shipper's own name for a parcel. It belongs to an account,
// and only that account sees it.
type Reference struct {
	Account, Text string
}

// MaxReference is the length of a reference that is indexed, in characters.
const MaxReference = 128

// ValidReference reports whether s can be indexed: 1 to 128 printable
// characters. Other references stay in their event and lead nowhere.
func ValidReference(s string) bool {
	n := 0
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != ' ' {
			return false
		}
		n++
	}
	return n >= 1 && n <= MaxReference
}

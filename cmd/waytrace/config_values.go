package main

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// A Size is a number of bytes; in settings "256MiB", "64KiB" or a plain number.
type Size int64

var units = []struct {
	name  string
	shift uint
}{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	digits, shift := strings.TrimSpace(string(text)), uint(0)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(digits, u.name); ok {
			digits, shift = strings.TrimSpace(rest), u.shift
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is not a size: write it like 256MiB (B, KiB, MiB, GiB, TiB)", text)
	}
	*s = Size(n << shift)
	return nil
}

// String is the size in the largest unit that holds it without a fraction.
func (s Size) String() string {
	for _, u := range units {
		if n := int64(s) >> u.shift; n > 0 && n<<u.shift == int64(s) {
			return strconv.FormatInt(n, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// A Network is a range of addresses; in settings CIDR, "10.0.0.0/8", or one
// address.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network.
func (n *Network) UnmarshalText(text []byte) (err error) {
	*n, err = parseNetwork(string(text))
	return err
}

func parseNetwork(s string) (Network, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		return Network{prefix.Masked()}, nil
	}
	address, err := netip.ParseAddr(s)
	if err != nil || address.Zone() != "" {
		return Network{}, fmt.Errorf("%q is neither an address nor a network: write 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32", s)
	}
	address = address.Unmap()
	return Network{netip.PrefixFrom(address, address.BitLen())}, nil
}

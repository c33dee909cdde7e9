package trace

import "testing"

// Two nodes must find a number in the same partition for ever.
func TestPartitionOf(t *testing.T) {
	for number, want := range map[string]uint16{"SF7444400031887": 12, "YT1234567890123": 7} {
		if got := PartitionOf(number); got != want {
			t.Errorf("PartitionOf(%q) = %d, want %d", number, got, want)
		}
	}
}

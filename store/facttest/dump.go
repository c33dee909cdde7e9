package facttest

import (
	"fmt"
	"strings"

	"waytrace/store/keys"
	"waytrace/trace"
)

// Dump is what all nodes with the same facts have alike, a line for each: heads,
// copies, texts, references and records. When a node heard an event is left out, and
// whatever is a node's own.
func Dump(scan Scanner) (string, error) {
	var b strings.Builder
	for _, kind := range []byte{keys.KindRecord, keys.KindReference, keys.KindWaybill} {
		err := scan([]byte{kind}, func(key, value []byte) (bool, error) {
			k, err := keys.Parse(key)
			if err != nil {
				return false, err
			}
			if k.IsEvent {
				var e trace.Event
				if err := trace.DecodeEvent(&e, k.Waybill, k.Local, k.ID, value); err != nil {
					return false, err
				}
				e.Heard = 0
				value = e.Append(nil)
			}
			fmt.Fprintf(&b, "%q %x\n", key, value)
			return true, nil
		})
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// Difference shows the first line in which two dumps differ, empty where none does.
func Difference(a, b string) string {
	ours, theirs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(ours), len(theirs)) {
		if ours[i] != theirs[i] {
			return ours[i] + "\nand\n" + theirs[i]
		}
	}
	if len(ours) == len(theirs) {
		return ""
	}
	return fmt.Sprintf("one has %d lines, the other %d", len(ours), len(theirs))
}

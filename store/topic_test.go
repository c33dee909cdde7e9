package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A directory knows its topic for good.
func TestTopic(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	if got, err := s.Topic(); got != "" || err != nil {
		t.Errorf("a new directory belongs to %q, %v", got, err)
	}
	for _, topic := range []string{"cluster/waytrace", "other/waytrace"} {
		if err := s.SetTopic(topic); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, fs)
		if got, err := s.Topic(); got != topic || err != nil {
			t.Errorf("it belongs to %q, %v, want %q", got, err, topic)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Topic(); err == nil {
		t.Error("a closed store tells of its topic")
	}
	if s.SetTopic("x") == nil {
		t.Error("a closed store takes a topic")
	}
}

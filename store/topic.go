package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// metaTopic is which topic the directory ships to and reads from: its positions and
// bookmarks mean nothing in another one.
const metaTopic = "topic"

// Topic is the topic that the directory belongs to, as SetTopic named it; "" where it has
// none yet.
func (s *Store) Topic() (string, error) {
	if err := s.enter(); err != nil {
		return "", err
	}
	defer s.leave()
	value, err := s.metaGet(metaTopic)
	return string(value), err
}

// SetTopic notes which topic the directory belongs to, and returns when that is synced.
func (s *Store) SetTopic(topic string) error {
	if err := s.Ready(); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.db.Set(keys.Meta(nil, metaTopic), []byte(topic), pebble.Sync); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}

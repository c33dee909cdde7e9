package rivals

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"waytrace/trace"
)

// redisKeeper keeps a hash a waybill number, with its events under their identities. A push
// is one transaction in one round trip, acknowledged when the log has it, synced. What the
// newest event says is seen when they are read, which they are all.
type redisKeeper struct{ client *redis.Client }

func openRedis(ctx context.Context, at string) (keeper, error) {
	settings, err := redis.ParseURL(at)
	if err != nil {
		return nil, err
	}
	settings.PoolSize = connections
	k := &redisKeeper{redis.NewClient(settings)}
	for name, want := range map[string]string{"appendonly": "yes", "appendfsync": "always"} {
		got, err := k.client.ConfigGet(ctx, name).Result()
		if err == nil && got[name] != want {
			err = fmt.Errorf("%s is %q, want %q: it would acknowledge what it may lose", name, got[name], want)
		}
		if err != nil {
			k.close()
			return nil, err
		}
	}
	return k, nil
}

func (k *redisKeeper) close() { k.client.Close() }

// settings are those that durability and speed hang on.
func (k *redisKeeper) settings(ctx context.Context) (string, error) {
	info, err := k.client.InfoMap(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	text := "Redis " + info["Server"]["redis_version"]
	for _, name := range []string{"appendonly", "appendfsync", "save", "io-threads", "maxmemory", "no-appendfsync-on-rewrite", "hash-max-listpack-entries", "hash-max-listpack-value"} {
		set, err := k.client.ConfigGet(ctx, name).Result()
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("\n%s = %q", name, set[name])
	}
	return text, nil
}

// A field is the carrier, 0x00, the event's place in time and its identity.
const fieldEnd = 1 + 8 + 8

func redisKey(number string) string { return "w:" + number }

func (k *redisKeeper) keep(ctx context.Context, events []trace.Event) error {
	_, err := k.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for i := range events {
			e := &events[i]
			field := append(append(make([]byte, 0, 48), e.Carrier...), 0)
			field = binary.BigEndian.AppendUint64(field, uint64(e.At.Local)^1<<63)
			field = binary.BigEndian.AppendUint64(field, uint64(e.ID))
			p.HSetNX(ctx, redisKey(e.Number), string(field), e.Value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}

func (k *redisKeeper) read(ctx context.Context, number string) (*found, error) {
	all, err := k.client.HGetAll(ctx, redisKey(number)).Result()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	case len(all) == 0:
		return nil, trace.ErrNotFound
	}
	fields := make([]string, 0, len(all))
	for field := range all {
		if len(field) < fieldEnd {
			return nil, fmt.Errorf("redis: %s has a field %q: %w", redisKey(number), field, trace.ErrInvalid)
		}
		fields = append(fields, field)
	}
	slices.Sort(fields)
	f := &found{Waybill: trace.Waybill{Number: number, Carrier: newestCarrier(fields)}, events: make([]trace.Event, 0, len(fields))}
	for _, field := range fields {
		carrier, at := field[:len(field)-fieldEnd], field[len(field)-fieldEnd+1:]
		if carrier != f.Carrier {
			continue
		}
		f.events = append(f.events, trace.Event{})
		e := &f.events[len(f.events)-1]
		local, id := int64(binary.BigEndian.Uint64([]byte(at))^1<<63), trace.ID(binary.BigEndian.Uint64([]byte(at[8:])))
		if err := trace.DecodeEvent(e, f.Waybill, local, id, []byte(all[field])); err != nil {
			return nil, err
		}
		if e.Pair.Status != f.pair.Status {
			f.since, f.zone = e.At.Instant(), e.At.Offset
		}
		f.pair = e.Pair
	}
	return f, nil
}

// newestCarrier is the carrier with the newest event.
func newestCarrier(fields []string) (carrier string) {
	newest := ""
	for _, field := range fields {
		if at := field[len(field)-fieldEnd+1:]; at > newest {
			carrier, newest = field[:len(field)-fieldEnd], at
		}
	}
	return carrier
}

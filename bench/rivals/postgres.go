package rivals

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"waytrace/trace"
)

// postgres keeps events under their identity, and a row a waybill with what the newest of
// them says. A push is one statement, so one round trip and one synced commit.
type postgres struct{ pool *pgxpool.Pool }

const postgresSchema = `
CREATE TABLE IF NOT EXISTS events (
	number text COLLATE "C", carrier text COLLATE "C", at bigint, id bigint, value bytea NOT NULL,
	PRIMARY KEY (number, carrier, at, id));
CREATE TABLE IF NOT EXISTS waybills (
	number text COLLATE "C", carrier text COLLATE "C", status smallint NOT NULL, sub text NOT NULL,
	since bigint NOT NULL, zone smallint NOT NULL, newest bigint NOT NULL,
	PRIMARY KEY (number, carrier));`

// Rows come in the order of their keys, so that two pushes wait for each other and not in
// a circle.
const postgresKeep = `
WITH told AS (
	INSERT INTO events (number, carrier, at, id, value)
	SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[])
	ON CONFLICT DO NOTHING)
INSERT INTO waybills AS w (number, carrier, status, sub, since, zone, newest)
SELECT number, carrier, status, sub, at, zone, at
FROM unnest($6::text[], $7::text[], $8::smallint[], $9::text[], $10::bigint[], $11::smallint[]) AS n (number, carrier, status, sub, at, zone)
ON CONFLICT (number, carrier) DO UPDATE SET
	status = excluded.status, sub = excluded.sub, newest = excluded.newest,
	since = CASE WHEN w.status = excluded.status THEN w.since ELSE excluded.since END,
	zone = CASE WHEN w.status = excluded.status THEN w.zone ELSE excluded.zone END
WHERE w.newest <= excluded.newest`

const postgresRead = `
SELECT w.carrier, w.status, w.sub, w.since, w.zone, e.at, e.id, e.value
FROM waybills w JOIN events e ON e.number = w.number AND e.carrier = w.carrier
WHERE w.number = $1 ORDER BY w.newest DESC, w.carrier, e.at, e.id`

// connections are how many a rival may have at once: as many as ask at once, so that
// nobody waits for one.
const connections = 64

func openPostgres(ctx context.Context, at string) (keeper, error) {
	settings, err := pgxpool.ParseConfig(at)
	if err != nil {
		return nil, err
	}
	settings.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, err
	}
	var durable string
	_, err = pool.Exec(ctx, postgresSchema)
	if err == nil {
		err = pool.QueryRow(ctx, `SELECT current_setting('synchronous_commit') || ' ' || current_setting('fsync')`).Scan(&durable)
	}
	if err == nil && durable != "on on" {
		err = fmt.Errorf("synchronous_commit and fsync are %q, want both on: it would acknowledge what it may lose", durable)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &postgres{pool}, nil
}

func (p *postgres) close() { p.pool.Close() }

// settings are those that are not the default.
func (p *postgres) settings(ctx context.Context) (text string, err error) {
	err = p.pool.QueryRow(ctx, `SELECT version() || E'\n' || string_agg(name || ' = ' || current_setting(name), E'\n' ORDER BY name)
FROM pg_settings WHERE source IN ('command line', 'configuration file') AND name NOT LIKE '%director%'`).Scan(&text)
	return text, err
}

func (p *postgres) keep(ctx context.Context, events []trace.Event) error {
	order := make([]*trace.Event, len(events))
	for i := range events {
		order[i] = &events[i]
	}
	slices.SortFunc(order, inOrder)
	var (
		numbers, carriers []string
		at, ids           []int64
		values            [][]byte

		heads, headCarriers, subs []string
		statuses, zones           []int16
		newest                    []int64
	)
	for i, e := range order {
		numbers, carriers = append(numbers, e.Number), append(carriers, e.Carrier)
		at, ids, values = append(at, e.At.Local), append(ids, int64(e.ID)), append(values, e.Value)
		if i+1 < len(order) && order[i+1].Waybill == e.Waybill {
			continue // not the newest
		}
		heads, headCarriers, subs = append(heads, e.Number), append(headCarriers, e.Carrier), append(subs, e.Pair.Sub)
		statuses, zones, newest = append(statuses, int16(e.Pair.Status)), append(zones, e.At.Offset), append(newest, e.At.Instant())
	}
	_, err := p.pool.Exec(ctx, postgresKeep, numbers, carriers, at, ids, values, heads, headCarriers, statuses, subs, newest, zones)
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}

func (p *postgres) read(ctx context.Context, number string) (*found, error) {
	rows, err := p.pool.Query(ctx, postgresRead, number)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer rows.Close()
	f := &found{Waybill: trace.Waybill{Number: number}, events: make([]trace.Event, 0, 16)}
	for rows.Next() {
		var carrier, sub string
		var status, zone int16
		var since, at, id int64
		var value []byte
		if err := rows.Scan(&carrier, &status, &sub, &since, &zone, &at, &id, &value); err != nil {
			return nil, err
		}
		if len(f.events) == 0 {
			f.Carrier, f.pair, f.since, f.zone = carrier, trace.Pair{Status: trace.Status(status), Sub: sub}, since, zone
		} else if carrier != f.Carrier {
			continue
		}
		f.events = append(f.events, trace.Event{})
		if err := trace.DecodeEvent(&f.events[len(f.events)-1], f.Waybill, at, trace.ID(id), value); err != nil {
			return nil, err
		}
	}
	switch err := rows.Err(); {
	case err != nil:
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	case len(f.events) == 0:
		return nil, trace.ErrNotFound
	}
	return f, nil
}

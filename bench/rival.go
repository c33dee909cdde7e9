package bench

import (
	"context"
	"fmt"
	"time"
)

// A rival is another database behind the daemon's kind of server.
type rival struct {
	name        string // as rows say it
	read, write string // names of its rows
	kit         *kit
}

// rivals holds the daemon against other databases with the same parcels.
func (b *big) rivals(ctx context.Context) error {
	middle, err := b.newSite(ctx, "middle", b.sizes.Middle)
	if err != nil {
		return err
	}
	var all []rival
	for _, c := range []struct{ kind, at, name, read, write string }{
		{"postgres", b.sizes.Postgres, "PostgreSQL", rowReadPostgres, rowWritePostgres},
		{"redis", b.sizes.Redis, "Redis", rowReadRedis, rowWriteRedis},
	} {
		if c.at == "" {
			continue
		}
		k, err := b.startRival(ctx, c.kind, c.name, c.at, middle.kit.parcels)
		if err != nil {
			return err
		}
		all = append(all, rival{c.name, c.read, c.write, k})
	}
	if err := b.fill(ctx, "fill the caches", middle, b.sizes.Fill); err != nil {
		return err
	}
	about := fmt.Sprintf("closed loop, %s; the same %s events in each", plural(b.Connections, "connection"), thousands(int64(b.sizes.Middle)*eventsLoaded))
	hot, read, write := b.side(middle, rowHotMiddle, "get-hot"), b.side(middle, rowReadOurs, "get-uniform"), b.side(middle, rowWriteOurs, "push-10-json")
	reads, writes := []*side{hot, read}, []*side{write}
	for _, other := range all {
		// The database's own processes are elsewhere: what the server before it uses says little.
		side := func(name, scenario string, ours *side) *side {
			s := b.sideOf(nil, other.kit, name, must(scenario), b.Connections)
			ours.limit = s
			return s
		}
		reads = append(reads, side(other.read, "get-uniform", read))
		writes = append(writes, side(other.write, "push-10-json", write))
	}
	if err := b.compare(ctx, Group{Name: "Reads beside rivals", About: about}, reads, b.Pairs, b.ReadSlice, b.ReadSlice/2); err != nil {
		return err
	}
	err = b.compare(ctx, Group{Name: "Writes beside rivals", About: about + "; each push answered after the sync", Writes: true}, writes, b.Pairs, b.WriteSlice, b.WriteSlice/3)
	if err != nil {
		return err
	}
	b.sized("get-hot", middle, &hot.row)
	b.sized("get-uniform", middle, &read.row)
	b.sized("push-10-json", middle, &write.row)
	b.rememberOf(middle.daemon, "beside rivals")
	kits := []*kit{middle.kit}
	for _, other := range all {
		kits = append(kits, other.kit)
	}
	for _, k := range kits {
		if err := b.checkKit(k); err != nil {
			return err
		}
	}
	return b.leave(middle)
}

// startRival starts the server before another database, and loads it.
func (b *big) startRival(ctx context.Context, kind, name, address string, p *parcels) (*kit, error) {
	c, err := start(ctx, name, b.Command("bench", "rival", kind, "--at", address))
	if err != nil {
		return nil, err
	}
	b.bares = append(b.bares, c)
	to := at(c.addr)
	settings, err := ask(to, to.get("/settings"))
	if err == nil && settings.Status != 200 {
		err = fmt.Errorf("%s does not tell its settings: %s", name, settings.Body)
	}
	if err != nil {
		return nil, err
	}
	b.results.Settings.Sides = append(b.results.Settings.Sides, SideSettings{Name: name, Text: string(settings.Body)})
	k := newKit(to, p, newStock(p), b.Seed)
	workers, err := crew(b.Connections, func() (worker, error) {
		w, err := newClient(to, k.pusher(&dialects.sfJSON, func(dst []pick) []pick { return k.stock.loadNext(dst, eventsOfRivalLoad) }))
		return &stubborn{w}, err
	})
	if err != nil {
		return nil, err
	}
	shown := newStage(b.Words, "load "+name, "events", int64(p.set)*eventsLoaded)
	t, _, err := drive(ctx, workers, 0, shown.watch)
	shown.end()
	if err == nil && t.errors > 0 {
		err = fmt.Errorf("load %s: %d of %d pushes failed, the first with: %w", name, t.errors, t.errors+t.requests, t.firstError)
	}
	return k, err
}

// eventsOfRivalLoad is how many events a push has that loads a rival: what costs it
// most is a commit.
const eventsOfRivalLoad = 100

// A stubborn worker asks again where it is refused: a rival that is being loaded as fast
// as it can be may take longer than it gives itself.
type stubborn struct{ *client }

const stubbornFor = 20

func (s *stubborn) do(now time.Time) (units, size int, err error) {
	for range stubbornFor {
		if units, size, err = s.client.do(now); err == nil {
			return units, size, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return units, size, err
}

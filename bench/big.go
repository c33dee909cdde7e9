package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// BigOptions say how large a big run is. Zero values have the defaults named.
type BigOptions struct {
	// Waybills are those of the large directory; 0 is 12,500,000. ReadSlice is 10 s.
	Options
	Small  int           // waybills of the small directory; 0 is 125,000
	Middle int           // waybills of the one that is held beside the rivals, and theirs; 0 is 1,000,000
	Ingest time.Duration // how long pushes go on without a break; 0 is 30 min
	Fill   time.Duration // how long the large directory's cache of answers may take to fill; 0 is 5 min

	// Addresses of the rivals, as their drivers take them; "" leaves them out.
	Postgres, Redis string
}

// The names of a big run's rows by which targets find them. None is a row of the suite.
const (
	rowHotSmall      = "hot traces, small directory"
	rowHotLarge      = "hot traces, large directory"
	rowHotBare       = "bare handler, hot traces of the large directory"
	rowUniformSmall  = "uniform traces, small directory"
	rowUniformLarge  = "uniform traces, large directory"
	rowUniformBare   = "bare handler, uniform traces of the large directory"
	rowIngestSmall   = "pushes of four parcels, small directory"
	rowIngestLarge   = "pushes of four parcels, large directory"
	rowHotMiddle     = "hot traces, waytrace"
	rowReadOurs      = "uniform traces, waytrace"
	rowReadPostgres  = "uniform traces, PostgreSQL"
	rowReadRedis     = "uniform traces, Redis"
	rowWriteOurs     = "pushes of four parcels, waytrace"
	rowWritePostgres = "pushes of four parcels, PostgreSQL"
	rowWriteRedis    = "pushes of four parcels, Redis"
)

// methodOfBig says what the figures of a big run are.
var methodOfBig = []string{
	"Directories are built of sorted tables by waytrace import --bulk, so they are compacted. A daemon is measured after it has read its heads, which it does behind its back when it was started. The sides of a comparison take turns; a ratio is taken pair by pair, and is the median, with the least and the most.",
	"Small and large directory: both daemons run, each with its own caches at the sizes that the settings give, and one is asked at a time. Before its rows the cache of answers is filled by asking for the traces in order, the hottest first: all of the small directory, of the large one until it is full or the time for that is over. Each side then has an unmeasured turn of the same load. Hot reads and uniform ones are groups of their own, so that neither empties the other's caches.",
	"The bare handler is fasthttp in a process of its own, set as the daemon's server is, giving answers recorded from the large directory in turn without reading the question.",
	"Turns that write leave compactions behind. The time until they have caught up (debt) is charged: it counts as time of the turn.",
	"Opening: pushes fill the log; when it holds as much as it ever held within a turn, they stop, the process is killed (SIGKILL) and started again. The time is from the start of the process until /ready is 200. What the system has in its page cache stays there. Afterwards parcels are asked for: what was acknowledged has to be there.",
	"Sustained ingest is a closed loop without a break. The first two minutes of thirty are compared with the last five; where it lasts shorter or longer, the same shares of it. What is left to compact at the end is stated in bytes, and in seconds until it is below 256 MB, and not charged.",
	"Rivals answer the same pushes and questions over HTTP out of a server that is set as the daemon's, and acknowledge after a sync as it does; see bench/rivals. They are loaded over HTTP by pushes of 100 events, the daemon's directory is built. What a database puts off beyond a turn (checkpoints, vacuum) is not charged to it, and its processor time is not seen.",
}

// RunBig measures what only much data, much time, or other databases show. See Run for
// what it returns and leaves.
func RunBig(ctx context.Context, o BigOptions) (*Results, error) {
	set := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	last := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Waybills, 12_500_000)
	set(&o.Small, 125_000)
	set(&o.Middle, 1_000_000)
	last(&o.ReadSlice, 10*time.Second)
	last(&o.Ingest, 30*time.Minute)
	last(&o.Fill, 5*time.Minute)
	switch {
	case o.Small < 100 || o.Middle < 100:
		return nil, fmt.Errorf("%d and %d waybills are too few to be asked for at random: take 100 or more", o.Small, o.Middle)
	case o.Small >= o.Waybills:
		return nil, fmt.Errorf("the small directory has %d waybills and the large one %d: take more for the large one", o.Small, o.Waybills)
	case o.Ingest < 0 || o.Fill < 0:
		return nil, fmt.Errorf("to ingest for %s and to fill for %s: take more than 0", o.Ingest, o.Fill)
	}
	return carryOut(ctx, o.Options, ModeBig, methodOfBig, func(r *run) []step {
		b := &big{run: r, sizes: o}
		s := &r.results.Settings
		s.SmallWaybills, s.MiddleWaybills, s.IngestSeconds = o.Small, o.Middle, o.Ingest.Seconds()
		return []step{
			b.room, b.build, b.hot, b.uniform, b.ingest, b.leaveSmall,
			b.tolerated("opening", b.openings), b.tolerated("sustained ingest", b.sustained),
			b.leaveLarge, b.tolerated("beside rivals", b.rivals),
		}
	})
}

// A big is a big run at work.
type big struct {
	*run
	sizes        BigOptions // for what is in it alone
	small, large *site
}

// tolerated makes a part one that may fail: what was measured before it took an hour.
func (b *big) tolerated(name string, part step) step {
	return func(ctx context.Context) error {
		err := part(ctx)
		if err != nil && ctx.Err() == nil {
			b.problem("%s: %v", name, err)
			return nil
		}
		return err
	}
}

// What is taken of the disk, about.
const (
	roomOfEvent  = 100     // bytes, in a directory that was built
	roomOfSecond = 5 << 20 // bytes, of pushes
	roomOfRivals = 1500    // bytes an event: PostgreSQL's rows and log, Redis's log twice
	roomBesides  = 1 << 30 // bytes
)

// room looks whether the disk has enough.
func (b *big) room(context.Context) error {
	const turns = 12 // that write to the large directory before the long one
	pushed := int64((b.sizes.Ingest + turns*b.WriteSlice).Seconds()) * roomOfSecond
	sizes := (int64(b.Waybills)+int64(b.sizes.Small))*eventsLoaded*roomOfEvent + pushed
	rivals := int64(b.sizes.Middle) * eventsLoaded * (roomOfEvent + roomOfRivals)
	need := max(sizes, rivals) + roomBesides // the large directory is gone when the rivals are loaded
	left, err := free(b.scratch)
	if err != nil {
		return err
	}
	if left < need {
		return fmt.Errorf("the disk of %s has %s left and about %s are needed: free %s, name another disk with --dir, or take fewer waybills",
			b.scratch, megabytes(left), megabytes(need), megabytes(need-left))
	}
	return nil
}

// build builds both directories and starts their daemons.
func (b *big) build(ctx context.Context) (err error) {
	if b.large, err = b.newSite(ctx, "large", b.Waybills); err != nil {
		return err
	}
	if b.small, err = b.newSite(ctx, "small", b.sizes.Small); err != nil {
		return err
	}
	b.daemon, b.kit = b.large.daemon, b.large.kit
	settings, err := b.daemon.settings(ctx)
	if err != nil {
		return err
	}
	b.results.Settings.Sides = append(b.results.Settings.Sides, settings)
	if b.results.Settings.PebbleOptions, err = storeOptions(b.daemon.data); err != nil {
		return err
	}
	b.noteMemory("after opening")
	return ctx.Err()
}

// noteMemory notes what both daemons take.
func (b *big) noteMemory(when string) {
	b.rememberOf(b.large.daemon, when+", large directory")
	b.rememberOf(b.small.daemon, when+", small directory")
}

// side is a daemon's side of a scenario.
func (b *big) side(st *site, name, scenario string) *side {
	return b.sideOf(st.daemon, st.kit, name, must(scenario), b.Connections)
}

// read compares both daemons and the bare handler.
func (b *big) read(ctx context.Context, g Group, small, large, bare, scenario string) error {
	limit, _, err := b.limitOf(ctx, bare, must(scenario), b.Connections)
	if err != nil {
		return err
	}
	s, l := b.side(b.small, small, scenario), b.side(b.large, large, scenario)
	s.limit, l.limit = limit, limit
	if err := b.compare(ctx, g, []*side{s, limit, l}, b.Pairs, b.ReadSlice, b.WriteSlice); err != nil {
		return err
	}
	b.sized(scenario, b.small, &s.row)
	b.sized(scenario, b.large, &l.row)
	return nil
}

// sized notes what a row costs at the size of its directory.
func (b *big) sized(scenario string, st *site, row *Row) {
	waybills := int64(st.kit.parcels.set)
	b.results.Sizes = append(b.results.Sizes, SizePoint{
		What: scenario, Unit: row.Unit, Waybills: waybills, Events: waybills * eventsLoaded, PerSecond: row.PerSecond.Median, CPU: row.CPU,
	})
	// The middle one is measured last.
	slices.SortStableFunc(b.results.Sizes, func(x, y SizePoint) int {
		return cmp.Or(cmp.Compare(x.What, y.What), cmp.Compare(x.Events, y.Events))
	})
}

// about says how large the directories of a group are.
func (b *big) about() string {
	return fmt.Sprintf("closed loop, %s; %s events and %s", plural(b.Connections, "connection"),
		thousands(int64(b.sizes.Small)*eventsLoaded), thousands(int64(b.Waybills)*eventsLoaded))
}

func (b *big) hot(ctx context.Context) error {
	if err := b.fill(ctx, "fill the small directory's caches", b.small, b.sizes.Fill); err != nil {
		return err
	}
	if err := b.fill(ctx, "fill the large directory's caches", b.large, b.sizes.Fill); err != nil {
		return err
	}
	err := b.read(ctx, Group{Name: "Hot reads by size", About: b.about()}, rowHotSmall, rowHotLarge, rowHotBare, "get-hot")
	b.noteMemory("after hot reads")
	return err
}

func (b *big) uniform(ctx context.Context) error {
	err := b.read(ctx, Group{Name: "Uniform reads by size", About: b.about()}, rowUniformSmall, rowUniformLarge, rowUniformBare, "get-uniform")
	b.noteMemory("after uniform reads")
	return err
}

func (b *big) ingest(ctx context.Context) error {
	const scenario = "push-10-json"
	s, l := b.side(b.small, rowIngestSmall, scenario), b.side(b.large, rowIngestLarge, scenario)
	l.limit = s
	err := b.compare(ctx, Group{Name: "Ingest by size", About: b.about() + "; each push answered after the sync", Writes: true},
		[]*side{s, l}, b.Pairs, b.WriteSlice, b.WriteSlice/3)
	if err != nil {
		return err
	}
	b.sized(scenario, b.small, &s.row)
	b.sized(scenario, b.large, &l.row)
	b.noteMemory("after ingest")
	return nil
}

func (b *big) leaveSmall(context.Context) error {
	if err := b.checkKit(b.small.kit); err != nil {
		return err
	}
	return b.leave(b.small)
}

// leaveLarge ends what the large directory is for, and says how large it is.
func (b *big) leaveLarge(ctx context.Context) error {
	if err := b.finish(ctx); err != nil {
		return err
	}
	for _, c := range b.bares {
		if err := c.stop(); err != nil {
			return err
		}
	}
	return b.leave(b.large)
}

package ingest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/carriers"
	"waytrace/trace"
)

// mostFaults is how many faults are kept with a request: its body has them all.
const mostFaults = 20

// quarantine keeps a request as it came, for the sake of the items in it that
// were not understood, and returns when it is synced. Only what was authenticated
// may come here. carrier is "" for /v1/events. After an error faults is the store's.
func (in *Ingest) quarantine(ctx context.Context, r *carriers.Request, carrier string, who trace.Asker, heard trace.HLC, faults []trace.Fault) error {
	call := r.Call
	if carrier == "" {
		call = callOf(who.Carriers)
	}
	// Copies: the store may read them after we gave up waiting.
	err := in.store.Quarantine(ctx, &trace.Quarantined{
		Heard: heard, Carrier: carrier, Account: who.Account,
		ContentType: strings.Clone(r.ContentType), Query: strings.Clone(r.Query), Path: strings.Clone(r.Path), Call: call,
		Faults: firstOf(faults), Raw: bytes.Clone(r.Body),
	})
	if err != nil {
		return unavailable(err)
	}
	countFaults(carrier, faults)
	return nil
}

// withoutCredentials is a request as quarantine keeps it: without the parameters of
// its query, and of its body where that is a form, that are credentials. A replay
// does not ask for them.
func withoutCredentials(r *carriers.Request, names []string) *carriers.Request {
	if len(names) == 0 {
		return r
	}
	kept := *r
	kept.Query = withoutPairs(r.Query, names)
	if r.Shape() == carriers.Form {
		kept.Body = []byte(withoutPairs(string(r.Body), names))
	}
	return &kept
}

func withoutPairs(query string, names []string) string {
	pairs := strings.Split(query, "&")
	return strings.Join(slices.DeleteFunc(pairs, func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		return err == nil && slices.Contains(names, strings.TrimSpace(name))
	}), "&")
}

// callOf is what is kept as the call of /v1/events: the carriers that the key is
// for, so that a replay allows no more than it does.
func callOf(carriers []string) string { return strings.Join(carriers, ",") }

// carriersOf gives the carriers back; none is all.
func carriersOf(call string) []string {
	if call == "" {
		return nil
	}
	return strings.Split(call, ",")
}

// firstOf are the faults that are kept, with a last one for those that are not.
func firstOf(faults []trace.Fault) []trace.Fault {
	more := len(faults) - mostFaults
	if more <= 0 {
		return faults
	}
	return append(slices.Clip(faults[:mostFaults]), trace.Fault{Index: -1, Code: "more", Detail: fmt.Sprintf("and %d faults more", more)})
}

// countFaults counts by carrier and code, both of them words of ours.
func countFaults(carrier string, faults []trace.Fault) {
	if carrier == "" {
		carrier = apiLabel
	}
	for i := range faults {
		metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_quarantine_faults_total{carrier=%q,code=%q}`, carrier, faults[i].Code)).Inc()
	}
}

// Tended is a quarantine as Tend sees it.
type Tended struct {
	Expire  func(before time.Time) (n int, err error)
	Filling func() (why string, is bool) // so much of its room is taken that a person should look
}

// Tend removes what lies in quarantine for longer than it may, every hour, and
// tells the log every minute while it is filling. It returns when ctx ends.
func Tend(ctx context.Context, q Tended, longest time.Duration, log *slog.Logger) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	expired := time.Time{}
	for {
		if now := time.Now(); now.Sub(expired) >= time.Hour {
			expired = now
			switch n, err := q.Expire(now.Add(-longest)); {
			case err != nil:
				log.Error("the quarantine cannot be swept, it is tried again in an hour", "err", err)
			case n > 0:
				log.Warn("requests left the quarantine unread: their days were over", "requests", n, "help", "waytrace quarantine replay, or raise quarantine.days")
			}
		}
		if why, is := q.Filling(); is {
			log.Warn("the quarantine is filling", "state", why, "help", "waytrace quarantine replay or drop, or raise quarantine.max_size; when it is full, pushes that are not understood are refused")
		}
		select {
		case <-minute.C:
		case <-ctx.Done():
			return
		}
	}
}

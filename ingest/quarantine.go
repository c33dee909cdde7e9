package ingest

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"waytrace/carriers"
	"waytrace/trace"
)

// mostFaults is how many faults are kept with a request: its body has them all.
const mostFaults = 20

// quarantine keeps a request as it came, for the sake of the items in it that
// were not understood, and returns when it is synced. Without faults it does
// nothing. Only what was authenticated may come here. carrier is "" for
// /v1/events. After an error faults is the store's.
func (in *Ingest) quarantine(ctx context.Context, r *carriers.Request, carrier string, who trace.Asker, heard trace.HLC, faults []trace.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	if more := len(faults) - mostFaults; more > 0 {
		faults = append(slices.Clip(faults[:mostFaults]), trace.Fault{Index: -1, Code: "more", Detail: fmt.Sprintf("and %d faults more", more)})
	}
	return unavailable(in.store.Quarantine(ctx, &trace.Quarantined{
		Heard: heard, Carrier: carrier, Account: who.Account,
		ContentType: r.ContentType, Query: r.Query, Faults: faults,
		Raw: bytes.Clone(r.Body), // the store may read it after we gave up waiting
	}))
}

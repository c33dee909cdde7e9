package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"waytrace/trace"
)

// A Report is what a node says of itself to its sisters, and the JSON of GET /cluster.
// Who hands reports to New fills what has no "set by" behind it.
type Report struct {
	Node    string   `json:"node"` // its id, 16 hexadecimal digits
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"` // why it is not
	Version string   `json:"version"`
	Form    int      `json:"form"` // of its directory
	// Settings and Tables are what must be the same on all nodes, or they would judge
	// the same facts differently: settings by their names, versions of code tables by
	// carrier.
	Settings map[string]string `json:"settings"`
	Tables   map[string]uint32 `json:"tables"`

	Name  string `json:"name"`     // set by Cluster, as are all below
	Start string `json:"start"`    // a random word of this start
	Clock int64  `json:"clock_ms"` // milliseconds since 1970, when it was asked
	Nodes string `json:"nodes"`    // digest of cluster.nodes
}

// maxReport is how long a report may be, in bytes: ours have about 1 KiB.
const maxReport = 64 << 10

// latestClock is beyond what any clock shows, in the year 2223, and near enough for
// differences to be counted in nanoseconds.
const latestClock = 8_000_000_000_000

// parse reads a report from its JSON. What cannot be one is ErrInvalid.
func (r *Report) parse(b []byte) error {
	if err := json.Unmarshal(b, r); err != nil {
		return fmt.Errorf("report of a node: %w", trace.ErrInvalid)
	}
	for i := range len(r.Node) {
		if c := r.Node[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return fmt.Errorf("report of a node: id %q: %w", shorten(r.Node), trace.ErrInvalid)
		}
	}
	if len(r.Node) != 16 || !validName.MatchString(r.Name) || r.Clock <= 0 || r.Clock > latestClock {
		return fmt.Errorf("report of a node: id, name or clock is missing: %w", trace.ErrInvalid)
	}
	return nil
}

// differences lists what two nodes should have in common and have not, in words for
// people, in the same order each time.
func differences(here, there *Report) (list []string) {
	if here.Nodes != there.Nodes {
		list = append(list, "cluster.nodes is another list there")
	}
	for _, name := range union(here.Settings, there.Settings) {
		if a, b := here.Settings[name], there.Settings[name]; a != b {
			list = append(list, fmt.Sprintf("%s is %s here and %s there", shorten(name), said(a), said(b)))
		}
	}
	for _, carrier := range union(here.Tables, there.Tables) {
		a, inHere := here.Tables[carrier]
		b, inThere := there.Tables[carrier]
		switch {
		case !inThere:
			list = append(list, fmt.Sprintf("there is no code table of %s there", carrier))
		case !inHere:
			list = append(list, fmt.Sprintf("there is no code table of %s here", shorten(carrier)))
		case a != b:
			list = append(list, fmt.Sprintf("the code table of %s has version %d here and %d there", carrier, a, b))
		}
	}
	return list
}

func said(value string) string {
	if value == "" {
		return "not said"
	}
	return shorten(value)
}

// union lists the keys of both maps, sorted.
func union[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

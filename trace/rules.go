package trace

// A rule is one thing that the fold knows about parcels. The bit turns it off:
// only the proof that each rule is needed does that.
type rule uint64

// The rules, in the order in which a fact meets them.
const (
	ruleWindow rule = 1 << iota
	ruleIdentity
	ruleRevision
	ruleOrder
	rulePrecision
	ruleRank
	ruleLate
	ruleRetracted
	ruleDoubt
	ruleSources
	ruleEpoch
	ruleLegs
	ruleInfo
	ruleText
	ruleLabel
	rulePapers
	ruleUpload
	ruleAttempt
	ruleScans
	ruleFinal
	ruleReturn
	ruleFound
	ruleAnomaly
	ruleOverride
	rulesEnd
)

// off are the rules that do not count. Only a proof sets it.
var off rule

// on reports whether a rule counts.
func (r rule) on() bool { return off&r == 0 }

// ruleTable names the rules: the case in testdata/fold that shows each, and why it
// is there. Their order is the order of the constants.
var ruleTable = [...]struct {
	rule rule
	name string
	show string // the case that fails without it
	why  string
}{
	{ruleWindow, "window", "time-suspect", "a clock that is years off would put a scan before all others or behind them for ever: it is kept aside"},
	{ruleIdentity, "identity", "pushed-again", "carriers send again until they hear success: the same scan again is no news"},
	{ruleRevision, "revision", "text-edited", "a corrected text is the same scan, told better"},
	{ruleOrder, "order", "arrived-backwards", "what happened later counts, not what arrived later"},
	{rulePrecision, "precision", "date-only-delivery", "a day without a clock time has room for a beginning and an end: it is pinned by what it says"},
	{ruleRank, "rank", "same-second", "two scans of one second: the one that is further on came later"},
	{ruleLate, "late", "late-upload-of-pickup", "a scan that arrives late takes its place among the others, and everything is judged anew"},
	{ruleRetracted, "retracted", "false-delivery-withdrawn", "what a source takes back out of its full list did not happen"},
	{ruleDoubt, "doubt", "list-without-delivery", "one list that drops an end, or half of what was known, may be a glitch or a replay: the second one is believed"},
	{ruleSources, "sources", "pushed-and-reported", "two sources tell of one scan: it is shown once"},
	{ruleEpoch, "epoch", "number-used-again", "numbers are used again after months: the new parcel does not inherit the old one's end"},
	{ruleLegs, "legs", "new-number", "a parcel goes on under another number: the old one still tells how it ends"},
	{ruleInfo, "info", "unmapped-code", "a code that says nothing of the status changes none"},
	{ruleText, "text", "text-says-delivered", "words are not believed to end a journey"},
	{ruleLabel, "label", "label-after-pickup", "papers are often printed, or reported, behind the parcel's back"},
	{rulePapers, "papers", "customs-after-out-for-delivery", "customs papers follow the parcel and say nothing of where it is"},
	{ruleUpload, "upload", "transit-after-delivery", "an ordinary scan behind the delivery is a late upload"},
	{ruleAttempt, "attempt", "second-attempt", "who tries again hours after a delivery did not deliver"},
	{ruleScans, "scans", "moving-again", "two scans, more than a day behind the delivery, are a parcel that moves"},
	{ruleFinal, "final", "returned-after-delivery", "a way back and a loss take a delivery back at once"},
	{ruleReturn, "return", "delivered-to-sender", "delivered on the way back is delivered to the sender"},
	{ruleFound, "found", "lost-and-found", "a parcel that is scanned is not lost, and a label that is used not void"},
	{ruleAnomaly, "anomaly", "back-from-the-door", "a status that falls without a reason is counted: it tells of a carrier's bad data, or of our table"},
	{ruleOverride, "override", "operator-knows-better", "an operator's word outranks all scans until it is withdrawn"},
}

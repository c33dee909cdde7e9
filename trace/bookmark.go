package trace

// A Bookmark is how far a follower has got in one partition of the feed. The zero value
// is the beginning.
type Bookmark struct {
	Seq   uint64 // of the last change that it was told
	Own   uint64 // of the last group of this node's own that it was told
	Bytes uint64 // of feed entries up to there, counted from the directory's birth
}

// A Load is a run of a partition's news, ready to be shipped.
type Load struct {
	Items []LoadItem
	// Upto is the bookmark once all items are told. It may be beyond them, for what came
	// from other nodes is not told to them again.
	Upto Bookmark
}

// A LoadItem is one record on its way to the topic.
type LoadItem struct {
	Seq   uint64 // of its first change: its place in the feed
	Own   uint64
	Key   string // the waybill's number
	Value []byte // see News
	Void  bool   // it holds its number's place and says nothing
	At    int64  // when this node numbered it, milliseconds since 1970 UTC
}

// A ParkedItem is a record that could not be shipped, or not all of it: other nodes lack
// what it should have said.
type ParkedItem struct {
	Partition uint16
	Seq       uint64
	Own       uint64
	Waybill
	Partly bool   // the rest of it was shipped; else a void was, in its place
	Bytes  int    // of the record's value
	Reason string // for people
	At     int64  // when it was parked, milliseconds since 1970 UTC
}

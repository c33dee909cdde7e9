//go:build amd64 || arm64

package query

// prefetch asks the processor for one line of its cache in each stepSize bytes from p on,
// and does not wait: it goes on with the lines between by itself. Asked for all of them, it
// has no room left for others. prefetch neither reads nor writes, so that anybody may, at
// any time.
//
//go:noescape
func prefetch(p *byte, steps int)

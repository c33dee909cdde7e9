//go:build amd64 || arm64

package query

// prefetch asks the processor for lines of 64 bytes from p on, and does not wait. It
// neither reads nor writes, so that anybody may, at any time.
//
//go:noescape
func prefetch(p *byte, lines int)

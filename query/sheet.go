package query

import (
	"io"
	"sync"

	"github.com/valyala/fasthttp"
)

// A sheet is memory for the long answer of a batch. The connections share sheets instead of
// each keeping one: so the one that is written on next is still in the processor's cache,
// and what many connections have is bounded by how many are being answered.
type sheet struct {
	body []byte
	read int
}

var sheets = sync.Pool{New: func() any { return new(sheet) }}

// give answers with what is on the sheet, which goes back when it has been sent.
func (s *sheet) give(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("application/json")
	ctx.Response.SetBodyStream(s, len(s.body))
}

// WriteTo is how the server sends it.
func (s *sheet) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(s.body)
	return int64(n), err
}

// Read is for a server that would copy it.
func (s *sheet) Read(p []byte) (int, error) {
	if s.read == len(s.body) {
		return 0, io.EOF
	}
	n := copy(p, s.body[s.read:])
	s.read += n
	return n, nil
}

// Close is called once it was sent, or cannot be.
func (s *sheet) Close() error {
	if cap(s.body) <= largePage {
		s.body, s.read = s.body[:0], 0
		sheets.Put(s)
	}
	return nil
}

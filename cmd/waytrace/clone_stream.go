package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"sync"
	"time"
)

// A copy of a directory travels as a line that names the form, and frames: a letter,
// the length of what it holds (4 bytes, big-endian), that, and the CRC-32C of all that
// came before it in the stream, other sums left out (4 bytes). So what is cut off, left
// out or sent twice is noticed at once.
//
//	b  begins: form of the directory, number of files, bytes of them all (uvarints)
//	f  a file: its size (uvarint), its name
//	d  a piece of it
//	.  nothing: the other side still lives
//	!  it has failed: a failure, in JSON
//	e  the end: number of files, bytes of them all (uvarints)
const copyMagic = "waytrace copy 1\n"

const (
	frameBegin = 'b'
	frameFile  = 'f'
	frameData  = 'd'
	frameLife  = '.'
	frameError = '!'
	frameEnd   = 'e'

	frameMost = 256 << 10 // bytes that a frame holds at most
	framing1  = 1 + 4     // before that
	framing2  = 4         // and behind it
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A copySize is how much there is to copy.
type copySize struct {
	files, bytes int64
}

// maxFiles is far more than a directory has.
const maxFiles = 1 << 20

// copyName is what files of a directory are called that belong into a copy of it: the
// database's own, none of which is a lock.
var copyName = regexp.MustCompile(`^(?:[0-9]{6,19}\.(?:sst|blob)|[0-9]{6,19}(?:-[0-9]{3})?\.log|(?:MANIFEST|OPTIONS)-[0-9]{6,19}|marker\.(?:format-version\.[0-9]{6,19}\.[0-9]{3}|manifest\.[0-9]{6,19}\.MANIFEST-[0-9]{6,19}))$`)

// A copyWriter writes the stream. Its methods are safe for concurrent use; the first
// error stays.
type copyWriter struct {
	mu    sync.Mutex
	w     io.Writer
	crc   uint32
	buf   []byte
	wrote time.Time // when something was written last
	err   error
}

// begin names the form of the stream.
func (c *copyWriter) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf[:0], copyMagic...)
	c.crc = crc32.Update(c.crc, castagnoli, c.buf)
	return c.write()
}

// frame writes one.
func (c *copyWriter) frame(kind byte, holds ...byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.locked(kind, holds)
}

func (c *copyWriter) locked(kind byte, holds []byte) error {
	c.buf = append(c.buf[:0], kind)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(holds)))
	c.buf = append(c.buf, holds...)
	c.crc = crc32.Update(c.crc, castagnoli, c.buf)
	c.buf = binary.BigEndian.AppendUint32(c.buf, c.crc)
	return c.write()
}

func (c *copyWriter) write() error {
	if c.err != nil {
		return c.err
	}
	_, c.err = c.w.Write(c.buf)
	c.wrote = time.Now()
	return c.err
}

// live says that it lives, unless it has said something lately or is about to.
func (c *copyWriter) live(lately time.Duration) {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if time.Since(c.wrote) >= lately {
		c.locked(frameLife, nil)
	}
}

// A copyReader reads the stream, and trusts nothing in it.
type copyReader struct {
	r     *bufio.Reader
	crc   uint32
	holds [frameMost]byte

	size  copySize        // promised
	got   copySize        // of files that were begun
	names map[string]bool // of those
	left  int64           // bytes of the file that are still to come
	piece []byte          // of the file, not read yet
}

func newCopyReader(r io.Reader) *copyReader {
	return &copyReader{r: bufio.NewReaderSize(r, 64<<10), names: make(map[string]bool)}
}

// errCut is a stream that stops in the middle.
var errCut = errors.New("the copy was cut off before its end")

// noCopy is a stream that is something else.
func noCopy(format string, args ...any) error {
	return fmt.Errorf("what came is not a copy of a directory: "+format, args...)
}

// Begin reads how much there is to copy. It waits for the other side to begin.
func (c *copyReader) Begin() (copySize, error) {
	magic := c.holds[:len(copyMagic)]
	if err := c.full(magic); err != nil {
		return copySize{}, err
	}
	if string(magic) != copyMagic {
		return copySize{}, noCopy("it begins with %.20q: is this the admin listener, of this version of waytrace?", magic)
	}
	kind, holds, err := c.frame()
	if err != nil {
		return copySize{}, err
	}
	numbers, ok := uvarints(holds, 3)
	if kind != frameBegin || !ok || numbers[1] > maxFiles {
		return copySize{}, noCopy("it has no beginning")
	}
	if err := checkForm(numbers[0]); err != nil {
		return copySize{}, err
	}
	c.size = copySize{numbers[1], numbers[2]}
	return c.size, nil
}

// Next goes to the next file; io.EOF is the end of a copy that is whole.
func (c *copyReader) Next() (name string, size int64, err error) {
	if c.left > 0 || len(c.piece) > 0 {
		return "", 0, errors.New("BUG: the file before was not read to its end")
	}
	kind, holds, err := c.frame()
	if err != nil {
		return "", 0, err
	}
	switch kind {
	case frameFile:
		n, length := binary.Uvarint(holds)
		if length <= 0 {
			return "", 0, noCopy("a file has no size")
		}
		name = string(holds[length:])
		switch {
		case !copyName.MatchString(name):
			return "", 0, noCopy("it has a file %.40q", name)
		case c.names[name]:
			return "", 0, noCopy("it has %s twice", name)
		case c.got.files == c.size.files || n > uint64(c.size.bytes-c.got.bytes):
			return "", 0, noCopy("it is longer than was said")
		}
		c.names[name] = true
		c.got.files++
		c.got.bytes += int64(n)
		c.left = int64(n)
		return name, c.left, nil
	case frameEnd:
		numbers, ok := uvarints(holds, 2)
		if !ok || c.got != c.size || c.got != (copySize{numbers[0], numbers[1]}) {
			return "", 0, noCopy("it ends too early")
		}
		return "", 0, io.EOF
	}
	return "", 0, noCopy("there is a frame %q where none can be", kind)
}

// Read reads from the file that Next went to; io.EOF is its end.
func (c *copyReader) Read(p []byte) (int, error) {
	for len(c.piece) == 0 {
		if c.left == 0 {
			return 0, io.EOF
		}
		kind, holds, err := c.frame()
		switch {
		case err != nil:
			return 0, err
		case kind != frameData || len(holds) == 0 || int64(len(holds)) > c.left:
			return 0, noCopy("a file is not as long as was said")
		}
		c.piece = holds
		c.left -= int64(len(holds))
	}
	n := copy(p, c.piece)
	c.piece = c.piece[n:]
	return n, nil
}

// frame reads the next one that says something. What it holds is borrowed until the
// next call. A failure of the other side is an error.
func (c *copyReader) frame() (kind byte, holds []byte, err error) {
	for {
		var before [framing1]byte
		if err := c.full(before[:]); err != nil {
			return 0, nil, err
		}
		length := binary.BigEndian.Uint32(before[1:])
		if length > frameMost {
			return 0, nil, noCopy("a frame says that it is %d bytes long", length)
		}
		holds = c.holds[:length]
		if err := c.full(holds); err != nil {
			return 0, nil, err
		}
		want := c.crc
		var sum [framing2]byte
		if err := c.full(sum[:]); err != nil {
			return 0, nil, err
		}
		c.crc = want
		if binary.BigEndian.Uint32(sum[:]) != want {
			return 0, nil, errors.New("the copy was damaged on its way: its checksum is wrong")
		}
		switch kind = before[0]; kind {
		case frameLife:
			if length > 0 {
				return 0, nil, noCopy("a sign of life holds something")
			}
		case frameError:
			var f failure
			if err := json.Unmarshal(holds, &f); err != nil {
				return 0, nil, noCopy("it failed, and does not say why")
			}
			return 0, nil, fmt.Errorf("the daemon gave up: %s: %s", plain(f.Code), plain(f.Detail))
		default:
			return kind, holds, nil
		}
	}
}

// full reads as many bytes as b has.
func (c *copyReader) full(b []byte) error {
	_, err := io.ReadFull(c.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	c.crc = crc32.Update(c.crc, castagnoli, b)
	return err
}

// uvarints reads so many numbers that fill b.
func uvarints(b []byte, count int) (numbers []int64, ok bool) {
	for range count {
		n, length := binary.Uvarint(b)
		if length <= 0 || n > 1<<62 {
			return nil, false
		}
		numbers, b = append(numbers, int64(n)), b[length:]
	}
	return numbers, len(b) == 0
}

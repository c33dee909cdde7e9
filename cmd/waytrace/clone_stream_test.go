package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waytrace/store"
)

// A part is a frame to be written.
type part struct {
	kind  byte
	holds string
}

// streamOf writes a copy.
func streamOf(parts ...part) []byte {
	var b bytes.Buffer
	to := &copyWriter{w: &b}
	to.begin()
	for _, p := range parts {
		to.frame(p.kind, []byte(p.holds)...)
	}
	return b.Bytes()
}

func numbersOf(list ...uint64) string {
	var b []byte
	for _, n := range list {
		b = binary.AppendUvarint(b, n)
	}
	return string(b)
}

// begins promises so many files and bytes.
func begins(files, bytes uint64) part { return part{frameBegin, numbersOf(store.Form, files, bytes)} }

func ends(files, bytes uint64) part { return part{frameEnd, numbersOf(files, bytes)} }

func file(name string, size uint64) part { return part{frameFile, numbersOf(size) + name} }

// aCopy is a small one with all that may be in it.
var aCopy = []part{
	{frameLife, ""}, begins(4, 7),
	file("marker.manifest.000001.MANIFEST-000001", 0),
	file("MANIFEST-000001", 4), {frameData, "abc"}, {frameLife, ""}, {frameData, "d"},
	file("000004.sst", 3), {frameData, "xyz"},
	file("000002-001.log", 0), ends(4, 7),
}

// readAll reads a copy: what is in its files, behind their names.
func readAll(r io.Reader) (string, error) {
	c := newCopyReader(r)
	if _, err := c.Begin(); err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		name, size, err := c.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		got, err := io.ReadAll(c)
		if err != nil {
			return b.String(), err
		}
		if int64(len(got)) != size {
			return b.String(), errors.New("BUG: a file is not as long as it says")
		}
		b.WriteString(name + "=" + string(got) + ";")
	}
}

func TestCopyStream(t *testing.T) {
	whole := streamOf(aCopy...)
	const want = "marker.manifest.000001.MANIFEST-000001=;MANIFEST-000001=abcd;000004.sst=xyz;000002-001.log=;"
	if got, err := readAll(bytes.NewReader(whole)); got != want || err != nil {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	for n := range whole {
		if _, err := readAll(bytes.NewReader(whole[:n])); !errors.Is(err, errCut) {
			t.Errorf("cut off behind %d of %d bytes: %v", n, len(whole), err)
		}
		damaged := bytes.Clone(whole)
		damaged[n] ^= 0x10
		if _, err := readAll(bytes.NewReader(damaged)); err == nil {
			t.Errorf("byte %d of %d is another: nobody has noticed", n, len(whole))
		}
	}
}

// A frame that is left out, or comes twice, breaks the sum of the next one even where
// all that is left would make sense.
func TestCopyStreamIsAChain(t *testing.T) {
	whole := streamOf(aCopy...)
	at := len(copyMagic)
	for _, p := range aCopy[:len(aCopy)-1] {
		end := at + framing1 + len(p.holds) + framing2
		without := append(bytes.Clone(whole[:at]), whole[end:]...)
		twice := append(bytes.Clone(whole[:end]), whole[at:]...)
		for name, changed := range map[string][]byte{"left out": without, "twice": twice} {
			if _, err := readAll(bytes.NewReader(changed)); err == nil || !strings.Contains(err.Error(), "checksum") {
				t.Errorf("%c %s: %v", p.kind, name, err)
			}
		}
		at = end
	}
}

// A stranger's stream can be sound and evil.
func TestCopyStreamOfAStranger(t *testing.T) {
	const marker = "marker.manifest.000001.MANIFEST-000001"
	for _, c := range []struct {
		name  string
		parts []part
		want  string
	}{
		{"the name leads elsewhere", []part{begins(1, 1), file("../000001.sst", 1)}, `a file "../000001.sst"`},
		{"the name is a path", []part{begins(1, 1), file("/etc/000001.sst", 1)}, "a file"},
		{"a name below", []part{begins(1, 1), file("a/000001.sst", 1)}, "a file"},
		{"a lock", []part{begins(1, 0), file("LOCK", 0)}, "a file"},
		{"keys", []part{begins(1, 0), file("keys.yaml", 0)}, "a file"},
		{"no name", []part{begins(1, 0), file("", 0)}, "a file"},
		{"two lines", []part{begins(1, 0), file("000001.sst\n", 0)}, "a file"},
		{"a NUL", []part{begins(1, 0), file("000001.sst\x00", 0)}, "a file"},
		{"the same twice", []part{begins(2, 0), file(marker, 0), file(marker, 0)}, "twice"},
		{"more files than were said", []part{begins(0, 0), file(marker, 0)}, "longer than was said"},
		{"more bytes than were said", []part{begins(1, 9), file(marker, 10)}, "longer than was said"},
		{"a size beyond all numbers", []part{begins(1, 9), {frameFile, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + marker}}, "longer than was said"},
		{"a file without a size", []part{begins(1, 9), {frameFile, ""}}, "no size"},
		{"fewer files than were said", []part{begins(2, 0), file(marker, 0), ends(2, 0)}, "ends too early"},
		{"fewer bytes than were said", []part{begins(1, 3), file(marker, 0), ends(1, 3)}, "ends too early"},
		{"another end", []part{begins(1, 0), file(marker, 0), ends(2, 0)}, "ends too early"},
		{"a file that is too long", []part{begins(1, 1), file(marker, 1), {frameData, "ab"}}, "not as long as was said"},
		{"a file that is too short", []part{begins(1, 2), file(marker, 2), {frameData, "a"}, ends(1, 2)}, "not as long as was said"},
		{"pieces of nothing", []part{begins(1, 2), file(marker, 2), {frameData, ""}}, "not as long as was said"},
		{"a piece of no file", []part{begins(1, 2), {frameData, "a"}}, "where none can be"},
		{"no beginning", []part{file(marker, 0)}, "no beginning"},
		{"two beginnings", []part{begins(1, 0), begins(1, 0)}, "where none can be"},
		{"too many files", []part{begins(maxFiles+1, 0)}, "no beginning"},
		{"a newer form", []part{{frameBegin, numbersOf(store.Form+1, 1, 1)}}, "install the version that the other side has"},
		{"a long sign of life", []part{{frameLife, "x"}}, "a sign of life"},
		{"a failure", []part{{frameError, `{"code":"stopping","detail":"the\u001b[2J daemon"}`}}, "the daemon gave up: stopping: the[2J daemon"},
		{"a failure that is none", []part{{frameError, "x"}}, "does not say why"},
		{"an unknown frame", []part{begins(0, 0), {'x', ""}}, "where none can be"},
		{"a frame that is too long", []part{begins(1, frameMost+1), file(marker, frameMost+1), {frameData, strings.Repeat("x", frameMost+1)}}, "says that it is 262145 bytes long"},
	} {
		if _, err := readAll(bytes.NewReader(streamOf(c.parts...))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := readAll(strings.NewReader("<html><body>Welcome to nginx</body></html>")); err == nil || !strings.Contains(err.Error(), "is this the admin listener") {
		t.Errorf("another server: %v", err)
	}
}

// While there is nothing to send, there are signs of life; while there is, none.
func TestCopyStreamLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		to := &copyWriter{w: &b}
		to.begin()
		for range 6 {
			time.Sleep(5 * time.Second)
			to.live(10 * time.Second)
		}
		if n := (b.Len() - len(copyMagic)) / (framing1 + framing2); n != 3 {
			t.Errorf("half a minute has %d signs of life, want 3", n)
		}
	})
}

func FuzzCopyStream(f *testing.F) {
	f.Add(streamOf(aCopy...), false)
	f.Add([]byte("<html>"), false)
	var unsealed []byte
	for _, p := range aCopy {
		unsealed = append(append(unsealed, p.kind, byte(len(p.holds))), p.holds...)
	}
	f.Add(unsealed, true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal { // frames of a stranger who can count: a letter, a length, what it holds
			var parts []part
			for len(b) >= 2 {
				n := min(int(b[1]), len(b)-2)
				parts = append(parts, part{b[0], string(b[2 : 2+n])})
				b = b[2+n:]
			}
			b = streamOf(parts...)
		}
		c := newCopyReader(bytes.NewReader(b))
		size, err := c.Begin()
		if err != nil {
			return
		}
		var got copySize
		for {
			name, length, err := c.Next()
			if errors.Is(err, io.EOF) {
				if got != size {
					t.Fatalf("promised %+v, came %+v", size, got)
				}
				return
			}
			if err != nil {
				return
			}
			if strings.ContainsAny(name, "/\\\x00\n") || strings.Contains(name, "..") || name == "" || length < 0 {
				t.Fatalf("a file %q of %d bytes", name, length)
			}
			n, err := io.Copy(io.Discard, c)
			if err != nil {
				return
			}
			got.files++
			if got.bytes += n; n != length || got.bytes > size.bytes {
				t.Fatalf("%s has %d bytes, not %d; %d of %d in all", name, n, length, got.bytes, size.bytes)
			}
		}
	})
}

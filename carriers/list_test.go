package carriers

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"waytrace/trace"
)

// bothLibraries runs a test with each of the JSON libraries.
func bothLibraries(t *testing.T, test func(t *testing.T)) {
	defer func(was JSONLibrary) { JSONBy = was }(JSONBy)
	for _, JSONBy = range []JSONLibrary{Sonic, Std} {
		t.Run(JSONBy.String(), test)
	}
}

func TestReadList(t *testing.T) {
	bothLibraries(t, func(t *testing.T) {
		for _, c := range []struct {
			data  string
			items int
			want  error
		}{
			{`[]`, 0, nil},
			{`[{},"x",3]`, 3, nil},
			{` [ 1 , 2 , 3 ] `, 3, nil},
			{`null`, 0, nil},
			{`[1,2,3,4]`, 0, ErrTooMany},
			{`[null,null,null,null]`, 0, ErrTooMany},
			{"\n[1,2,3,4]", 0, ErrTooMany},
			{`[[1,2,3,4,5],{"a":1,"b":2,"c":3},"1,2,3,4"]`, 3, nil},
			{`["\",\",\",\",","\\",3]`, 3, nil},
			{`["\\",",",3,4]`, 0, ErrTooMany},
			{`{"a":1,"b":2,"c":3,"d":4,"e":5}`, 0, ErrMismatch},
			{`"1,2,3,4,5"`, 0, ErrMismatch},
			{`7`, 0, ErrMismatch},
			{`[1,2,3,4`, 0, trace.ErrInvalid},
			{`[1,2,3,,4]`, 0, trace.ErrInvalid},
			{`[1,2,3,4] 5`, 0, trace.ErrInvalid},
			{"[1,2,3,\"\xff\"]", 0, trace.ErrInvalid},
			{`[1,2`, 0, trace.ErrInvalid},
			{`,,,,`, 0, trace.ErrInvalid},
			{``, 0, trace.ErrInvalid},
		} {
			items, err := ReadList([]byte(c.data), 3)
			if len(items) != c.items || !errors.Is(err, c.want) {
				t.Errorf("%q: %d items, error %v; want %d, %v", c.data, len(items), err, c.items, c.want)
			}
		}
	})
}

// A list of far too many items takes no room for any.
func TestReadListTakesNoRoom(t *testing.T) {
	data := []byte("[" + strings.Repeat("1,", 1<<19) + "1]")
	bothLibraries(t, func(t *testing.T) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadList(data, 1000)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrTooMany) || got > uint64(3*len(data)) {
			t.Errorf("%d bytes allocated for a list of %d, error %v", got, len(data), err)
		}
	})
}

// What is counted is what is read.
func FuzzReadList(f *testing.F) {
	for _, data := range []string{`[1,2,3]`, `[[1,2],{"a":","},"\",",4]`, ` [1 ,2]`, `{"a":[1,2,3]}`, `[1,2,`, `"[1,2,3]"`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := ReadList(data, 1<<30)
		some, someErr := ReadList(data, 2)
		switch {
		case err == nil && len(all) > 2:
			if !errors.Is(someErr, ErrTooMany) || some != nil {
				t.Errorf("%q: of %d items %d, error %v", data, len(all), len(some), someErr)
			}
		case (err == nil) != (someErr == nil) || errors.Is(err, ErrMismatch) != errors.Is(someErr, ErrMismatch) || len(all) != len(some):
			t.Errorf("%q: %d items, error %v; with a limit %d, %v", data, len(all), err, len(some), someErr)
		}
	})
}

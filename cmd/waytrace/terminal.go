package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// isTerminal reports whether a person is looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// A look is how a terminal wants its text.
type look struct {
	width  int  // columns; 0 is as wide as need be
	colour bool // no-color.org has a say
}

// lookOf asks a terminal.
func lookOf(w io.Writer) (l look) {
	if !isTerminal(w) {
		return l
	}
	f := w.(*os.File)
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		l.width = width
	}
	l.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return l
}

// The colours, as a terminal takes them.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours a text where colours are wanted.
func (l look) paint(colour, text string) string {
	if !l.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// plain is a stranger's text on one line and without what a terminal would obey:
// control characters, and those that turn the direction of writing.
func plain(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, text)), " ")
}

// pad fills a text with blanks up to a width in columns; a Chinese character
// takes two.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-runewidth.StringWidth(text)))
}

// wrap breaks a text into lines of at most width columns: at blanks, or between
// any two characters where a word is longer than a line. 0 is one line.
func wrap(text string, width int) (lines []string) {
	for width > 1 && runewidth.StringWidth(text) > width {
		fits, columns := 0, 0
		for i, r := range text {
			if columns += runewidth.RuneWidth(r); columns > width {
				fits = i
				break
			}
		}
		if blank := strings.LastIndexByte(text[:fits+1], ' '); blank > 0 {
			fits = blank
		}
		lines = append(lines, strings.TrimRight(text[:fits], " "))
		text = strings.TrimLeft(text[fits:], " ")
	}
	return append(lines, text)
}

// appendTable appends rows in columns; the first row names them. Cells are made
// plain.
func appendTable(dst []byte, rows [][]string) []byte {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			row[i] = plain(cell)
			widths[i] = max(widths[i], runewidth.StringWidth(row[i]))
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			dst = append(dst, pad(cell, widths[i]+2)...)
		}
		dst = append(bytes.TrimRight(dst, " "), '\n')
	}
	return dst
}

package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// thousands writes a number with commas.
func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// rate writes so many a second, to whole ones.
func rate(v float64) string { return thousands(int64(math.Round(v))) }

// micros writes a time, given in microseconds, to three digits.
func micros(us float64) string {
	switch {
	case us < 999.5:
		return digits(us) + " us"
	case us < 999.5e3:
		return digits(us/1e3) + " ms"
	}
	return digits(us/1e6) + " s"
}

// digits writes a number from 0 on to three digits.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 999.5:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return rate(v)
}

// quantity writes a target's figure. A ratio's unit is x.
func quantity(v float64, unit string) string {
	switch unit {
	case "x", "":
		return digits(v)
	case "us":
		return micros(v)
	case "ms":
		return micros(v * 1e3)
	case "s":
		return micros(v * 1e6)
	}
	return digits(v) + " " + unit
}

// bound writes what a target allows, a round figure.
func bound(v float64, unit string) string {
	number, unit, _ := strings.Cut(quantity(v, unit), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return join(" ", number, unit)
}

// words writes what a figure's turns gave; "" where there was but one.
func (s Spread) words(write func(float64) string) string {
	if s.Least == s.Most {
		return ""
	}
	return write(s.Least) + " to " + write(s.Most)
}

// short writes a number without needless zeros.
func short(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// percent writes a part of one.
func percent(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e5)/1e3, 'f', -1, 64) + " %"
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func memory(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f GiB", float64(n)/(1<<30))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return thousands(int64(n)) + " " + word + "s"
}

// join leaves out what is empty.
func join(by string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, by)
}

// folded breaks a text into lines of at most width letters and marks the first.
func folded(text string, width int) string {
	return "- " + strings.Join(wrapped(text, width-2), "\n  ") + "\n"
}

// wrapped breaks a text into lines of at most so many letters, at spaces.
func wrapped(text string, letters int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		if last := len(lines) - 1; last >= 0 && len([]rune(lines[last]))+1+len([]rune(word)) <= letters {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

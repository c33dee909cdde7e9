package bench

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// A chart is lines over two axes, drawn as an SVG element for a page of HTML. The
// page's style sheet gives the colours; dashes and the glyphs of marks tell the
// lines apart without them.
type chart struct {
	id          string // prefix of the ids inside, another one for each chart of a page
	title, desc string // read out to those who do not see it
	x, y        axis
	lines       []line
}

// An axis is a scale with its words.
type axis struct {
	label string
	scale scale
	zero  bool                 // it begins at 0, of linear scales
	write func(float64) string // a tick's words
}

// A line is one series.
type line struct {
	name   string
	color  int // 0 to 5
	dashed bool
	marks  glyph // of each point
	bare   bool  // marks alone, not joined
	points []point
}

type point struct{ x, y float64 }

type scale byte

const (
	linear  scale = iota
	decades       // logarithmic
	nines         // percentiles: 90, 99, 99.9 are as far apart
)

// place is where a value stands on the scale, before it is stretched to the plot;
// not finite, and nowhere on it, for 0 of a logarithm.
func (s scale) place(v float64) float64 {
	switch s {
	case decades:
		return math.Log10(v)
	case nines:
		return -math.Log10(1 - v/100)
	}
	return v
}

// ticks are round values that cover from least to most, and the ends of the axis
// among them, some n for a linear scale.
func (s scale) ticks(least, most float64, n int) []float64 {
	switch s {
	case decades:
		return decadeTicks(least, most)
	case nines:
		return nineTicks(most)
	}
	return linearTicks(least, most, n)
}

// linearTicks steps by 1, 2 or 5 times a power of ten.
func linearTicks(least, most float64, n int) []float64 {
	if most <= least {
		most = least + max(1, math.Abs(least)/10)
	}
	power := math.Pow(10, math.Floor(math.Log10((most-least)/float64(n))))
	step := 10 * power
	for _, times := range []float64{1, 2, 5} {
		if times*power*float64(n) >= (most-least)*0.9999 {
			step = times * power
			break
		}
	}
	var ticks []float64
	for i := math.Floor(least/step + 1e-9); ; i++ {
		ticks = append(ticks, i*step)
		if i*step >= most-step*1e-9 {
			return ticks
		}
	}
}

// decadeTicks are powers of ten; within less than three decades 2 and 5 of each
// are named too, and the axis ends at one of them.
func decadeTicks(least, most float64) []float64 {
	low, high := math.Floor(math.Log10(least)+1e-9), math.Ceil(math.Log10(most)-1e-9)
	times := []float64{1}
	if high-low < 3 {
		times = []float64{1, 2, 5}
	}
	var ticks []float64
	for e := low; ; e++ {
		for _, t := range times {
			v := t * math.Pow(10, e)
			if len(ticks) > 0 && ticks[0] < v && v <= least*1.0001 {
				ticks = ticks[:0] // the axis can begin here
			}
			if ticks = append(ticks, v); v >= most*0.9999 && len(ticks) > 1 {
				return ticks
			}
		}
	}
}

// nineTicks are 0, 90, 99 and so on, up to the last that covers most.
func nineTicks(most float64) []float64 {
	ticks := []float64{0}
	for n := 1; n <= 6; n++ {
		// From its decimal form, so that 99.9 is the number that people write.
		v, _ := strconv.ParseFloat("99.999999"[:max(2, n+1)], 64)
		if n == 1 {
			v = 90
		}
		if ticks = append(ticks, v); v >= most-1e-12 {
			break
		}
	}
	return ticks
}

// Units of the picture: 1 is somewhat more than a pixel on a desk, and 0.8 of one
// on a telephone.
const (
	chartWidth  = 440.0
	plotHeight  = 190.0
	letterWidth = 6.4  // of an average letter of the style sheet's 12
	legendLine  = 18.0 // from a line of the legend to the next
)

type glyph byte

const (
	noMark glyph = iota
	disc
	square
	triangle
	diamond
	cross
)

// svg draws the chart. Points that the scales cannot show are left out; without
// any other it says that there is nothing to show.
func (c *chart) svg() template.HTML {
	var p picture
	least, most := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, l := range c.lines {
		for _, at := range l.points {
			if c.shows(at) {
				least.x, most.x = min(least.x, at.x), max(most.x, at.x)
				least.y, most.y = min(least.y, at.y), max(most.y, at.y)
			}
		}
	}
	if most.x < least.x {
		p.open(c.id, c.title, "Nothing to show.", chartWidth, 40)
		p.text(chartWidth/2, 24, "middle", "muted", "nothing to show")
		return p.close()
	}
	if c.x.zero {
		least.x = min(0, least.x)
	}
	if c.y.zero {
		least.y = min(0, least.y)
	}
	xs, ys := c.x.scale.ticks(least.x, most.x, 5), c.y.scale.ticks(least.y, most.y, 5)

	wide := 0
	for _, v := range ys {
		wide = max(wide, len([]rune(c.y.write(v))))
	}
	legend, lines := c.legend()
	left, right := float64(wide)*letterWidth+12, chartWidth-14
	top := 20 + float64(lines)*legendLine
	bottom := top + plotHeight
	across := func(v float64) float64 {
		a, b := c.x.scale.place(xs[0]), c.x.scale.place(xs[len(xs)-1])
		return left + (right-left)*(c.x.scale.place(v)-a)/(b-a)
	}
	up := func(v float64) float64 {
		a, b := c.y.scale.place(ys[0]), c.y.scale.place(ys[len(ys)-1])
		return bottom - (bottom-top)*(c.y.scale.place(v)-a)/(b-a)
	}

	p.open(c.id, c.title, c.desc, chartWidth, bottom+40)
	p.text(0, 12, "start", "muted", c.y.label)
	for _, e := range legend {
		y := 12 + float64(e.line+1)*legendLine
		p.path(e.of.class(), point{e.x, y - 4}, point{e.x + 22, y - 4}, !e.of.bare)
		p.mark(e.of.marks, e.of, e.x+11, y-4)
		p.text(e.x+28, y, "start", "", e.of.name)
	}
	for _, v := range ys {
		p.path("grid", point{left, up(v)}, point{right, up(v)}, true)
		p.text(left-6, up(v)+4, "end", "tick", c.y.write(v))
	}
	for i, v := range xs {
		p.path("grid", point{across(v), top}, point{across(v), bottom}, true)
		anchor, x := "middle", across(v)
		if half := float64(len([]rune(c.x.write(v)))) * letterWidth / 2; i == len(xs)-1 && x+half > chartWidth {
			anchor, x = "end", chartWidth
		}
		p.text(x, bottom+16, anchor, "tick", c.x.write(v))
	}
	p.text((left+right)/2, bottom+34, "middle", "muted", c.x.label)
	for _, l := range c.lines {
		var shown []point
		for _, at := range l.points {
			if c.shows(at) {
				shown = append(shown, point{across(at.x), up(at.y)})
			}
		}
		if !l.bare {
			p.polyline(l.class(), shown)
		}
		for _, at := range shown {
			p.mark(l.marks, &l, at.x, at.y)
		}
	}
	return p.close()
}

// shows reports whether a point has a place on both scales.
func (c *chart) shows(at point) bool {
	for _, v := range []float64{c.x.scale.place(at.x), c.y.scale.place(at.y)} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

func (l *line) class() string {
	class := "line c" + strconv.Itoa(l.color)
	if l.dashed {
		class += " dashed"
	}
	return class
}

// An entry is a line's place in the legend.
type entry struct {
	of   *line
	x    float64
	line int
}

// legend lays out the names of the lines side by side, and says how many lines
// of text that takes.
func (c *chart) legend() (entries []entry, lines int) {
	x := 0.0
	for i := range c.lines {
		l := &c.lines[i]
		width := 28 + float64(len([]rune(l.name)))*letterWidth + 16
		if x > 0 && x+width > chartWidth {
			x = 0
			lines++
		}
		entries = append(entries, entry{l, x, lines})
		x += width
	}
	return entries, lines + 1
}

// A bar is one measure beside what it should be, on a scale of its own from 0.
type bar struct {
	name, words string // words stand at the end of the name's line: the figure and the verdict
	class       string // of the bar itself
	value       float64
	least, most float64 // whiskers; none where they are the same
	must, aim   float64
}

// barsSVG draws bars below each other, each with its name above.
func barsSVG(id, title, desc string, bars []bar) template.HTML {
	const (
		letters   = 58 // of a name's line, which is bold
		lineStep  = 16.0
		thickness = 12.0
		gap       = 16.0
		clear     = 5.0 // for the heads of the strokes
	)
	names, words := make([][]string, len(bars)), make([][]string, len(bars))
	height := 30.0
	for i, b := range bars {
		names[i], words[i] = wrapped(b.name, letters), wrapped(b.words, letters+8)
		height += float64(len(names[i])+len(words[i]))*lineStep + clear + thickness + gap
	}
	var p picture
	p.open(id, title, desc, chartWidth, height)
	p.must(8, 4, 16)
	p.text(18, 15, "start", "", "must")
	p.aim(78, 4, 16)
	p.text(88, 15, "start", "", "aim")
	p.whisker(150, 180, 10)
	p.text(188, 15, "start", "", "least to most")
	y := 30.0
	for i, b := range bars {
		for _, line := range names[i] {
			y += lineStep
			p.text(0, y-4, "start", "name", line)
		}
		for _, line := range words[i] {
			y += lineStep
			p.text(0, y-4, "start", "muted", line)
		}
		y += clear
		most := max(b.value, b.most, b.must, b.aim)
		if most <= 0 {
			most = 1
		}
		across := func(v float64) float64 { return 2 + (chartWidth-8)*max(v, 0)/(most*1.04) }
		p.rect("track", 2, y, chartWidth-8, thickness)
		p.rect("bar "+b.class, 2, y, max(across(b.value)-2, 1), thickness)
		p.must(across(b.must), y-3, thickness+6)
		p.aim(across(b.aim), y-3, thickness+6)
		if b.most > b.least {
			p.whisker(across(b.least), across(b.most), y+thickness/2)
		}
		y += thickness + gap
	}
	return p.close()
}

// A picture is an SVG element being written.
type picture struct{ b strings.Builder }

func (p *picture) open(id, title, desc string, width, height float64) {
	fmt.Fprintf(&p.b, `<svg viewBox="0 0 %s %s" role="img" aria-labelledby="%s-title %s-desc">`, unit(width), unit(height), id, id)
	fmt.Fprintf(&p.b, `<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`, id, html.EscapeString(title), id, html.EscapeString(desc))
	p.b.WriteByte('\n')
}

func (p *picture) close() template.HTML {
	p.b.WriteString("</svg>")
	return template.HTML(p.b.String())
}

// text anchors words at start, middle or end.
func (p *picture) text(x, y float64, anchor, class, words string) {
	fmt.Fprintf(&p.b, `<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>`+"\n", unit(x), unit(y), anchor, class, html.EscapeString(words))
}

// path is a straight stroke, when it is wanted at all.
func (p *picture) path(class string, from, to point, wanted bool) {
	if wanted {
		fmt.Fprintf(&p.b, `<path class="%s" d="M%s %sL%s %s"/>`+"\n", class, unit(from.x), unit(from.y), unit(to.x), unit(to.y))
	}
}

func (p *picture) polyline(class string, through []point) {
	if len(through) == 0 {
		return
	}
	fmt.Fprintf(&p.b, `<polyline class="%s" points="`, class)
	for i, at := range through {
		if i > 0 {
			p.b.WriteByte(' ')
		}
		p.b.WriteString(unit(at.x) + "," + unit(at.y))
	}
	p.b.WriteString("\"/>\n")
}

func (p *picture) rect(class string, x, y, width, height float64) {
	fmt.Fprintf(&p.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="2"/>`+"\n", class, unit(x), unit(y), unit(width), unit(height))
}

// outlines of the marks around 0,0; the cross is strokes, the others are filled.
var outlines = [...]string{
	disc:     "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
	square:   "M-3 -3h6v6h-6z",
	triangle: "M0 -4L4 3H-4z",
	diamond:  "M0 -4L4 0L0 4L-4 0z",
	cross:    "M-3 -3L3 3M-3 3L3 -3",
}

// mark draws a glyph, hollow for a dashed line.
func (p *picture) mark(s glyph, l *line, x, y float64) {
	if s == noMark {
		return
	}
	kind := "mark"
	switch {
	case s == cross:
		kind = "line"
	case l.dashed:
		kind = "hollow"
	}
	fmt.Fprintf(&p.b, `<path class="%s c%d" transform="translate(%s %s)" d="%s"/>`+"\n", kind, l.color, unit(x), unit(y), outlines[s])
}

// must is a full stroke across a bar.
func (p *picture) must(x, y, height float64) {
	p.path("must", point{x, y}, point{x, y + height}, true)
}

// aim is a broken stroke across a bar, with a diamond at its head.
func (p *picture) aim(x, y, height float64) {
	p.path("aim", point{x, y}, point{x, y + height}, true)
	fmt.Fprintf(&p.b, `<path class="head" transform="translate(%s %s)" d="%s"/>`+"\n", unit(x), unit(y), outlines[diamond])
}

// whisker is a spread: a stroke with ends.
func (p *picture) whisker(from, to, y float64) {
	fmt.Fprintf(&p.b, `<path class="whisker" d="M%s %sv6M%s %sH%sM%s %sv6"/>`+"\n",
		unit(from), unit(y-3), unit(from), unit(y), unit(to), unit(to), unit(y-3))
}

// unit writes a coordinate to a tenth.
func unit(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10+0, 'f', -1, 64) // +0 makes -0 into 0
}

package bench

import (
	"fmt"
	"strings"
	"unicode"
)

// FileName is the name of the file that keeps a machine's results among those of
// others: its processor and cores, such as some-cpu-2-cores.json.
func (m Machine) FileName() string {
	model, _, _ := strings.Cut(m.CPU, "@") // the frequency is in the model's name already
	for _, noise := range []string{"(R)", "(r)", "(TM)", "(tm)", " CPU", " Processor"} {
		model = strings.ReplaceAll(model, noise, " ")
	}
	if strings.TrimSpace(model) == "" {
		model = m.System
	}
	words := strings.FieldsFunc(strings.ToLower(model+" "+plural(m.Cores, "core")), func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return strings.Join(words, "-") + ".json"
}

// Markdown is a table of the targets for a page of Markdown, and what they were
// measured on.
func (r *Results) Markdown() string {
	var b strings.Builder
	b.WriteString("| target | measured | must | aim | verdict |\n|---|---:|---:|---:|---|\n")
	cell := strings.NewReplacer("|", `\|`, "<= ", "≤ ", ">= ", "≥ ", "<", "&lt;", "\n", " ").Replace
	for i := range r.Targets {
		t := &r.Targets[i]
		figure := t.figure()
		if between := t.between(); between != "" {
			figure += " (" + between + ")"
		}
		sign, _ := t.Verdict.sign()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s %s |\n", cell(t.Name), cell(figure), cell(t.bound(t.Must)), cell(t.bound(t.Aim)), sign, t.Verdict.words())
	}
	fmt.Fprintf(&b, "\nwaytrace %s, %s run of %s: %s; %s waybills x %d events, %s.\n", cell(r.Version), r.Mode, r.Began.UTC().Format("2006-01-02"),
		cell(r.Machine.words()), thousands(int64(r.Settings.Waybills)), r.Settings.EventsEach, cell(r.Settings.words()))
	if r.Mode == ModeQuick {
		b.WriteString("\n**Quick: little data and short turns; a look, not a measurement.**\n")
	}
	if !r.Valid() {
		fmt.Fprintf(&b, "\n**Invalid: these figures are not what they say.** %s\n", cell(strings.Join(r.Problems, "; ")))
	}
	return b.String()
}

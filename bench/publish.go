package bench

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// FileNames are the names of the files that keep a machine's results among those of
// others, after its processor and cores: that of the suite, such as
// some-cpu-2-cores.json, and that of a big run, such as some-cpu-2-cores-big.json.
func (m Machine) FileNames() [2]string {
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
	name := strings.Join(words, "-")
	return [2]string{name + ".json", name + "-big.json"}
}

// FileName is the one of them that keeps these results.
func (r *Results) FileName() string {
	names := r.Machine.FileNames()
	if r.Mode == ModeBig {
		return names[1]
	}
	return names[0]
}

// together are the targets of several runs, each as it was measured in the first run
// that did.
func together(runs []*Results) (all []Target) {
	for _, r := range runs {
		for _, t := range r.Targets {
			at := slices.IndexFunc(all, func(have Target) bool { return have.Name == t.Name })
			switch {
			case at < 0:
				all = append(all, t)
			case all[at].Measured == nil:
				all[at] = t
			}
		}
	}
	return all
}

// Markdown is a table of the targets of runs on one machine for a page of Markdown, and
// what they were measured on.
func Markdown(runs ...*Results) string {
	var b strings.Builder
	b.WriteString("| target | measured | must | aim | verdict |\n|---|---:|---:|---:|---|\n")
	cell := strings.NewReplacer("|", `\|`, "<= ", "≤ ", ">= ", "≥ ", "<", "&lt;", "\n", " ").Replace
	targets := together(runs)
	for i := range targets {
		t := &targets[i]
		figure := t.figure()
		if between := t.between(); between != "" {
			figure += " (" + between + ")"
		}
		sign, _ := t.Verdict.sign()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s %s |\n", cell(t.Name), cell(figure), cell(t.bound(t.Must)), cell(t.bound(t.Aim)), sign, t.Verdict.words())
	}
	for _, r := range runs {
		r.appendOrigin(&b, cell)
	}
	return b.String()
}

// appendOrigin says where the figures of a run are from.
func (r *Results) appendOrigin(b *strings.Builder, cell func(string) string) {
	fmt.Fprintf(b, "\nwaytrace %s, %s run of %s: %s; %s waybills x %d events, %s.\n", cell(r.Version), r.Mode, r.Began.UTC().Format("2006-01-02"),
		cell(r.Machine.words()), thousands(int64(r.Settings.Waybills)), r.Settings.EventsEach, cell(r.Settings.words()))
	if r.Mode == ModeQuick {
		b.WriteString("\n**Quick: little data and short turns; a look, not a measurement.**\n")
	}
	if !r.Valid() {
		fmt.Fprintf(b, "\n**Invalid: these figures are not what they say.** %s\n", cell(strings.Join(r.Problems, "; ")))
	}
}

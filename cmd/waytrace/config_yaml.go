package main

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A fileError is a fault in a settings file, at a line; 0 is the file itself.
type fileError struct {
	file   string
	line   int
	detail string
}

func (e *fileError) Error() string {
	if e.line == 0 {
		return e.file + ": " + e.detail
	}
	return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.detail)
}

// nameFlags gives every flag its variable, WAYTRACE_ and its name, and lists a
// short word for their value in --help.
func nameFlags(k *kong.Kong) error {
	return kong.Visit(k.Model.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && flag.Name != "help" {
			path := fileKey(flag)
			flag.Envs = []string{"WAYTRACE_" + strings.ToUpper(strings.Join(path, "_"))}
			flag.Tag.Envs = flag.Envs
			if flag.PlaceHolder == "" && flag.IsSlice() {
				flag.PlaceHolder = strings.ToUpper(path[len(path)-1])
			}
		}
		return next(nil)
	})
}

// settingsFile tells kong what the file of --config says, for every command
// that has that flag. The whole file is judged before any of it counts.
type settingsFile struct {
	read   bool
	values map[string]any // by the flag's name: a string, or a list of them
}

// Validate is part of kong.Resolver; Resolve has judged the file.
func (f *settingsFile) Validate(*kong.Application) error { return nil }

// Resolve gives a flag its value from the file, unless the environment has one.
func (f *settingsFile) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !f.read {
		f.read = true
		if err := f.load(ctx); err != nil {
			return nil, err
		}
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return f.values[flag.Name], nil
}

func (f *settingsFile) load(ctx *kong.Context) error {
	path := ""
	for _, flag := range ctx.Flags() {
		if flag.Name == "config" {
			path, _ = ctx.FlagValue(flag).(string)
		}
	}
	if path == "" {
		return nil
	}
	source, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return &fileError{path, 0, "there is no such file (--config)"}
	}
	if err != nil {
		return &fileError{path, 0, err.Error()}
	}
	for _, command := range ctx.Model.Children {
		if command.Name != "serve" {
			continue
		}
		others := fileOnly(command.Target)
		if selected := ctx.Selected(); selected != nil {
			if own := fileOnly(selected.Target); len(own) > 0 { // a command that takes serve's settings
				others = own
			}
		}
		f.values, err = parseSettings(path, source, command.Flags, others)
	}
	return err
}

// A section is a level of the file: flags, further sections, and what has no flag
// (reflect.Value, see fileOnly), by name.
type section map[string]any

// sections orders the settings as the file has them.
func sections(flags []*kong.Flag, others map[string]reflect.Value) section {
	top := section{}
	for path, target := range others {
		names := strings.Split(path, ".")
		top.below(names[:len(names)-1])[names[len(names)-1]] = target
	}
	for _, flag := range flags {
		if !isSetting(flag) {
			continue
		}
		path := fileKey(flag)
		top.below(path[:len(path)-1])[path[len(path)-1]] = flag
	}
	return top
}

// below is the section to which names lead, made where there is none.
func (s section) below(names []string) section {
	for _, name := range names {
		next, ok := s[name].(section)
		if !ok {
			next = section{}
			s[name] = next
		}
		s = next
	}
	return s
}

// fileOnly finds the settings of a struct that the file alone can give: fields with
// kong:"-", which are sections by names that the operator chooses, such as the
// further accounts of a carrier. They are listed by their path in the file.
func fileOnly(v reflect.Value) map[string]reflect.Value {
	found := make(map[string]reflect.Value)
	var walk func(reflect.Value, string)
	walk = func(v reflect.Value, prefix string) {
		for field, value := range v.Fields() {
			switch _, embedded := field.Tag.Lookup("embed"); {
			case field.Tag.Get("kong") == "-" && yamlName(field) != "":
				found[prefix+yamlName(field)] = value
			case value.Kind() == reflect.Struct && (embedded || field.Anonymous):
				walk(value, prefix+strings.ReplaceAll(field.Tag.Get("prefix"), "-", "_"))
			}
		}
	}
	walk(v, "")
	return found
}

// yamlName is a field's name in the file; "" where it has none of its own.
func yamlName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	return name
}

// fieldsOf lists the settings of a struct in the order of its fields, those of
// inlined structs in their place.
func fieldsOf(v reflect.Value) (names []string, values []reflect.Value) {
	for field, value := range v.Fields() {
		if strings.Contains(field.Tag.Get("yaml"), ",inline") {
			n, inlined := fieldsOf(value)
			names, values = append(names, n...), append(values, inlined...)
		} else if name := yamlName(field); name != "" {
			names, values = append(names, name), append(values, value)
		}
	}
	return names, values
}

// isSetting: all flags of serve are, but for those that say what to do.
func isSetting(flag *kong.Flag) bool {
	return flag.Name != "help" && flag.Name != "config" && flag.Name != "check-config"
}

// fileKey is where the file has a flag: carriers.sf.at-once → carriers, sf,
// at_once.
func fileKey(flag *kong.Flag) []string {
	return strings.Split(strings.ReplaceAll(flag.Name, "-", "_"), ".")
}

// isSecret: never printed.
func isSecret(flag *kong.Flag) bool {
	path := fileKey(flag)
	return isSecretName(path[len(path)-1])
}

func isSecretName(name string) bool {
	return slices.Contains([]string{"tokens", "token", "secrets", "secret", "salts", "api_keys", "password", "key"}, name)
}

// parseSettings reads a file of settings into values by the flags' names. It is
// strict: an unknown key, a key given twice and a value of another type are
// errors (*fileError) that name the line.
//
// What the file alone can give is set where it belongs once all of it is good.
func parseSettings(path string, source []byte, flags []*kong.Flag, others map[string]reflect.Value) (map[string]any, error) {
	file, err := parser.ParseBytes(source, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlError(path, err)
	}
	r := settingsReader{path: path, values: make(map[string]any)}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			return nil, r.fault(doc.Body, "a second document: settings are one document")
		}
		if err := r.section(doc.Body, "the file", "", sections(flags, others)); err != nil {
			return nil, err
		}
	}
	for _, set := range r.sets {
		set()
	}
	return r.values, nil
}

// yamlError keeps message and line of what the YAML library says, and leaves
// out the source that it quotes: there may be a secret in it.
func yamlError(path string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) {
		return &fileError{path, 0, err.Error()}
	}
	line := 0
	if token := at.GetToken(); token != nil && token.Position != nil {
		line = token.Position.Line
	}
	return &fileError{path, line, at.GetMessage()}
}

type settingsReader struct {
	path   string
	values map[string]any
	sets   []func() // of what has no flag
}

func (r *settingsReader) fault(at ast.Node, format string, args ...any) error {
	return &fileError{r.path, at.GetToken().Position.Line, fmt.Sprintf(format, args...)}
}

func (r *settingsReader) section(node ast.Node, name, prefix string, known section) error {
	if node.Type() == ast.NullType {
		return nil // all of it is commented out
	}
	entries, ok := node.(ast.MapNode)
	if !ok {
		return r.fault(node, "%s wants settings, name: value, not %s", name, describe(node))
	}
	lines := make(map[string]int)
	for it := entries.MapRange(); it.Next(); {
		token := it.Key().GetToken()
		key, name := token.Value, prefix+token.Value
		if line, twice := lines[key]; twice {
			return r.fault(it.Key(), "%s is on line %d already", name, line)
		}
		lines[key] = token.Position.Line
		var err error
		switch at := known[key].(type) {
		case section:
			err = r.section(it.Value(), name, name+".", at)
		case *kong.Flag:
			err = r.value(it.Value(), name, at)
		case reflect.Value:
			err = r.named(it.Value(), name, at)
		default:
			err = r.fault(it.Key(), "unknown key %q; %s", name, suggest(key, prefix, known))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// named reads sections by names of the operator's into a map of structs.
func (r *settingsReader) named(node ast.Node, name string, target reflect.Value) error {
	if node.Type() == ast.NullType {
		return nil
	}
	entries, ok := node.(ast.MapNode)
	if !ok {
		return r.fault(node, "%s wants sections by name, not %s", name, describe(node))
	}
	known, _ := fieldsOf(reflect.New(target.Type().Elem()).Elem())
	result := reflect.MakeMap(target.Type())
	for it := entries.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value
		at := name + "." + key
		if result.MapIndex(reflect.ValueOf(key)).IsValid() {
			return r.fault(it.Key(), "%s is there twice", at)
		}
		if err := r.keys(it.Value(), at, known); err != nil {
			return err
		}
		one := reflect.New(target.Type().Elem())
		if it.Value().Type() != ast.NullType {
			if err := yaml.NodeToValue(it.Value(), one.Interface(), yaml.Strict()); err != nil {
				return r.fault(it.Value(), "%s: %s", at, yamlError("", err).(*fileError).detail)
			}
		}
		result.SetMapIndex(reflect.ValueOf(key), one.Elem())
	}
	r.sets = append(r.sets, func() { target.Set(result) })
	return nil
}

// keys judges the names of a section that is read as a whole.
func (r *settingsReader) keys(node ast.Node, name string, known []string) error {
	if node.Type() == ast.NullType {
		return nil
	}
	entries, ok := node.(ast.MapNode)
	if !ok {
		return r.fault(node, "%s wants settings, name: value, not %s", name, describe(node))
	}
	names, seen := section{}, make(map[string]bool)
	for _, k := range known {
		names[k] = nil
	}
	for it := entries.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value
		if !slices.Contains(known, key) {
			return r.fault(it.Key(), "unknown key %q; %s", name+"."+key, suggest(key, name+".", names))
		}
		if seen[key] {
			return r.fault(it.Key(), "%s is there twice", name+"."+key)
		}
		seen[key] = true
	}
	return nil
}

func (r *settingsReader) value(node ast.Node, name string, flag *kong.Flag) (err error) {
	wants := func(what string) error {
		if isSecret(flag) {
			return r.fault(node, "%s wants %s", name, what)
		}
		return r.fault(node, "%s wants %s, not %s", name, what, describe(node))
	}
	var value any
	if flag.Target.Kind() == reflect.Slice {
		list, ok := node.(*ast.SequenceNode)
		if !ok {
			return wants("a list")
		}
		texts := []any{}
		for _, node = range list.Values {
			text, ok := scalar(node)
			if !ok {
				return wants("a list of texts")
			}
			// Here, where the line is known; kong would judge them all at once.
			if item, ok := reflect.New(flag.Target.Type().Elem()).Interface().(encoding.TextUnmarshaler); ok {
				if err := item.UnmarshalText([]byte(text)); err != nil {
					return r.fault(node, "%s: %s", name, err)
				}
			}
			texts = append(texts, text)
		}
		value = texts
	} else {
		text, ok := scalar(node)
		switch kind := flag.Target.Kind(); {
		case kind == reflect.Bool && node.Type() != ast.BoolType:
			return wants("true or false")
		case flag.Enum != "" && (!ok || !slices.Contains(flag.EnumSlice(), text)):
			return wants("one of " + strings.Join(flag.EnumSlice(), ", "))
		case kind == reflect.Int && node.Type() != ast.IntegerType:
			return wants("a whole number")
		case !ok:
			return wants("one value")
		}
		value = text
	}
	// The rest is judged as a flag's value is.
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	if err := flag.Parse(scan, reflect.New(flag.Target.Type()).Elem()); err != nil {
		for errors.Unwrap(err) != nil {
			err = errors.Unwrap(err)
		}
		return r.fault(node, "%s: %s", name, err)
	}
	r.values[flag.Name] = value
	return nil
}

// scalar is the text of a single value as it was written.
func scalar(node ast.Node) (text string, ok bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// describe says what somebody wrote.
func describe(node ast.Node) string {
	if text, ok := scalar(node); ok {
		return fmt.Sprintf("%q", text)
	}
	switch node.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a section"
	}
	return "YAML's " + strings.ToLower(node.Type().String())
}

// suggest names the known key that is nearest to a wrong one.
func suggest(key, prefix string, known section) string {
	names := slices.Sorted(maps.Keys(known))
	if len(names) == 0 {
		return "there is none here"
	}
	key = strings.ToLower(strings.ReplaceAll(key, "-", "_"))
	nearest := slices.MinFunc(names, func(a, b string) int { return distance(key, a) - distance(key, b) })
	if distance(key, nearest) <= max(2, len(key)/3) {
		return fmt.Sprintf("did you mean %q?", prefix+nearest)
	}
	return "there are " + strings.Join(names, ", ")
}

// distance counts the letters to insert, leave out or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// String is the settings as a file would have them, with secrets masked: safe
// to print and to log.
func (c Config) String() string {
	parser := kong.Must(&c, kong.Name("waytrace")) // for the list of flags with their values
	top := yaml.MapSlice{}
	for _, flag := range parser.Model.Flags {
		if isSetting(flag) {
			put(&top, fileKey(flag), shown(flag))
		}
	}
	others := fileOnly(reflect.ValueOf(&c).Elem())
	for _, path := range slices.Sorted(maps.Keys(others)) {
		if named := others[path]; named.Len() > 0 {
			put(&top, strings.Split(path, "."), masked(named))
		}
	}
	text, err := yaml.MarshalWithOptions(top, yaml.Flow(false), yaml.IndentSequence(true))
	if err != nil {
		panic("BUG: settings that are no YAML: " + err.Error())
	}
	return strings.TrimRight(string(text), "\n") + "\n"
}

// GoString keeps %#v from printing secrets.
func (c Config) GoString() string { return c.String() }

// put sets a key below the sections that lead to it.
func put(at *yaml.MapSlice, path []string, value any) {
	if len(path) == 1 {
		*at = append(*at, yaml.MapItem{Key: path[0], Value: value})
		return
	}
	for i := range *at {
		if (*at)[i].Key == path[0] {
			below := (*at)[i].Value.(yaml.MapSlice)
			put(&below, path[1:], value)
			(*at)[i].Value = below
			return
		}
	}
	below := yaml.MapSlice{}
	put(&below, path[1:], value)
	*at = append(*at, yaml.MapItem{Key: path[0], Value: below})
}

// masked is a setting without a flag for people: what was given, but for secrets.
func masked(v reflect.Value) any {
	all := yaml.MapSlice{}
	switch v.Kind() {
	case reflect.Map:
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			all = append(all, yaml.MapItem{Key: name.String(), Value: masked(v.MapIndex(name))})
		}
	case reflect.Struct:
		names, values := fieldsOf(v)
		for i, name := range names {
			switch value := values[i]; {
			case value.IsZero():
			case !isSecretName(name):
				all = append(all, yaml.MapItem{Key: name, Value: value.Interface()})
			case value.Kind() == reflect.Slice:
				all = append(all, yaml.MapItem{Key: name, Value: slices.Repeat([]string{"********"}, value.Len())})
			default:
				all = append(all, yaml.MapItem{Key: name, Value: "********"})
			}
		}
	}
	return all
}

// shown is a flag's value for people.
func shown(flag *kong.Flag) any {
	show := func(v reflect.Value) any {
		if isSecret(flag) && !v.IsZero() {
			return "********"
		}
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return s.String()
		}
		return v.Interface()
	}
	if flag.Target.Kind() != reflect.Slice {
		return show(flag.Target)
	}
	list := []any{}
	for i := range flag.Target.Len() {
		list = append(list, show(flag.Target.Index(i)))
	}
	return list
}

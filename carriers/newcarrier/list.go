package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"

	"waytrace/trace"
)

// addToList adds a carrier to the source of carriers/all: its import, and its field
// at the end of Settings. ErrInvalid where it cannot stand there, or where the
// source is not as expected.
func addToList(source []byte, module, name string) ([]byte, error) {
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, trace.ErrInvalid)
	}
	contract, err := contractOf(parsed, name)
	if err != nil {
		return nil, err
	}
	fields, err := settingsOf(parsed, name)
	if err != nil {
		return nil, err
	}
	offset := func(p token.Pos) int { return positions.Position(p).Offset }
	// From behind, so that the first place is still where it was.
	line := fmt.Sprintf("\t%s %s.Settings `embed:\"\" prefix:\"%s.\" yaml:\"%s\"`\n", title(name), name, name, name)
	source = slices.Insert(slices.Clone(source), offset(fields.Closing), []byte(line)...)
	source = slices.Insert(source, offset(contract.End()), []byte("\n\t"+strconv.Quote(module+"/carriers/"+name))...)
	return format.Source(source)
}

// contractOf is the import of the carriers' contract. The carrier's stands in one
// block with it, sorted by gofmt. No import may have the carrier's name.
func contractOf(parsed *ast.File, name string) (contract *ast.ImportSpec, err error) {
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		switch path.Base(imported) {
		case name:
			return nil, taken("the import of " + imported)
		case "carriers":
			contract = spec
		}
	}
	if contract == nil {
		return nil, fmt.Errorf("it does not import the carriers' contract: %w", trace.ErrInvalid)
	}
	return contract, nil
}

// settingsOf finds the fields of the type Settings. None of them, and no type, may
// have the carrier's name.
func settingsOf(parsed *ast.File, name string) (fields *ast.FieldList, err error) {
	for _, d := range parsed.Decls {
		declared, ok := d.(*ast.GenDecl)
		if !ok || declared.Tok != token.TYPE {
			continue
		}
		for _, spec := range declared.Specs {
			t := spec.(*ast.TypeSpec)
			if t.Name.Name == name {
				return nil, taken("the type " + name)
			}
			if s, ok := t.Type.(*ast.StructType); ok && t.Name.Name == "Settings" {
				fields = s.Fields
			}
		}
	}
	if fields == nil {
		return nil, fmt.Errorf("it has no struct Settings: %w", trace.ErrInvalid)
	}
	for _, f := range fields.List {
		for _, n := range f.Names {
			if strings.EqualFold(n.Name, name) {
				return nil, taken("the field " + n.Name)
			}
		}
	}
	return fields, nil
}

// taken says what has the carrier's name.
func taken(by string) error {
	return fmt.Errorf("%s stands there already: take another name: %w", by, trace.ErrInvalid)
}

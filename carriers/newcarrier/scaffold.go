package main

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"waytrace/carriers"
	"waytrace/trace"
)

// Each file of the new folder has a template of its own; carrier.go and
// carrier_test.go are named after the carrier.
//
//go:embed templates
var templates embed.FS

// A carrier is what the templates are filled in with.
type carrier struct {
	Code  string // folder, package and code
	Brand string
}

// ID is the identity of an event of the carrier without a reason code, for what a
// case file expects: by the rules, not by what the new folder makes of them.
func (c carrier) ID(number, code, at, address, text string) trace.ID {
	var facts trace.Facts
	e := facts.Event()
	e.Number, e.Carrier, e.Source = number, c.Code, c.Code
	e.Code, e.At.Raw = code, at
	e.Place.Address, e.Text.Text = address, text
	facts.Seal(e, 1)
	return e.ID
}

// scaffold makes the folder of a new carrier in the module at root, adds the carrier
// to the list, and names what it wrote. known are the carriers that there are. When
// it fails nothing is left behind.
func scaffold(root, name string, known []carriers.Carrier) (wrote []string, err error) {
	if err := checkName(name, known); err != nil {
		return nil, err
	}
	module, err := moduleOf(root)
	if err != nil {
		return nil, err
	}
	folder := path.Join("carriers", name)
	files, err := render(carrier{Code: name, Brand: cmp.Or(carriers.BrandOf(name), title(name))})
	if err != nil {
		return nil, err
	}
	const list = "carriers/all/all.go"
	old, err := os.ReadFile(filepath.Join(root, list))
	if err != nil {
		return nil, err
	}
	listed, err := addToList(old, module, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	switch err := os.Mkdir(filepath.Join(root, folder), 0o777); {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("%s is there already: take another name, or remove it and its two lines in %s: %w", folder, list, trace.ErrInvalid)
	case err != nil:
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(filepath.Join(root, folder)))
		}
	}()
	for _, f := range files {
		at := filepath.Join(root, folder, f.name)
		if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
			return nil, err
		}
		if err := os.WriteFile(at, f.content, 0o666); err != nil {
			return nil, err
		}
		wrote = append(wrote, path.Join(folder, f.name))
	}
	if err := os.WriteFile(filepath.Join(root, list), listed, 0o666); err != nil {
		return nil, err
	}
	return append(wrote, list), nil
}

// A file of the new folder; its name is the path from there.
type file struct {
	name    string
	content []byte
}

// render fills in the templates.
func render(c carrier) (files []file, err error) {
	err = fs.WalkDir(templates, "templates", func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(templates, at)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(at, "templates/"), ".tmpl")
		if rest, named := strings.CutPrefix(name, "carrier"); named {
			name = c.Code + rest
		}
		if slices.ContainsFunc(files, func(f file) bool { return f.name == name }) {
			return fmt.Errorf("%q: the folder has another file %s: take another name: %w", c.Code, name, trace.ErrInvalid)
		}
		t, err := template.New(name).Parse(string(text))
		if err != nil {
			return err
		}
		var filled bytes.Buffer
		if err := t.Execute(&filled, c); err != nil {
			return err
		}
		content := filled.Bytes()
		if strings.HasSuffix(name, ".go") {
			if content, err = format.Source(content); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		files = append(files, file{name, content})
		return nil
	})
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, err
}

// moduleOf is the name of the module at root.
func moduleOf(root string) (string, error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("run it where go.mod lies: %w", err)
	}
	for line := range strings.Lines(string(mod)) {
		if name, found := strings.CutPrefix(line, "module "); found {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("go.mod names no module: %w", trace.ErrInvalid)
}

// title is a name with a great first letter.
func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

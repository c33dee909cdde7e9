package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"

	"waytrace/trace"
)

// A key reads "wt_", its id, "_" and 43 characters of URL base64, which are 256
// random bits. The file holds its SHA-256 only.
const (
	keyPrefix    = "wt_"
	secretLength = 43
)

// keyScopes are what a key may be for.
var keyScopes = []string{"read", "push", "book", "changes", "admin"}

// A Key is what the holder of a key may do.
type Key struct {
	ID       string
	Account  string
	Scopes   []string // out of read, push, book, changes, admin
	Carriers []string // whose events it may push; empty is all
}

// Has reports whether the key has a scope.
func (k Key) Has(scope string) bool { return slices.Contains(k.Scopes, scope) }

// A keyEntry is a key as the file has it.
type keyEntry struct {
	ID       string   `yaml:"id"`
	Account  string   `yaml:"account"`
	Scopes   []string `yaml:"scopes,flow"`
	Carriers []string `yaml:"carriers,flow,omitempty"`
	SHA256   string   `yaml:"sha256"`  // of the whole key, in hex
	Created  string   `yaml:"created"` // RFC 3339
	Note     string   `yaml:"note,omitempty"`
}

type keyFile struct {
	Keys []keyEntry `yaml:"keys"`
}

// A Keyring is the keys of a file, read again when it changes. It is safe for
// concurrent use.
type Keyring struct {
	ring *watched[keys]
}

// keys are a file's keys by id.
type keys map[string]ringKey

type ringKey struct {
	Key
	hash [sha256.Size]byte
}

// openKeyring reads the keys of a file; no file is no keys. When a changed file
// cannot be read, or has gone, the keys before it stay, and that is logged once.
func openKeyring(path string, log *slog.Logger) (*Keyring, error) {
	k := &Keyring{}
	read := func() (keys, error) {
		entries, err := readKeys(path)
		if errors.Is(err, os.ErrNotExist) {
			if k.ring != nil && len(*k.ring.current.Load()) > 0 {
				return nil, fmt.Errorf("%s has gone: write `keys: []` into it to take all keys away", path)
			}
			return keys{}, nil
		}
		if err != nil {
			return nil, err
		}
		ring := make(keys, len(entries))
		for _, e := range entries {
			key := ringKey{Key: Key{e.ID, e.Account, e.Scopes, e.Carriers}}
			hex.Decode(key.hash[:], []byte(e.SHA256)) // readKeys has checked it
			ring[e.ID] = key
		}
		return ring, nil
	}
	ring, err := watch([]string{path}, read, func(err error) {
		log.Error("the new keys cannot be read, the old ones stay", "err", err)
	})
	if err != nil {
		return nil, err
	}
	k.ring = ring
	return k, nil
}

// Empty reports whether there is no key at all. Then /v1 is open on loopback,
// and nowhere else.
func (k *Keyring) Empty() bool { return len(k.ring.get()) == 0 }

// Find gives the key that a bearer shows; ok is false for anything else. The
// key's slices are shared and never changed.
func (k *Keyring) Find(bearer string) (key Key, ok bool) {
	id, ok := keyID(bearer)
	if !ok {
		return Key{}, false
	}
	var text [128]byte // holds any key of ours without the heap
	hash := sha256.Sum256(append(text[:0], bearer...))
	known, ok := k.ring.get()[id]
	if !ok || subtle.ConstantTimeCompare(hash[:], known.hash[:]) != 1 {
		return Key{}, false
	}
	return known.Key, true
}

// keyID is the id within a key's text.
func keyID(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return "", false
	}
	id, secret, ok := strings.Cut(rest, "_")
	return id, ok && id != "" && len(secret) == secretLength
}

// newKey makes a key: its text, to be shown once, and what is kept of it.
func newKey() (text string, entry keyEntry) {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails: crypto/rand ends the process instead
	id := strings.ToLower(rand.Text()[:8])
	text = keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(secret)
	hash := sha256.Sum256([]byte(text))
	return text, keyEntry{ID: id, SHA256: hex.EncodeToString(hash[:]), Created: time.Now().UTC().Format(time.RFC3339)}
}

var (
	validID      = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	validAccount = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

// check judges an entry.
func (e *keyEntry) check() error {
	switch hash, err := hex.DecodeString(e.SHA256); {
	case !validID.MatchString(e.ID):
		return fmt.Errorf("id %q: letters a-z, digits and - only", e.ID)
	case !validAccount.MatchString(e.Account):
		return fmt.Errorf("key %s: account %q: 1 to 64 letters, digits, dots, - and _", e.ID, e.Account)
	case err != nil || len(hash) != sha256.Size:
		return fmt.Errorf("key %s: sha256 is not 64 hex digits", e.ID)
	case len(e.Scopes) == 0:
		return fmt.Errorf("key %s: no scopes: give one of %s", e.ID, strings.Join(keyScopes, ", "))
	}
	for _, scope := range e.Scopes {
		if !slices.Contains(keyScopes, scope) {
			return fmt.Errorf("key %s: there is no scope %q: there are %s", e.ID, scope, strings.Join(keyScopes, ", "))
		}
	}
	for _, carrier := range e.Carriers {
		if !trace.ValidCarrier(carrier) {
			return fmt.Errorf("key %s: %q is no carrier's code", e.ID, carrier)
		}
	}
	if _, err := time.Parse(time.RFC3339, e.Created); err != nil {
		return fmt.Errorf("key %s: created %q is not RFC 3339", e.ID, e.Created)
	}
	return nil
}

// readKeys reads and judges a keys file.
func readKeys(path string) ([]keyEntry, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file keyFile
	if err := yaml.UnmarshalWithOptions(source, &file, yaml.Strict()); err != nil {
		return nil, yamlError(path, err)
	}
	ids := make(map[string]bool)
	for i := range file.Keys {
		e := &file.Keys[i]
		if err := e.check(); err != nil {
			return nil, &fileError{path, 0, err.Error()}
		}
		if ids[e.ID] {
			return nil, &fileError{path, 0, fmt.Sprintf("key %s is there twice", e.ID)}
		}
		ids[e.ID] = true
	}
	return file.Keys, nil
}

// editKeys changes a keys file: edit gets the entries and gives the new ones.
// It takes turns with others that edit, and readers see the old file or the new
// one, never half. The file is on disk when it returns.
func editKeys(path string, edit func([]keyEntry) ([]keyEntry, error)) error {
	dir := filepath.Dir(path)
	// The directory is the lock: it is there already, and is not replaced.
	lock, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	entries, err := readKeys(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if entries, err = edit(entries); err != nil {
		return err
	}
	var text bytes.Buffer
	text.WriteString("# API keys, as SHA-256. `waytrace keys` makes, lists and revokes them.\n")
	if err := yaml.NewEncoder(&text, yaml.IndentSequence(true)).Encode(keyFile{append([]keyEntry{}, entries...)}); err != nil {
		return err
	}
	return replaceFile(path, text.Bytes(), lock)
}

// replaceFile writes a file that only its owner reads, all of it or nothing.
// dir is its directory.
func replaceFile(path string, content []byte, dir *os.File) (err error) {
	temp, err := os.CreateTemp(dir.Name(), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			temp.Close()
			os.Remove(temp.Name())
		}
	}()
	if _, err = temp.Write(content); err != nil {
		return err
	}
	if err = temp.Sync(); err != nil {
		return err
	}
	if err = temp.Close(); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return dir.Sync()
}

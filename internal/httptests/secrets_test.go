package httptests

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// searchSecrets fails the test if a name that an owner signed in with, a token or a pairing code stands in clear in
// what an installation that was closed leaves behind: its files, what they hold once uncompressed, and its log output.
func (w *world) searchSecrets(t *testing.T) {
	t.Helper()
	places := map[string][]byte{"log output": []byte(w.output.String())}
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(w.dir, path)
		places[name] = content
		if strings.HasPrefix(entry.Name(), "MANIFEST-") {
			places[filepath.Dir(name)+" uncompressed"] = uncompressed(t, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for place, content := range places {
		for _, secret := range w.secrets {
			if place != "owners.json" && contains(content, secret) {
				t.Errorf("%q stands in clear in %s", secret, place)
			}
		}
	}
	for _, place := range []string{"log/pebble", "read/pebble"} {
		for _, text := range w.public {
			if !contains(places[place+" uncompressed"], text) {
				t.Errorf("%q, which is no secret, is not found in %s: nor would a secret be", text, place)
			}
		}
	}
}

// contains finds a text as it is and as JSON writes it.
func contains(content []byte, text string) bool {
	quoted, err := json.Marshal(text)
	return err != nil || bytes.Contains(content, []byte(text)) || bytes.Contains(content, quoted[1:len(quoted)-1])
}

// uncompressed is all that a Pebble directory holds.
func uncompressed(t *testing.T, dir string) []byte {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{ReadOnly: true, LoggerAndTracer: quiet{}})
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	defer db.Close()
	rows, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []byte
	for ok := rows.First(); ok; ok = rows.Next() {
		all = append(append(append(append(all, rows.Key()...), '\n'), rows.Value()...), '\n')
	}
	if err := rows.Error(); err != nil {
		t.Fatal(err)
	}
	return all
}

// quiet keeps Pebble's housekeeping out of the tests' output.
type quiet struct{}

func (quiet) Infof(string, ...any)                   {}
func (quiet) Errorf(string, ...any)                  {}
func (quiet) Fatalf(format string, args ...any)      { panic(format) }
func (quiet) Eventf(context.Context, string, ...any) {}
func (quiet) IsTracingEnabled(context.Context) bool  { return false }

// A restaurant's day leaves no secret behind, and the search would have found one.
func TestNoSecretIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.restaurant(t, "Canary Owner 파란문")
	for i := range 20 {
		name := "Canary table " + string(rune('a'+i))
		p := r.pair(t, r.addTable(t, name))
		w.public = append(w.public, name)
		w.do(t, call{op: "getMenu", token: p.DeviceToken})
	}
	r.pay(t, r.order(t, 1, r.coffee), `{"method":"CASH"}`)
	// What is refused leaves nothing behind either.
	for _, token := range []string{r.owner + "x", r.tablet + "x", r.owner} {
		w.keepSecret(token)
		w.do(t, call{op: "getMenu", token: token}).want(t, 401, "unauthorized")
	}
	w.do(t, call{op: "pairDevice", body: `{"pairingCode":"CANARY77"}`}).want(t, 404, "pairing_code_unknown")
	w.keepSecret("CANARY77")
	w.do(t, call{op: "listTables", token: r.owner, path: []string{r.store}}).want(t, 200, "")
}

package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func ownerID(t *testing.T, p Profiles, name string) string {
	t.Helper()
	id, err := p.OwnerID(name)
	if err != nil {
		t.Fatal(err)
	}
	if !ValidID(id) || !strings.HasPrefix(id, "o") {
		t.Errorf("the id of %q is %q", name, id)
	}
	return id
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := LocalProfiles(dir)
	ann := ownerID(t, p, "Ann")
	met := map[string]string{ann: "Ann"}
	for _, name := range []string{"ann", "Ann ", "파란문", "😀", `<"\u0000>`, "a.b", "../secret", strings.Repeat("파", 100)} {
		id := ownerID(t, p, name)
		if met[id] != "" {
			t.Errorf("%q and %q are one owner", name, met[id])
		}
		met[id] = name
		if strings.Contains(id, strings.ToLower(name)) {
			t.Errorf("the id of %q tells the name: %q", name, id)
		}
	}
	if again := ownerID(t, LocalProfiles(dir), "Ann"); again != ann {
		t.Errorf("Ann was %s and is %s", ann, again)
	}
	only(t, dir, "owners.json", "owners.json.lock")
	for _, name := range []string{"", " ", "a\nb", "a\x00", "\x7f", "a\xff", strings.Repeat("x", 101)} {
		if id, err := p.OwnerID(name); !errors.Is(err, ErrSubject) {
			t.Errorf("%q is %q, %v", name, id, err)
		}
	}
}

// Whoever is deleted from the file is forgotten; the others stay who they are.
func TestProfilesAreDeletable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := LocalProfiles(dir)
	ann, bob := ownerID(t, p, "Ann"), ownerID(t, p, "Bob")
	path := filepath.Join(dir, "owners.json")
	if err := os.WriteFile(path, fmt.Appendf(nil, `{"Bob":%q}`, bob), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := ownerID(t, p, "Ann"); again == ann {
		t.Error("Ann was forgotten, and is known")
	}
	if again := ownerID(t, p, "Bob"); again != bob {
		t.Errorf("Bob was %s and is %s", bob, again)
	}
}

// A file that cannot be read is never written over: it holds who owns what.
func TestProfilesDamaged(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "{", `{"Ann":"o1"`, `{"Ann":1}`, `["Ann"]`, `{"Ann":""}`, `{"Ann":"O-1"}`, "null", "\x00\x00"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "owners.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := LocalProfiles(dir).OwnerID("Ann"); err == nil {
			t.Errorf("with %q in the file, Ann is %s", content, id)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != content {
			t.Errorf("%q was changed to %q, %v", content, kept, err)
		}
	}
	if _, err := LocalProfiles(filepath.Join(t.TempDir(), "missing")).OwnerID("Ann"); err == nil {
		t.Error("a profile was made in a directory that does not exist")
	}
}

// Processes and goroutines that use the profiles at once agree on everybody, and lose nobody.
func TestProfilesRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var children []func() map[string]string
	for i := range 4 {
		args := []string{dir}
		for n := range 15 {
			args = append(args, fmt.Sprint("shared ", n), fmt.Sprint("own ", i, " ", n))
		}
		children = append(children, process[map[string]string](t, "profiles", args...))
	}
	ids := make([]string, 15)
	var all sync.WaitGroup
	for n := range ids {
		all.Go(func() {
			id, err := LocalProfiles(dir).OwnerID(fmt.Sprint("shared ", n))
			if err != nil {
				t.Error(err)
			}
			ids[n] = id
		})
	}
	all.Wait()
	text := func() map[string]string {
		stored := map[string]string{}
		content, err := os.ReadFile(filepath.Join(dir, "owners.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(content, &stored); err != nil {
			t.Fatal(err)
		}
		return stored
	}
	for _, wait := range children {
		told := wait()
		stored := text()
		for name, id := range told {
			if stored[name] != id {
				t.Errorf("%s was told %s, and is %s", name, id, stored[name])
			}
		}
	}
	stored := text()
	for n, id := range ids {
		if stored[fmt.Sprint("shared ", n)] != id {
			t.Errorf("shared %d was told %s, and is %s", n, id, stored[fmt.Sprint("shared ", n)])
		}
	}
	if len(stored) != 15+4*15 {
		t.Errorf("%d owners", len(stored))
	}
}

package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func load(t *testing.T, path string) Secret {
	t.Helper()
	secret, err := LoadSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// only fails the test unless a directory has just these files, all for their owner's eyes only.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(names) {
		t.Errorf("the directory holds %v, want %v", entries, names)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
	}
}

func TestSecretIsMadeOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	first := load(t, path)
	if len(first) != secretBytes || bytes.Equal(first, make([]byte, secretBytes)) {
		t.Errorf("the secret is %x", first)
	}
	if again := load(t, path); !bytes.Equal(first, again) {
		t.Error("the secret changed")
	}
	if other := load(t, filepath.Join(t.TempDir(), "secret")); bytes.Equal(first, other) {
		t.Error("two installations have one secret")
	}
	only(t, dir, "secret")
}

// Goroutines and processes that start at once agree on one secret.
func TestSecretRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	children := make([]func() string, 4)
	for i := range children {
		children[i] = process[string](t, "secret", path)
	}
	secrets := make([]string, 32)
	var all sync.WaitGroup
	for i := range secrets {
		all.Go(func() {
			secret, err := LoadSecret(path)
			if err != nil {
				t.Error(err)
			}
			secrets[i] = hex.EncodeToString(secret)
		})
	}
	all.Wait()
	for _, wait := range children {
		secrets = append(secrets, wait())
	}
	for _, secret := range secrets {
		if secret != secrets[0] || len(secret) != 2*secretBytes {
			t.Errorf("one got %q, another %q", secrets[0], secret)
		}
	}
	only(t, dir, "secret")
}

// A secret that is damaged is not replaced: everything would be signed out, and nothing sealed could be read.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte{7}, 64)
	good := base64.StdEncoding.EncodeToString(long)
	for what, content := range map[string]string{
		"empty": "", "blank": "\n", "short": base64.StdEncoding.EncodeToString(long[:31]), "no base64": "%" + good,
		"URL base64": base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)), "cut": good[:len(good)-1],
		"zeros": string(make([]byte, 64)), "two": good + "\n" + good,
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if secret, err := LoadSecret(path); err == nil && what != "two" {
			t.Errorf("%s: the secret is %x", what, secret)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != content {
			t.Errorf("%s: the file was changed to %q, %v", what, kept, err)
		}
	}
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("\t "+good+" \n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if secret := load(t, path); !bytes.Equal(secret, long) {
		t.Errorf("a longer secret is read as %x", secret)
	}
	if _, err := LoadSecret(t.TempDir()); err == nil {
		t.Error("a directory is a secret")
	}
	if _, err := LoadSecret(filepath.Join(t.TempDir(), "missing", "secret")); err == nil {
		t.Error("a secret was made in a directory that does not exist")
	}
}

func TestKeysHaveOnePurpose(t *testing.T) {
	t.Parallel()
	one, other := Secret(bytes.Repeat([]byte{1}, 32)), Secret(bytes.Repeat([]byte{2}, 32))
	met := map[string]string{}
	for name, key := range map[string][]byte{
		"tokens": one.key("owner access token"), "answers": one.key("answers"), "codes": one.key("pairing code"), "admin": one.key("admin"),
		"other tokens": other.key("owner access token"), "the secret": one,
	} {
		if len(key) != 32 || met[string(key)] != "" {
			t.Errorf("the key of %s is %x, like that of %s", name, key, met[string(key)])
		}
		met[string(key)] = name
	}
	if admin := one.AdminKey(); admin != Secret(bytes.Clone(one)).AdminKey() || admin == other.AdminKey() || !ValidID(admin[:40]) {
		t.Errorf("admin keys %q, %q", admin, other.AdminKey())
	}
}

func TestSealing(t *testing.T) {
	t.Parallel()
	secret, other := Secret(bytes.Repeat([]byte{1}, 32)), Secret(bytes.Repeat([]byte{2}, 32))
	for _, text := range []string{"", "x", `{"deviceToken":"dbt.s.d.x"}`, string(make([]byte, 100_000))} {
		sealed := secret.Seal([]byte(text))
		if opened, err := secret.Open(sealed); err != nil || string(opened) != text {
			t.Errorf("%.20q is opened as %.20q, %v", text, opened, err)
		}
		if _, err := other.Open(sealed); err == nil {
			t.Error("another secret opens it")
		}
		if again := secret.Seal([]byte(text)); again == sealed {
			t.Error("sealing twice gives the same: the nonce is used twice")
		}
	}
	sealed := []byte(secret.Seal([]byte("a secret text")))
	raw, err := base64.StdEncoding.DecodeString(string(sealed))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		broken := bytes.Clone(raw)
		broken[i] ^= 1
		if _, err := secret.Open(base64.StdEncoding.EncodeToString(broken)); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
		if _, err := secret.Open(base64.StdEncoding.EncodeToString(raw[:i])); err == nil {
			t.Errorf("it opens cut to %d bytes", i)
		}
	}
	for _, text := range []string{"", "garbage!", "AAAA", string(sealed) + "AAAA"} {
		if _, err := secret.Open(text); err == nil {
			t.Errorf("%q opens", text)
		}
	}
}

package auth

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// childVariable tells the test binary that it is a second process, and what to do.
const childVariable = "DAYBOOK_AUTH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv(childVariable), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child prints, as JSON, the secret of a file, or the ids of owners in a directory by their names.
func child(what, path string, names []string) error {
	if what == "secret" {
		secret, err := LoadSecret(path)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(hex.EncodeToString(secret))
	}
	ids := map[string]string{}
	for _, name := range names {
		id, err := LocalProfiles(path).OwnerID(name)
		if err != nil {
			return err
		}
		ids[name] = id
	}
	return json.NewEncoder(os.Stdout).Encode(ids)
}

// process starts the test binary as a child; the function it returns waits and reads what it printed.
func process[T any](t *testing.T, what string, args ...string) func() T {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (value T) {
		t.Helper()
		if err := json.NewDecoder(out).Decode(&value); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		return value
	}
}

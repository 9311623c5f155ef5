package services

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEachTestHasItsOwnPostgresDatabase(t *testing.T) {
	var first string
	t.Run("first", func(t *testing.T) {
		first = Postgres(t)
		second := Postgres(t)
		must(t, execute(t.Context(), first, "CREATE TABLE mine ()"))
		must(t, execute(t.Context(), second, "CREATE TABLE mine ()"))
	})
	if err := execute(t.Context(), first, "SELECT 1"); err == nil {
		t.Error("the database outlived its test")
	}
}

func TestEachTestHasItsOwnRedisDatabase(t *testing.T) {
	first, second := Redis(t), Redis(t)
	must(t, dialRedis(t, first).Set(t.Context(), "mine", 1, 0).Err())
	n, err := dialRedis(t, second).DBSize(t.Context()).Result()
	must(t, err)
	if n != 0 {
		t.Errorf("%d keys in a fresh database", n)
	}
}

func TestWithoutMainATestFails(t *testing.T) {
	for _, name := range []string{"TestEachTestHasItsOwnPostgresDatabase", "TestEachTestHasItsOwnRedisDatabase"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+name+"$")
		cmd.Env = append(os.Environ(), roleVariable+"=without Main")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "os.Exit(services.Main(m))") {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestAbandonedDirectoriesAreRemoved(t *testing.T) {
	temp := t.TempDir()
	for _, name := range []string{tempPrefix + "abandoned", tempPrefix + "in-use", tempPrefix + "new", "other"} {
		must(t, os.MkdirAll(filepath.Join(temp, name, "data"), 0o700))
		if !strings.HasSuffix(name, "new") {
			old := time.Now().Add(-2 * tempAbandoned)
			must(t, os.Chtimes(filepath.Join(temp, name), old, old))
		}
	}
	inUse, err := os.Open(filepath.Join(temp, tempPrefix+"in-use"))
	must(t, err)
	defer func() { _ = inUse.Close() }()
	must(t, tryLock(inUse))
	must(t, removeAbandoned(temp))
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	must(t, err)
	for i := range left {
		left[i] = strings.TrimPrefix(filepath.Base(left[i]), tempPrefix)
	}
	if got := strings.Join(left, " "); got != "in-use new other" {
		t.Errorf("left: %s", got)
	}
}

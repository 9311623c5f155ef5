package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/internal/pebblefs"
	"daybook/internal/services"
)

// here are the arguments of a server that must not start.
var here = []string{"serve", "--addr", "127.0.0.1:0"}

// TestRefusesDirectories: what is not ours, in use, or newer than the program is left alone.
func TestRefusesDirectories(t *testing.T) {
	t.Run("not ours", func(t *testing.T) {
		in := install(t)
		write(t, filepath.Join(in.data, "letter.txt"), "Dear Anna")
		in.refused(here, "not a Daybook data directory", in.data, "letter.txt")
		in.refused([]string{"token", "owner", "--subject", "anna"}, in.data)
		if entries, err := os.ReadDir(in.data); err != nil || len(entries) != 1 {
			t.Errorf("the directory holds %v %v, want what it held", entries, err)
		}
	})
	t.Run("in use", func(t *testing.T) {
		in := install(t)
		s := in.serve()
		in.refused(here, "in use", in.data)
		in.awaitReady() // the first one is not disturbed
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d after SIGTERM", code)
		}
	})
	t.Run("newer directory", func(t *testing.T) {
		in := install(t)
		write(t, filepath.Join(in.data, "daybook-data"), "99\n")
		in.refused(here, "newer", in.data)
	})
	t.Run("newer read models", func(t *testing.T) {
		in := install(t)
		in.succeed("rebuild")
		mark := map[string]int{"Format": 99}
		if err := pebblefs.SaveMark(vfs.Default, filepath.Join(in.data, "read"), "daybook-read-models", mark); err != nil {
			t.Fatal(err)
		}
		in.refused(here, "newer")
	})
	t.Run("newer PostgreSQL", func(t *testing.T) {
		url := services.Postgres(t)
		in := install(t, "DAYBOOK_POSTGRES="+url)
		in.succeed("rebuild")
		query(t, url, "INSERT INTO daybook_migrations (version_id, is_applied) VALUES (99999, true)")
		in.refused([]string{"verify"}, "newer")
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRefusesSettings: a setting that cannot be used is named, and no secret in it is repeated.
func TestRefusesSettings(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	const secret = "s3cret"
	for _, c := range []struct {
		env   string
		args  []string
		words []string
	}{
		{"DAYBOOK_POSTGRES=postgres://anna:" + secret + "@127.0.0.1:many/daybook", here, []string{"DAYBOOK_POSTGRES"}},
		{"DAYBOOK_POSTGRES=" + secret, here, []string{"DAYBOOK_POSTGRES"}},
		{"DAYBOOK_POSTGRES=mysql://anna:" + secret + "@127.0.0.1/daybook", here, []string{"DAYBOOK_POSTGRES"}},
		{"DAYBOOK_POSTGRES=mysql://anna:" + secret + "@127.0.0.1/daybook", []string{"migrate"}, []string{"DAYBOOK_POSTGRES"}},
		{"DAYBOOK_REDIS=redis://:" + secret + "@127.0.0.1:many/0", here, []string{"DAYBOOK_REDIS"}},
		{"DAYBOOK_REDIS=redis://:" + secret + "@127.0.0.1:6379/zero", here, []string{"DAYBOOK_REDIS"}},
		{"DAYBOOK_REDIS=" + secret, here, []string{"DAYBOOK_REDIS"}},
		{"DAYBOOK_EVENTSTORE=esdb://anna:" + secret + "@127.0.0.1:many", here, []string{"DAYBOOK_EVENTSTORE"}},
		{"", append(here, "--roles", "cook"), []string{"--roles", "cook"}},
		{"", []string{"serve", "--addr", taken.Addr().String()}, []string{"--addr", "in use"}},
		{"", []string{"serve", "--addr", "nowhere"}, []string{"--addr", "nowhere"}},
		{"DAYBOOK_TRUSTED_PROXIES=10.0.0.0/8,proxy", here, []string{"DAYBOOK_TRUSTED_PROXIES", "proxy"}},
		{"", append(here, "--trusted-proxies", "0.0.0.0/0"), []string{"--trusted-proxies", "0.0.0.0/0"}},
		{"DAYBOOK_ADDR=", []string{"serve"}, []string{"DAYBOOK_ADDR", "empty"}},
		{"", []string{"serve", "--addr", ""}, []string{"--addr", "empty"}},
		{"", append(here, "--esdb-listen", "0.0.0.0:0"), []string{"--esdb-listen", "beyond this machine"}},
		{"", append(here, "--esdb-writable"), []string{"--esdb-writable", "--esdb-listen"}},
		{"DAYBOOK_ESDB_LISTEN=", append(here, "--esdb-writable"), []string{"--esdb-writable", "DAYBOOK_ESDB_LISTEN"}},
		{"DAYBOOK_LOCAL_SIGN_IN=false", []string{"token", "owner", "--subject", "anna"}, []string{"sign-in"}},
		{"DAYBOOK_LOCAL_SIGN_IN=false", []string{"import", "sales", "-", "--new-store", "Cafe", "--owner", "anna"}, []string{"sign-in"}},
	} {
		in := install(t, c.env)
		o := in.refused(c.args, c.words...)
		if strings.Contains(o.stdout+o.stderr, secret) {
			t.Errorf("%s: the secret is repeated:\n%s", c.env, o.stderr)
		}
		if strings.Contains(o.stderr, "Daybook serves") {
			t.Errorf("%v: it says that it serves:\n%s", c.args, o.stderr)
		}
	}
	for _, args := range [][]string{{"serve", "--port", "1"}, {"fly"}, {"import", "sales", "x.csv", "--owner", "anna"}} {
		if o := install(t).run(args...); o.code == 0 || o.stderr == "" {
			t.Errorf("daybook %v: exit code %d, %q", args, o.code, o.stderr)
		}
	}
}

// TestWarnsOfOpenAddresses: whoever serves beyond this machine is told what that means, and nobody else is.
func TestWarnsOfOpenAddresses(t *testing.T) {
	const warning = "other machines can reach this address"
	for address, open := range map[string]bool{"0.0.0.0:0": true, ":0": true, "[::]:0": true, "127.0.0.1:0": false, "localhost:0": false} {
		t.Run(address, func(t *testing.T) {
			in := install(t, "DAYBOOK_ADDR="+address)
			s := in.launch()
			select {
			case <-s.said.address:
			case <-s.done:
			}
			if warned := strings.Contains(s.said.String(), warning); warned != open {
				t.Errorf("warned: %v\n%s", warned, s.said)
			}
			if code := s.stop(); code != 0 {
				t.Errorf("exit code %d after SIGTERM", code)
			}
		})
	}
}

// TestZonesAreTheProgramsOwn: a zone that only this machine knows is none.
func TestZonesAreTheProgramsOwn(t *testing.T) {
	dir := t.TempDir()
	// A zone of nine hours, by RFC 8536.
	file := "TZif" + strings.Repeat("\x00", 35) + "\x01\x00\x00\x00\x04\x00\x00\x7e\x90\x00\x00KST\x00"
	if found, err := time.LoadLocationFromTZData("x", []byte(file)); err != nil || time.Unix(0, 0).In(found).Hour() != 9 {
		t.Fatalf("the file is no zone, so that this tests nothing: %v", err)
	}
	for _, name := range []string{"localtime", "My/Zone", "right/Asia/Seoul"} {
		write(t, filepath.Join(dir, name), file)
	}
	in := install(t, "ZONEINFO="+dir)
	in.serve()
	anna := in.owner("anna")
	open := func(zone string) map[string]any {
		return map[string]any{"name": "Cafe", "posGrade": "GOLD", "settlementDay": 1, "timeZone": zone}
	}
	for _, zone := range []string{"localtime", "My/Zone", "right/Asia/Seoul", "./Asia/Seoul", "asia/seoul", "posixrules"} {
		r := anna.send(t, http.MethodPost, "/v1/stores", "", open(zone), http.StatusBadRequest, nil)
		if !strings.Contains(string(r.body), "invalid_time_zone") {
			t.Errorf("%s: %s", zone, r)
		}
	}
	for _, zone := range []string{"Asia/Seoul", "ROK", "US/Eastern", "UTC"} {
		anna.send(t, http.MethodPost, "/v1/stores", "", open(zone), http.StatusCreated, nil)
	}
}

// TestTellsNoSecrets: a password that PostgreSQL or Redis refuses is not repeated, however often it is tried.
func TestTellsNoSecrets(t *testing.T) {
	const secret = "s3cret"
	postgres, redis := withPassword(t, services.Postgres(t), secret), withPassword(t, services.Redis(t), secret)
	in := install(t, "DAYBOOK_POSTGRES="+postgres, "DAYBOOK_REDIS="+redis)
	s := in.launch("--addr", "127.0.0.1:0")
	eventually(t, startMax, "it says that it cannot get in", func() error {
		said := s.said.String()
		if !strings.Contains(said, "postgres") || !strings.Contains(said, "redis") {
			return errSays(said)
		}
		return nil
	})
	if strings.Contains(s.said.String(), secret) {
		t.Errorf("the password is repeated:\n%s", s.said)
	}
}

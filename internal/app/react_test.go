package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"daybook/domain/event"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/eventstore"
	"daybook/internal/app"
)

func configOf(dir string, roles ...string) app.Config {
	return app.Config{Data: dir, LocalSignIn: true, Roles: roles, Log: slog.New(slog.DiscardHandler)}
}

// during opens an installation, and closes it after something was done.
func during(t *testing.T, config app.Config, do func(a *app.App)) {
	t.Helper()
	a, err := app.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	do(a)
}

// serving serves while something is done, from when it is ready.
func serving(t *testing.T, a *app.App, do func()) {
	t.Helper()
	s, err := a.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	waitUntil(t, "it is ready", func() bool {
		answer, err := http.Get("http://" + s.Address() + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	do()
}

func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestPoliciesWork where commands are served, and nowhere else: neither where read models are kept up to date, nor in a
// rebuild.
func TestPoliciesWork(t *testing.T) {
	dir := t.TempDir()
	opened := store.Opened{StoreID: "s1", OwnerID: "o1", Name: "Cafe", TimeZone: "Asia/Seoul", Currency: "KRW", SettlementDay: 1, At: time.Now().UTC()}
	data, err := event.Encode(opened)
	if err != nil {
		t.Fatal(err)
	}
	during(t, configOf(dir), func(a *app.App) {
		e := []eventstore.NewEvent{{ID: uuid.New(), Type: opened.EventType(), Data: data}}
		if _, err := a.Store.Append(t.Context(), stream.Store("s1"), eventstore.NoStream, e); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := app.Perform(t.Context(), configOf(dir), app.Rebuild, app.ModelsArgs{}, nil, func(string, uint64, uint64) {}); err != nil {
		t.Fatal(err)
	}
	during(t, configOf(dir, app.RoleQuery, app.RoleProject), func(a *app.App) {
		serving(t, a, func() {})
		if n := length(t, a, stream.Owner("o1")); n != 0 {
			t.Errorf("without the command role, the owner's stream has %d events", n)
		}
	})
	during(t, configOf(dir), func(a *app.App) {
		serving(t, a, func() {
			waitUntil(t, "the policy has counted the store", func() bool { return length(t, a, stream.Owner("o1")) == 1 })
			checkShown(t, a)
			waitUntil(t, "read models and policies share one subscription", func() bool { return a.Feed.Subscriptions() == 1 })
		})
	})
}

// checkShown: what operators see of policies is among the metrics.
func checkShown(t *testing.T, a *app.App) {
	t.Helper()
	waitUntil(t, "the metrics tell of it", func() bool {
		families, err := a.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, family := range families {
			switch family.GetName() {
			case "daybook_policy_events_total", "daybook_policy_commands_total", "daybook_policy_position", "daybook_log_subscriptions":
				shown++
			}
		}
		return shown == 4
	})
}

func length(t *testing.T, a *app.App, name string) (n int) {
	t.Helper()
	for _, err := range a.Store.ReadStream(t.Context(), name, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

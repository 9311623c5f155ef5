package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"daybook/internal/services"
	"daybook/projections"
	"daybook/projections/sinktest"
)

var load = sinktest.Load{Target: projections.Target{Model: "load", Generation: 1}}

// server starts a Redis of the test's own.
func server(t *testing.T, durable bool) *services.Server {
	t.Helper()
	s, err := services.StartRedis(t.Context(), services.Options{Durable: durable})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// raw is a connection beside the sink's.
func raw(t *testing.T, address string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

// run applies the load up to a position.
func run(t *testing.T, sink *Sink, until uint64) {
	t.Helper()
	if err := load.Run(t.Context(), sink, until, func(uint64) {}); err != nil {
		t.Fatal(err)
	}
	if position := load.Check(t, sink); position != until {
		t.Fatalf("stands at %d, want %d", position, until)
	}
}

// TestServerDies kills Redis while batches are applied. The sink is never opened anew. One Redis keeps an append-only
// file, of which the last second may be lost; the other forgets everything.
func TestServerDies(t *testing.T) {
	for _, durable := range []bool{true, false} {
		t.Run(fmt.Sprint("durable ", durable), func(t *testing.T) {
			s := server(t, durable)
			sink := open(t, s.URL())
			defer sink.Close()
			sinktest.RunDeaths(t, sink, func() error { return errors.Join(s.Kill(), s.Restart(t.Context())) })
		})
	}
}

func TestNetwork(t *testing.T) {
	sinktest.RunNetwork(t, services.Redis(t), func(t testing.TB, address string) projections.Sink { return open(t, address) })
}

// TestConnectionTimesOutFirst: that a connection noticed the end of our patience before our context did is not
// Redis's failure.
func TestConnectionTimesOutFirst(t *testing.T) {
	sink := open(t, services.Redis(t))
	defer sink.Close()
	_, err := call(sinktest.LateContext(t), sink, func(context.Context) (struct{}, error) { return struct{}{}, os.ErrDeadlineExceeded })
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, projections.ErrSinkUnavailable) {
		t.Fatalf("error is %v", err)
	}
}

func TestServerIsDown(t *testing.T) {
	s := server(t, false)
	sink := open(t, s.URL())
	defer sink.Close()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := sink.Ping(t.Context()); !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("ping: %v", err)
	}
	_, err := Open(t.Context(), s.URL())
	if !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("open: %v", err)
	}
	address, _ := url.Parse(s.URL())
	password, _ := address.User.Password()
	if strings.Contains(err.Error(), password) {
		t.Errorf("the error shows the password")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for err = sink.Ping(t.Context()); err != nil; err = sink.Ping(t.Context()) {
		if !errors.Is(err, projections.ErrSinkUnavailable) {
			t.Fatal(err)
		}
	}
	for _, address := range []string{"redis://:hunter2@[host", "redis://:hunter2@host:port", "http://:hunter2@host", "hunter2"} {
		if _, err := Open(t.Context(), address); !errors.Is(err, ErrAddress) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestDataLost empties Redis, scripts included, while a sink is open.
func TestDataLost(t *testing.T) {
	s := server(t, false)
	sink := open(t, s.URL())
	defer sink.Close()
	run(t, sink, 50)
	admin := raw(t, s.URL())
	if err := errors.Join(admin.FlushAll(t.Context()).Err(), admin.ScriptFlush(t.Context()).Err()); err != nil {
		t.Fatal(err)
	}
	if stands, err := sink.Checkpoint(t.Context(), load.Target); err != nil || stands != (projections.Checkpoint{}) {
		t.Fatalf("stands at %+v, %v", stands, err)
	}
	run(t, sink, 60)
	calls := 0
	_, err := sink.Scan(t.Context(), load.Target, func(string, projections.Entry) error {
		if calls++; calls == 1 {
			return admin.FlushAll(t.Context()).Err()
		}
		return nil
	})
	if !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Fatalf("a scan of what is gone: %v", err)
	}
}

// TestMemoryFull lets Redis refuse writes in the middle of everything. What it refuses must change nothing.
func TestMemoryFull(t *testing.T) {
	s := server(t, false)
	sink := open(t, s.URL())
	defer sink.Close()
	run(t, sink, 100)
	admin := raw(t, s.URL())
	limit := func(bytes string) {
		if err := admin.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	limit("100000")
	stands, err := sink.Checkpoint(t.Context(), load.Target)
	if err != nil {
		t.Fatal(err)
	}
	if values, _, err := sink.Get(t.Context(), load.Target, "left", "batches"); err != nil || values["batches"].Counter != 100 {
		t.Fatalf("a read while memory is full: %v, %v", values, err)
	}
	to := stands
	to.Position.Commit++
	to.Position.Prepare++
	for _, changes := range [][]projections.Change{
		nil,
		{{Partition: "rows", Field: "1", Op: projections.Delete}, {Partition: "left", Field: "moved", Op: projections.Add, Delta: 1}},
		{{Partition: "left", Field: "moved", Op: projections.Add, Delta: math.MaxInt64 / 2}},
	} {
		if err := sink.Apply(t.Context(), load.Target, projections.Batch{From: stands, To: to, Changes: changes}); !errors.Is(err, projections.ErrSinkUnavailable) {
			t.Fatalf("error is %v", err)
		}
	}
	limit("0")
	load.Check(t, sink)
	run(t, sink, 110)
}

func TestEviction(t *testing.T) {
	s := server(t, false)
	sink := open(t, s.URL())
	defer sink.Close()
	admin := raw(t, s.URL())
	if err := admin.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	if err := sink.Ping(t.Context()); err != nil {
		t.Fatalf("without a limit nothing is evicted: %v", err)
	}
	if err := admin.ConfigSet(t.Context(), "maxmemory", "1gb").Err(); err != nil {
		t.Fatal(err)
	}
	if err := sink.Ping(t.Context()); !errors.Is(err, ErrEvicts) {
		t.Fatalf("ping: %v", err)
	}
	if _, err := Open(t.Context(), s.URL()); !errors.Is(err, ErrEvicts) {
		t.Fatalf("open: %v", err)
	}
}

func TestReplica(t *testing.T) {
	primary, replica := server(t, false), server(t, false)
	sink := open(t, replica.URL())
	defer sink.Close()
	admin := raw(t, replica.URL())
	address, _ := url.Parse(primary.URL())
	password, _ := address.User.Password()
	err := errors.Join(admin.ConfigSet(t.Context(), "masterauth", password).Err(), admin.ReplicaOf(t.Context(), "127.0.0.1", fmt.Sprint(primary.Port())).Err())
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Ping(t.Context()); !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("ping: %v", err)
	}
	err = sink.Apply(t.Context(), load.Target, projections.Batch{To: projections.Checkpoint{Log: "log"}})
	if !errors.Is(err, projections.ErrSinkUnavailable) {
		t.Errorf("apply: %v", err)
	}
}

// TestForeignValues puts what is not ours where ours should be. A batch that meets it fails as a whole.
func TestForeignValues(t *testing.T) {
	address := services.Redis(t)
	sink := open(t, address)
	defer sink.Close()
	run(t, sink, 10)
	admin := raw(t, address)
	stands, err := sink.Checkpoint(t.Context(), load.Target)
	if err != nil {
		t.Fatal(err)
	}
	to := stands
	to.Position.Commit++
	apply := func(partition, field string, op projections.Op) error {
		changes := []projections.Change{
			{Partition: "left", Field: "batches", Op: projections.Add, Delta: 1},
			{Partition: partition, Field: field, Op: op, Row: []byte(`{}`), Delta: 1},
		}
		return sink.Apply(t.Context(), load.Target, projections.Batch{From: stands, To: to, Changes: changes})
	}
	text := partitionKey(load.Target, "no hash")
	if err := admin.Set(t.Context(), text, "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, op := range []projections.Op{projections.Put, projections.Delete, projections.Add, projections.Set} {
		if err := apply("no hash", "a", op); err == nil {
			t.Errorf("operation %d on a key that is no hash", op)
		}
	}
	hash := partitionKey(load.Target, "right")
	was := admin.HGet(t.Context(), hash, "moved").Val()
	for _, value := range []string{"007", "12abc", "-0", "99999999999999999999", "", " 1"} {
		if err := admin.HSet(t.Context(), hash, "moved", value).Err(); err != nil {
			t.Fatal(err)
		}
		if err := apply("right", "moved", projections.Add); err == nil {
			t.Errorf("an add to %q", value)
		}
	}
	if err := errors.Join(admin.Del(t.Context(), text).Err(), admin.HSet(t.Context(), hash, "moved", was).Err()); err != nil {
		t.Fatal(err)
	}
	if position := load.Check(t, sink); position != 10 {
		t.Fatalf("stands at %d", position)
	}
}

// TestEmptiedPartition looks for what an emptied partition leaves behind.
func TestEmptiedPartition(t *testing.T) {
	address := services.Redis(t)
	sink := open(t, address)
	defer sink.Close()
	admin := raw(t, address)
	stands := projections.Checkpoint{}
	for i, op := range []projections.Op{projections.Add, projections.Delete} {
		to := projections.Checkpoint{Log: "log"}
		to.Position.Commit = uint64(i)
		changes := []projections.Change{{Partition: "p", Field: "a", Op: op}, {Partition: "p", Field: "b", Op: op}}
		if err := sink.Apply(t.Context(), load.Target, projections.Batch{From: stands, To: to, Changes: changes}); err != nil {
			t.Fatal(err)
		}
		stands = to
		names, err := admin.ZRange(t.Context(), partitionsKey(load.Target), 0, -1).Result()
		if err != nil || len(names) != 1-i {
			t.Fatalf("partitions are %q, %v", names, err)
		}
	}
	if err := errors.Join(sink.Activate(t.Context(), load.Target.Model, 1), sink.Drop(t.Context(), projections.Target{Model: "load", Generation: 2})); err != nil {
		t.Fatal(err)
	}
	keys, err := admin.Keys(t.Context(), "*").Result()
	slices.Sort(keys)
	if want := "[daybook:{load}:1:state daybook:{load}:active daybook:{load}:generations]"; err != nil || fmt.Sprint(keys) != want {
		t.Fatalf("keys are %v, want %v", keys, want)
	}
}

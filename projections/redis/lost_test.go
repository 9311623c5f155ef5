package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"daybook/internal/services"
	"daybook/projections"
	"daybook/projections/sinktest"
)

// TestLostKeys deletes one key after the other, and single fields, as eviction and people do. No read answers from what
// is left, and the load goes on from wherever the sink then stands until all is there again.
func TestLostKeys(t *testing.T) {
	sample := raw(t, lostKeysAddress(t))
	losses := map[string]func(*redis.Client) error{}
	for _, key := range sample.Keys(t.Context(), "daybook:{load}:*").Val() {
		losses[key] = func(admin *redis.Client) error { return admin.Del(t.Context(), key).Err() }
		if sample.Type(t.Context(), key).Val() != "hash" {
			continue
		}
		for _, field := range sample.HKeys(t.Context(), key).Val()[:2] {
			losses[key+" field "+field] = func(admin *redis.Client) error { return admin.HDel(t.Context(), key, field).Err() }
		}
	}
	losses["a partition's name"] = func(admin *redis.Client) error {
		return admin.ZRem(t.Context(), partitionsKey(load.Target), "sums").Err()
	}
	losses["a partition, and what is known of it"] = func(admin *redis.Client) error {
		return errors.Join(admin.Del(t.Context(), partitionKey(load.Target, "sums")).Err(),
			admin.ZRem(t.Context(), partitionsKey(load.Target), "sums").Err(), admin.HDel(t.Context(), stateKey(load.Target), "p:sums").Err())
	}
	losses["where it stands, and its partitions' names"] = func(admin *redis.Client) error {
		return admin.Del(t.Context(), stateKey(load.Target), partitionsKey(load.Target)).Err()
	}
	if len(losses) < 12 {
		t.Fatalf("only %d losses", len(losses))
	}
	for name, lose := range losses {
		for _, first := range []string{"read", "apply", "scan"} {
			t.Run(fmt.Sprintf("%s, then %s", name, first), func(t *testing.T) { testLoss(t, lose, first) })
		}
	}
}

const lostAt = 30

func lostKeysAddress(t *testing.T) string {
	t.Helper()
	address := services.Redis(t)
	sink := open(t, address)
	defer sink.Close()
	run(t, sink, lostAt)
	return address
}

func testLoss(t *testing.T, lose func(*redis.Client) error, first string) {
	address := lostKeysAddress(t)
	admin := raw(t, address)
	sink := open(t, address)
	defer sink.Close()
	var whole []map[string]string
	for _, partition := range []string{"left", "right", "rows", "sums"} {
		whole = append(whole, list(t, sink, partition))
	}
	if err := lose(admin); err != nil {
		t.Fatal(err)
	}
	switch first {
	case "read":
		for i, partition := range []string{"left", "right", "rows", "sums"} {
			entries, at, err := sink.List(t.Context(), load.Target, partition, "", 0)
			lies := err == nil && at.Position.Commit == lostAt && fmt.Sprint(asMap(entries)) != fmt.Sprint(whole[i])
			if lies || err != nil && !errors.Is(err, projections.ErrSinkUnavailable) {
				t.Errorf("partition %s: %v at %v, %v", partition, entries, at, err)
			}
			for field := range whole[i] {
				values, at, err := sink.Get(t.Context(), load.Target, partition, field)
				if err == nil && at.Position.Commit == lostAt && len(values) == 0 {
					t.Errorf("partition %s, field %s is not there, without a word", partition, field)
				}
			}
		}
	case "scan":
		all := 0
		at, err := sink.Scan(t.Context(), load.Target, func(string, projections.Entry) error { all++; return nil })
		want := len(slices.Concat(keys(whole[0]), keys(whole[1]), keys(whole[2]), keys(whole[3])))
		if err == nil && at.Position.Commit == lostAt && all != want {
			t.Errorf("scanned %d entries of %d", all, want)
		}
	}
	run(t, sink, lostAt+20)
	for _, key := range admin.Keys(t.Context(), "*").Val() {
		if strings.HasSuffix(key, "scratch") {
			t.Errorf("left over: %s", key)
		}
	}
}

func list(t *testing.T, sink *Sink, partition string) map[string]string {
	t.Helper()
	entries, _, err := sink.List(t.Context(), load.Target, partition, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return asMap(entries)
}

func asMap(entries []projections.Entry) map[string]string {
	all := map[string]string{}
	for _, e := range entries {
		all[e.Field] = fmt.Sprint(string(e.Row), e.Counter)
	}
	return all
}

func keys(all map[string]string) (names []string) {
	for name := range all {
		names = append(names, name)
	}
	return names
}

// TestEvictionAtRunTime lets a Redis that was right at the start evict keys while batches are applied. Whatever the
// load applies afterwards is whole.
func TestEvictionAtRunTime(t *testing.T) {
	s := server(t, false)
	sink := open(t, s.URL())
	defer sink.Close()
	admin := raw(t, s.URL())
	for round := uint64(1); round <= 5; round++ {
		if err := load.Run(t.Context(), sink, 40*round, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		random := admin.RandomKey(t.Context()).Val()
		if err := admin.Del(t.Context(), random).Err(); err != nil {
			t.Fatal(err)
		}
		if err := load.Run(t.Context(), sink, 40*round+5, func(uint64) {}); err != nil {
			t.Fatal(err)
		}
		for _, err := sink.Scan(t.Context(), load.Target, ignore); errors.Is(err, projections.ErrSinkUnavailable); {
			if err := load.Run(t.Context(), sink, 40*round+5, func(uint64) {}); err != nil {
				t.Fatal(err)
			}
			_, err = sink.Scan(t.Context(), load.Target, ignore)
		}
		load.Check(t, sink)
	}
}

func member(name string) redis.Z { return redis.Z{Member: name} }

func ignore(string, projections.Entry) error { return nil }

// TestHangs stops Redis where it is. Reads end by their deadline, and answer again by themselves afterwards.
func TestHangs(t *testing.T) {
	s := server(t, false)
	sink := open(t, s.URL())
	defer sink.Close()
	run(t, sink, 10)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	sinktest.ExpectDeadlines(t, sink, load)
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	sinktest.ExpectAnswers(t, sink, load)
}

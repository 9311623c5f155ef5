package zones

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Every name of the database leads to a zone of that name; links to other zones are names, too.
func TestEveryZone(t *testing.T) {
	t.Parallel()
	names := Names()
	for _, name := range names {
		zone, err := Load(name)
		if err != nil || zone.String() != name {
			t.Errorf("%s: %v, %v", name, zone, err)
		}
	}
	if len(names) < 500 {
		t.Errorf("%d names", len(names))
	}
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for name, offset := range map[string]int{"Asia/Seoul": 9, "ROK": 9, "US/Eastern": -4, "America/New_York": -4, "UTC": 0, "Europe/Amsterdam": 2} {
		zone, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, seconds := noon.In(zone).Zone(); seconds != offset*3600 {
			t.Errorf("%s is %d s from UTC", name, seconds)
		}
	}
}

// Names that some machine's files would have, or that some file system would find, are none.
func TestNoOtherZones(t *testing.T) {
	t.Setenv("ZONEINFO", "/usr/share/zoneinfo")
	for _, name := range []string{
		"", "Local", "localtime", "posixrules", "right/Asia/Seoul", "posix/Asia/Seoul", "./Asia/Seoul", "Asia//Seoul", "Asia/../Asia/Seoul",
		"asia/seoul", "Asia/Seoul ", "Asia/", "Asia", "/usr/share/zoneinfo/Asia/Seoul", "zone.tab", "Asia/Seoul\x00",
	} {
		if zone, err := Load(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v, %v", name, zone, err)
		}
	}
}

// Whatever is asked for, only the database's zones are kept.
func TestNothingElseIsKept(t *testing.T) {
	database()
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	for n := range 20_000 {
		for _, name := range []string{fmt.Sprintf("No/Zone%d", n), strings.Repeat("./", n%2000+1) + "Asia/Seoul"} {
			if _, err := Load(name); err == nil {
				t.Fatalf("%q is a zone", name)
			}
		}
	}
	if grown := int64(inUse()) - int64(before); grown > 1<<20 {
		t.Errorf("40,000 names that are none left %d bytes", grown)
	}
}

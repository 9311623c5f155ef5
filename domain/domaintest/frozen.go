package domaintest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daybook/domain/event"

	"github.com/google/go-cmp/cmp"
)

// Sample is what the two samples of a stored name say today: NAME.json, in which every field stands, and
// NAME.minimal.json, in which every field that may be absent is absent.
type Sample struct {
	Complete, Minimal event.Stored
}

// samplesDir is where the samples stand, below the package that is being tested.
const samplesDir = "testdata/events"

// Frozen checks that every stored name of a catalog has its two samples, that they are still read as what they always
// said, also by a program that is older than they are, and that the complete one is still written as it was. Each
// sample must belong to a name.
func Frozen(t *testing.T, catalog event.Catalog[event.Stored], samples map[string]Sample) {
	t.Helper()
	for name := range catalog {
		want, known := samples[name]
		if !known {
			t.Errorf("the stored name %s has no expectation", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			complete := readSample(t, catalog, name, name+".json", want.Complete)
			readSample(t, catalog, name, name+".minimal.json", want.Minimal)
			sameWhenWritten(t, want.Complete, complete)
		})
	}
	for name := range samples {
		if _, known := catalog[name]; !known {
			t.Errorf("the expectation %s is no stored name", name)
		}
	}
	strays(t, catalog)
}

// readSample reads one sample as it stands, and with fields that a later program added, and returns its JSON.
func readSample(t *testing.T, catalog event.Catalog[event.Stored], name, file string, want event.Stored) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samplesDir, file))
	if err != nil {
		t.Fatal(err)
	}
	for how, data := range map[string][]byte{"as it stands": data, "with unknown fields": withUnknownFields(t, data)} {
		got, err := catalog.Decode(name, data)
		if err != nil {
			t.Fatalf("%s, %s: %v", file, how, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", file, how, diff)
		}
		if got.EventType() != name {
			t.Errorf("%s: EventType is %s", file, got.EventType())
		}
	}
	return data
}

// sameWhenWritten checks that an event is written with the very fields and values of its sample.
func sameWhenWritten(t *testing.T, e event.Stored, sample []byte) {
	t.Helper()
	written, err := event.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parse(t, sample), parse(t, written)); diff != "" {
		t.Errorf("written otherwise (-sample +written):\n%s", diff)
	}
}

// strays fails for each file that belongs to no stored name.
func strays(t *testing.T, catalog event.Catalog[event.Stored]) {
	t.Helper()
	files, err := os.ReadDir(samplesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimSuffix(file.Name(), ".json"), ".minimal")
		if _, known := catalog[name]; !known && file.Name() != "README.md" {
			t.Errorf("%s is a sample of no stored name", file.Name())
		}
	}
}

// withUnknownFields adds a field to every object of a JSON text.
func withUnknownFields(t *testing.T, data []byte) []byte {
	t.Helper()
	var add func(any)
	add = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			for _, child := range node {
				add(child)
			}
			node["addedLater"] = map[string]any{"why": []int{1}}
		case []any:
			for _, child := range node {
				add(child)
			}
		}
	}
	tree := parse(t, data)
	add(tree)
	more, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return more
}

// parse reads JSON with its numbers as they are written.
func parse(t *testing.T, data []byte) any {
	t.Helper()
	var tree any
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return tree
}

package e2e

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestComposeFile checks what can be checked of docker-compose.yml without Docker: that it parses, that every image has a
// version, that every server has a health check and keeps its data in a declared volume, and that nobody waits for a
// service that is not there. It was not run.
func TestComposeFile(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image, Build string
			Healthcheck  struct{ Test []string }
			Volumes      []string
			DependsOn    map[string]struct{ Condition string } `yaml:"depends_on"`
			Environment  map[string]string
			Profiles     []string
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`:[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z]+)?$`)
	for name, s := range file.Services {
		if own := s.Build != ""; !own && !version.MatchString(s.Image) || len(s.Healthcheck.Test) < 2 {
			t.Errorf("%s: image %q, health check %v", name, s.Image, s.Healthcheck.Test)
		}
		if len(s.Volumes) == 0 {
			t.Errorf("%s keeps its data nowhere", name)
		}
		for _, v := range s.Volumes {
			if volume, _, _ := strings.Cut(v, ":"); !declared(file.Volumes, volume) {
				t.Errorf("%s: volume %s is not declared", name, volume)
			}
		}
		for needed, how := range s.DependsOn {
			if _, is := file.Services[needed]; !is || how.Condition != "service_healthy" {
				t.Errorf("%s waits for %s, %s", name, needed, how.Condition)
			}
		}
		if cluster := slices.Contains(s.Profiles, "cluster"); strings.HasPrefix(name, "kurrentdb-") && (!cluster || s.Environment["EVENTSTORE_CLUSTER_SIZE"] != "3") {
			t.Errorf("%s is no member of a cluster of three", name)
		}
	}
	for _, name := range []string{"daybook", "kurrentdb", "postgres", "redis", "kurrentdb-1", "kurrentdb-2", "kurrentdb-3"} {
		if _, is := file.Services[name]; !is {
			t.Errorf("there is no service %s", name)
		}
	}
}

func declared(volumes map[string]any, name string) bool {
	_, is := volumes[name]
	return is
}

// Package e2e runs the real program as its operators do: it serves, imports, rebuilds, verifies; it is killed, together
// with or apart from its PostgreSQL and Redis, and must be right afterwards without anybody's help. What is right is
// said by a model of a few lines that shares no code with the product.
//
// Not here: what one package can be asked by itself.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"daybook/internal/services"
)

// program is the binary under test, built once for all tests.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "daybook-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "daybook")
	build := exec.Command("go", "build", "-o", program, "daybook/cmd/daybook")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		return 1
	}
	return services.Main(m)
}

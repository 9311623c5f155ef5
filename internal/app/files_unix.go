//go:build unix

package app

import (
	"math"
	"syscall"
)

// openFilesMax is how many files this process may have open. Go has raised it to what the system lets it have at most.
func openFilesMax() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return openFilesUsual
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

// openFilesUsual is what systems give at least.
const openFilesUsual = 1024

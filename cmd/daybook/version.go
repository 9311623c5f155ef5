package main

import (
	"fmt"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// versionFlag prints which build this is.
type versionFlag bool

// BeforeApply runs before anything else is demanded of the command line.
func (versionFlag) BeforeApply(k *kong.Kong) error {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	fmt.Fprintln(k.Stdout, "daybook", version)
	k.Exit(0)
	return nil
}

//go:build !linux

package main

import "errors"

type benchCmd struct {
	Arguments []string `arg:"" optional:"" passthrough:"" help:"Not here: the benchmarks run on Linux only."`
}

func (c *benchCmd) Run(*program) error { return errors.New("the benchmarks run on Linux only") }

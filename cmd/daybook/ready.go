package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

type readyCmd struct {
	Addr string `default:"127.0.0.1:8080" env:"DAYBOOK_ADDR" help:"Address that the server serves on." placeholder:"HOST:PORT"`
}

// readyMax is how long the server may take to answer.
const readyMax = 2 * time.Second

// Run asks /readyz, and shows what it says.
func (c *readyCmd) Run(p *program) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() { // serving everywhere, it is here too
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(p.ctx, readyMax)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(p.out, io.LimitReader(response.Body, 1<<16)); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errFailed
	}
	return nil
}

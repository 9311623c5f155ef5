package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of some MiB. Only root may; elsewhere the same faults are made beneath Pebble, by the
// tests of the embedded log and read models.
func smallDisk(t *testing.T, dir string, mebibytes int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mebibytes))
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root may mount; see TestLogOpensItselfAgain and TestOpenOnAFullDisk of package eventstore/embedded")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill takes all room of a disk, and returns what frees it.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "lost+found") // which every directory may hold
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func (in *installation) readyStatus() (int, error) {
	answer, err := http.Get(in.base.Load().(string) + "/readyz")
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func (in *installation) untilReady(t *testing.T) {
	t.Helper()
	eventually(t, startMax, "ready", func() error {
		status, err := in.readyStatus()
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
}

// TestFullDisk: orders on a full disk are refused with a reason, the server says that it is not ready, and takes them as
// soon as there is room; each is there once. A start on a full disk is refused, soon, with the reason, in a few lines.
func TestFullDisk(t *testing.T) {
	in := install(t)
	smallDisk(t, in.data, 24)
	s := in.serve()
	r := in.owner("anna").cafe(t, 1)
	at, what := r.tablets[0], r.products[0]
	var placed []string
	order := func(n int) (int, string) {
		reply, err := at.try(http.MethodPost, "/v1/orders", fmt.Sprint("key-", n), orderBody{[]orderLine{{what.ProductID, 1}}})
		if err != nil {
			t.Fatal(err)
		}
		var answer orderAnswer
		if reply.status == http.StatusCreated && json.Unmarshal(reply.body, &answer) == nil {
			placed = append(placed, answer.OrderID)
		}
		return reply.status, string(reply.body)
	}
	n := 0
	for round := range 3 {
		free := fill(t, in.data)
		status, body := order(n)
		for ; status == http.StatusCreated; n++ { // the write-ahead log has some room
			status, body = order(n + 1)
		}
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "log_unavailable") || strings.Contains(body, "reached") {
			t.Fatalf("round %d: order on a full disk: %d %s", round, status, body)
		}
		if status, err := in.readyStatus(); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("round %d: ready on a full disk: %d, %v", round, status, err)
		}
		free()
		eventually(t, startMax, "the order is taken", func() error {
			if status, body := order(n); status != http.StatusCreated {
				return fmt.Errorf("%d %s", status, body)
			}
			return nil
		})
		n++
		in.untilReady(t)
	}
	s.kill()

	free := fill(t, in.data)
	begin := time.Now()
	refused := in.launch("--addr", "127.0.0.1:0")
	if code := refused.exit(); code != 1 || time.Since(begin) > 10*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(begin))
	}
	if said := refused.said.String(); !strings.Contains(said, "no space left on device") || !strings.Contains(said, in.data) || strings.Count(said, "\n") > 6 {
		t.Errorf("a start on a full disk says:\n%s", said)
	}
	free()
	in.serve()
	in.verify()
	got, _ := r.ledger(t)
	sameSet(t, "orders", got, unique(placed))
}

func unique(ids []string) (once []string) {
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			once = append(once, id)
		}
		seen[id] = true
	}
	return once
}

// TestFullDiskOfReadModels: read models that cannot be kept stop queries, not orders, and come back by themselves.
func TestFullDiskOfReadModels(t *testing.T) {
	in := install(t)
	s := in.serve()
	r := in.owner("anna").cafe(t, 1)
	s.stop()
	read := filepath.Join(in.data, "read")
	smallDisk(t, read, 16)
	free := fill(t, read)
	in.serve()
	at, what := r.tablets[0], r.products[0]
	for n := range 5 {
		reply, err := at.try(http.MethodPost, "/v1/orders", fmt.Sprint("key-", n), orderBody{[]orderLine{{what.ProductID, 1}}})
		if err != nil || reply.status != http.StatusCreated {
			t.Fatalf("order: %v %v", reply, err)
		}
	}
	if status, err := in.readyStatus(); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("ready without read models: %d, %v", status, err)
	}
	free()
	in.untilReady(t)
	in.verify()
}

// TestStopsWhileOpening: a signal ends a server whose storage keeps it from opening.
func TestStopsWhileOpening(t *testing.T) {
	in := install(t)
	in.serve().stop()
	pipe := filepath.Join(in.data, "log", "daybook-log")
	if err := os.Rename(pipe, pipe+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil { // whoever opens it to read waits for somebody who writes
		t.Fatal(err)
	}
	s := in.launch("--addr", "127.0.0.1:0")
	time.Sleep(500 * time.Millisecond) // until it waits
	begin := time.Now()
	if code := s.stop(); code == 0 || time.Since(begin) > 5*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(begin))
	}
}

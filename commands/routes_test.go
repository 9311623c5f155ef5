package commands_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daybook/commands"
	"daybook/eventstore"
	"daybook/eventstore/esdbserver"
	"daybook/eventstore/kurrent"
	"daybook/internal/auth"
	"daybook/internal/httpapi"
)

// callCounts counts the calls that a server of EventStoreDB's protocol gets, by their method.
type callCounts struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *callCounts) called(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[path.Base(method)]++
}

// of counts the calls while something is done.
func (c *callCounts) of(do func()) string {
	c.mu.Lock()
	c.calls = nil
	c.mu.Unlock()
	do()
	c.mu.Lock()
	defer c.mu.Unlock()
	told := fmt.Sprintf("%d + %d", c.calls["Read"], c.calls["Append"])
	delete(c.calls, "Read")
	delete(c.calls, "Append")
	if len(c.calls) > 0 {
		told += fmt.Sprint(" and ", c.calls)
	}
	return told
}

// serveLog serves a log over EventStoreDB's protocol and returns the address.
func serveLog(t *testing.T, log eventstore.Indexed, options esdbserver.Options) string {
	t.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	options.Logger = quiet
	go func() { served <- esdbserver.New(log, options).Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// connect opens the log at an address.
func connect(t *testing.T, address string) eventstore.Store {
	t.Helper()
	log := must(kurrent.Open(kurrent.Options{URL: "esdb://" + address + "?tls=false", Logger: quiet}))
	t.Cleanup(func() { log.Close() })
	must(log.Identity(t.Context()))
	return log
}

// routes is the command API of one process, called over HTTP.
type routes struct {
	*testing.T
	service *commands.Service
	handler http.Handler
	tokens  map[string]string // by whom
	keys    int
}

func newRoutes(t *testing.T, log eventstore.Store, tokens map[string]string) *routes {
	t.Helper()
	secret := auth.Secret("a secret of thirty-two bytes.....")
	owners := auth.NewOwners(secret, time.Now)
	tokens["owner"] = must(owners.Issue("o1"))
	r := &routes{T: t, service: commands.New(log, secret, time.Now), tokens: tokens}
	e := httpapi.New(quiet, prometheus.NewRegistry())
	r.service.Routes(e, owners)
	r.handler = e
	return r
}

// send sends a command and returns the fields of the answer.
func (r *routes) send(who, method, path string, body object) object {
	r.Helper()
	r.keys++
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(must(json.Marshal(body)))
	}
	request := httptest.NewRequestWithContext(r.Context(), method, path, content)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", fmt.Sprintf("%p-%d", r, r.keys))
	if token := r.tokens[who]; token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request)
	var fields object
	if answer.Code/100 != 2 || answer.Body.Len() > 0 && json.Unmarshal(answer.Body.Bytes(), &fields) != nil {
		r.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
	}
	return fields
}

// follow lets a service follow a log until the test ends.
func follow(t *testing.T, s *commands.Service, feed commands.Feed) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Follow(ctx, feed, quiet)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

type object = map[string]any

// TestCallsOfRoutes counts the calls that each route which changes something makes over EventStoreDB's protocol, as
// "reads + appends": by a process that knows nothing yet, and by one that has done the like before and also what came
// before in the stream. docs/performance.md
// lists them, in the same words.
func TestCallsOfRoutes(t *testing.T) {
	var counts callCounts
	kept := memory(t).(eventstore.Indexed)
	log := connect(t, serveLog(t, kept, esdbserver.Options{Called: counts.called}))
	feed := connect(t, serveLog(t, kept, esdbserver.Options{})) // whose calls are not counted
	tokens := map[string]string{}
	r := newRoutes(t, log, tokens)
	storeID := r.send("owner", "POST", "/v1/stores", object{"name": "Cafe", "posGrade": "BRONZE", "settlementDay": 1})["storeId"].(string)
	at := "/v1/stores/" + storeID
	product := func(by *routes) string {
		return by.send("owner", "POST", at+"/products", object{"name": "Coffee", "category": "DRINK", "price": 500})["productId"].(string)
	}
	free := r.send("owner", "POST", at+"/products", object{"name": "Water", "category": "DRINK", "price": 0})["productId"]
	coffee := product(r)
	code := func(by *routes, tableID string) string {
		return by.send("owner", "POST", at+"/tables/"+tableID+"/pairing-codes", nil)["pairingCode"].(string)
	}
	seat := func(by *routes, name string) (deviceID string) {
		tableID := by.send("owner", "POST", at+"/tables", object{"name": name})["tableId"].(string)
		paired := by.send("", "POST", "/v1/devices/pair", object{"pairingCode": code(by, tableID)})
		tokens[name] = paired["deviceToken"].(string)
		tokens[name+" table"] = tableID
		return paired["deviceId"].(string)
	}
	for _, table := range []string{"one", "two"} {
		seat(r, table)
	}
	order := func(by *routes, who string, product any) string {
		return by.send(who, "POST", "/v1/orders", object{"lines": []object{{"productId": product, "quantity": 1}}})["tabId"].(string)
	}
	pay := func(by *routes, tabID string) {
		by.send("owner", "POST", at+"/tabs/"+tabID+"/payments", object{"method": "CASH"})
	}
	var tabID, productID, pairing, device string
	price := 500
	var table strings.Builder
	for _, c := range []struct {
		what   string
		before func(by *routes)
		do     func(by *routes)
	}{
		{"order on an open tab", func(by *routes) { order(by, "one", coffee) }, func(by *routes) { order(by, "one", coffee) }},
		{"order that opens a tab", func(by *routes) { pay(by, order(by, "one", coffee)) }, func(by *routes) { order(by, "one", coffee) }},
		{"payment that closes", func(by *routes) { tabID = order(by, "two", coffee) }, func(by *routes) { pay(by, tabID) }},
		{"close of a free tab", func(by *routes) { tabID = order(by, "two", free) }, func(by *routes) { by.send("owner", "POST", at+"/tabs/"+tabID+"/close", nil) }},
		{"new product", func(*routes) {}, func(by *routes) {
			by.send("owner", "POST", at+"/products", object{"name": "Tea", "category": "DRINK", "price": 400})
		}},
		{"change of a product", func(*routes) {}, func(by *routes) {
			price++
			by.send("owner", "PATCH", at+"/products/"+coffee, object{"price": price})
		}},
		{"removal of a product", func(by *routes) { productID = product(by) }, func(by *routes) { by.send("owner", "DELETE", at+"/products/"+productID, nil) }},
		{"new table", func(*routes) {}, func(by *routes) { by.send("owner", "POST", at+"/tables", object{"name": "Next"}) }},
		{"pairing code", func(*routes) {}, func(by *routes) { by.send("owner", "POST", at+"/tables/"+tokens["one table"]+"/pairing-codes", nil) }},
		{"pairing", func(by *routes) { pairing = code(by, tokens["two table"]) }, func(by *routes) { by.send("", "POST", "/v1/devices/pair", object{"pairingCode": pairing}) }},
		{"revocation of a tablet", func(by *routes) { device = seat(by, fmt.Sprint("seat", price, by == r)) }, func(by *routes) { by.send("owner", "DELETE", at+"/devices/"+device, nil) }},
		{"new store", func(*routes) {}, func(by *routes) {
			by.send("owner", "POST", "/v1/stores", object{"name": "Bar", "posGrade": "BRONZE", "settlementDay": 1})
		}},
	} {
		by := newRoutes(t, log, tokens)
		by.service.LateAtMost(time.Hour) // however busy this machine is
		follow(t, by.service, feed)
		var told []string
		for _, before := range []*routes{r, by} {
			c.before(before)
			if err := by.service.Followed(t.Context(), must(feed.Head(t.Context()))); err != nil {
				t.Fatal(err)
			}
			told = append(told, counts.of(func() { c.do(by) }))
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", c.what, told[0], told[1])
	}
	listed := string(must(os.ReadFile("../docs/performance.md")))
	for line := range strings.Lines(table.String()) {
		if !slices.Contains(slices.Collect(strings.Lines(listed)), line) {
			t.Errorf("docs/performance.md lacks the line %s", line)
		}
	}
}

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// clientAt makes an HTTP client that calls from one of loopback's addresses.
func clientAt(t *testing.T, address string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, to)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: requestMax}
}

// TestPairingUnderAttack: four connections of one address guess codes as fast as they can, and claim to be forwarded for
// others. Sixty tablets at other addresses are paired all the same, each at its first attempt.
func TestPairingUnderAttack(t *testing.T) {
	const tablets = 60
	in := install(t)
	in.serve()
	r := in.owner("anna").open(t, map[string]any{"posGrade": "GOLD"})
	var codes []string
	for n := range tablets {
		var table struct{ TableID string }
		var code struct{ PairingCode string }
		r.owner.send(t, http.MethodPost, r.path("/tables"), "", map[string]string{"name": fmt.Sprint(n)}, http.StatusCreated, &table)
		r.owner.send(t, http.MethodPost, r.path("/tables/%s/pairing-codes", table.TableID), "", struct{}{}, http.StatusCreated, &code)
		codes = append(codes, code.PairingCode)
	}
	var attackers sync.WaitGroup
	var stop atomic.Bool
	var wrong, refused atomic.Int64
	attacked := make(chan struct{}) // the attackers are being refused
	attacker := clientAt(t, "127.0.0.66")
	for n := range 4 {
		attackers.Go(func() {
			for guess := 0; !stop.Load(); guess++ {
				body := strings.NewReader(fmt.Sprintf(`{"pairingCode":"%08d"}`, guess*4+n))
				request, err := http.NewRequest(http.MethodPost, in.base.Load().(string)+"/v1/devices/pair", body)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", guess%250))
				response, err := attacker.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body) // only the status matters
				_ = response.Body.Close()
				switch response.StatusCode {
				case http.StatusNotFound:
					wrong.Add(1)
				case http.StatusTooManyRequests:
					if refused.Add(1) == 100 {
						close(attacked)
					}
				default:
					t.Errorf("a guess is answered with %d", response.StatusCode)
				}
			}
		})
	}
	<-attacked
	for n, code := range codes {
		honest := caller{in: in, http: clientAt(t, fmt.Sprintf("127.0.1.%d", n+1))}
		honest.send(t, http.MethodPost, "/v1/devices/pair", "", map[string]string{"pairingCode": code}, http.StatusCreated, nil)
	}
	stop.Store(true)
	attackers.Wait()
	t.Logf("%d tablets were paired beside %d guesses, of which %d were looked up", tablets, wrong.Load()+refused.Load(), wrong.Load())
	if wrong.Load() > 5+4 { // four at the same moment are all let in
		t.Errorf("%d codes could be tried", wrong.Load())
	}
}

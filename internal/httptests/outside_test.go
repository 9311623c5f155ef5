package httptests

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// outside sends a request that belongs to no operation.
func (w *world) outside(t *testing.T, method, path string, status int, code string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := w.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p problem
	if err := json.Unmarshal(body, &p); err != nil || response.StatusCode != status || p.Code != code || p.RequestID == "" {
		t.Errorf("%s %s: answer %d %.300s, want %d %s", method, path, response.StatusCode, body, status, code)
	}
}

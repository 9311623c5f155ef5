package httptests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"daybook/internal/auth"
)

// late is a request whose head the server has taken, and whose body is still to come.
type late struct {
	conn    net.Conn
	answers *bufio.Reader
	body    string
}

// begin sends a request's head, and returns once the server asks for the body; before that it has let the caller in.
func (w *world) begin(t *testing.T, c call) late {
	t.Helper()
	request, err := w.request(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	l := late{conn: w.dial(t), body: c.body}
	l.answers = bufio.NewReader(l.conn)
	if _, err := fmt.Fprintf(l.conn, "%s %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n", request.Method, request.URL.Path, len(c.body)); err != nil {
		t.Fatal(err)
	}
	if err := request.Header.Write(l.conn); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(l.conn, "\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := l.answers.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("%s: the server does not ask for the body, but says %q, %v", c.op, line, err)
	}
	if _, err := l.answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return l
}

// finish sends the body and returns the answer's status.
func (l late) finish(t *testing.T) int {
	t.Helper()
	if _, err := io.WriteString(l.conn, l.body); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// Who may no longer call when the body has come is refused, although the head came in time.
func TestTokensThatEndWhileTheBodyComes(t *testing.T) {
	t.Parallel()
	r := newRestaurant(t)
	order := r.ordering(1, r.coffee)
	if status := r.begin(t, order).finish(t); status != http.StatusCreated { // or this would test nothing
		t.Fatalf("a late body is answered with %d", status)
	}
	order.key = "another"
	pending := r.begin(t, order)
	r.do(t, r.of("revokeDevice", r.device)).want(t, http.StatusNoContent, "")
	r.nothingHappens(t, func() {
		if status := pending.finish(t); status != http.StatusUnauthorized {
			t.Errorf("the order of a revoked tablet: answer %d", status)
		}
	})
	table := r.of("addTable").with(`{"name":"Late"}`)
	store := call{op: "openStore", token: r.owner, body: `{"name":"Late","posGrade":"GOLD","settlementDay":1}`}
	lates := map[string]late{"addTable": r.begin(t, table), "openStore": r.begin(t, store)}
	r.clock.forward(auth.TokenLifetime)
	r.nothingHappens(t, func() {
		for op, pending := range lates {
			if status := pending.finish(t); status != http.StatusUnauthorized {
				t.Errorf("%s of an owner whose token has expired: answer %d", op, status)
			}
		}
	})
}

// Who may not call is refused before the body is asked for.
func TestStrangersSendNoBody(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	for op, row := range rights {
		if row.who == "anyone" || row.body == "" {
			continue
		}
		for _, who := range m.strangers {
			c := m.call(op, m.ids, who.token)
			head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000\r\nAuthorization: Bearer %s\r\n\r\n", m.path(t, c), who.token)
			if document().route(op).Method != http.MethodPost {
				head = document().route(op).Method + strings.TrimPrefix(head, "POST")
			}
			for _, head := range []string{head, strings.Replace(head, "Expect: 100-continue\r\n", "", 1)} {
				if status, _ := m.raw(t, head); status != http.StatusUnauthorized {
					t.Errorf("%s by %s: answer %d before the body", op, who.name, status)
				}
			}
		}
	}
}

func (w *world) path(t *testing.T, c call) string {
	t.Helper()
	request, err := w.request(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return request.URL.RequestURI()
}

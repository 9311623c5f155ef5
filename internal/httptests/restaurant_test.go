package httptests

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
)

// restaurant is a store with a product, a table and a tablet on it.
type restaurant struct {
	*world
	owner  string // access token
	store  string
	coffee string // a product, 1000 won
	table  string
	tablet string // device token
	device string
}

// Parts of answers that later requests need.
type (
	storeMade   struct{ StoreID string }
	productMade struct{ ProductID string }
	tableMade   struct{ TableID string }
	codeMade    struct{ PairingCode string }
	paired      struct{ DeviceID, DeviceToken, StoreID, TableID string }
	orderPlaced struct{ OrderID, TabID, Status string }
	paymentMade struct {
		PaymentID, TabStatus string
		Amount, Fee, Due     int64
	}
)

// newRestaurant opens a restaurant of its own installation.
func newRestaurant(t *testing.T) *restaurant {
	t.Helper()
	return newWorld(t).restaurant(t, "Owner "+uuid.NewString())
}

// restaurant opens a restaurant of an owner.
func (w *world) restaurant(t *testing.T, owner string) *restaurant {
	t.Helper()
	r := &restaurant{world: w, owner: w.owner(t, owner)}
	r.store = made[storeMade](t, w, call{
		op: "openStore", token: r.owner, body: `{"name":"Corner Cafe","posGrade":"BRONZE","settlementDay":1}`,
	}).StoreID
	r.coffee = r.product(t, "Coffee", "DRINK", 1000)
	r.table = r.addTable(t, "Window")
	p := r.pair(t, r.table)
	r.tablet, r.device = p.DeviceToken, p.DeviceID
	return r
}

// of is a call of the owner to the store, with the further parts of the path.
func (r *restaurant) of(op string, path ...string) call {
	return call{op: op, token: r.owner, path: append([]string{r.store}, path...)}
}

func (c call) with(body string) call {
	c.body = body
	return c
}

func (c call) keyed(key string) call {
	c.key = key
	return c
}

func (c call) asking(query string) call {
	c.query = query
	return c
}

func (c call) as(token string) call {
	c.token = token
	return c
}

func (c call) saying(name, value string) call {
	c.header = c.header.Clone()
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Add(name, value)
	return c
}

func (r *restaurant) product(t *testing.T, name, category string, price int64) string {
	t.Helper()
	body := fmt.Sprintf(`{"name":%q,"category":%q,"price":%d}`, name, category, price)
	return made[productMade](t, r.world, r.of("addProduct").with(body)).ProductID
}

func (r *restaurant) addTable(t *testing.T, name string) string {
	t.Helper()
	return made[tableMade](t, r.world, r.of("addTable").with(fmt.Sprintf(`{"name":%q}`, name))).TableID
}

func (r *restaurant) code(t *testing.T, table string) string {
	t.Helper()
	return made[codeMade](t, r.world, r.of("issuePairingCode", table)).PairingCode
}

func (r *restaurant) pair(t *testing.T, table string) paired {
	t.Helper()
	return made[paired](t, r.world, call{op: "pairDevice", body: fmt.Sprintf(`{"pairingCode":%q}`, r.code(t, table))})
}

// ordering is an order of the restaurant's tablet: quantity, product, quantity, product.
func (r *restaurant) ordering(lines ...any) call {
	body := `{"lines":[`
	for i := 0; i < len(lines); i += 2 {
		if i > 0 {
			body += ","
		}
		body += fmt.Sprintf(`{"quantity":%v,"productId":"%v"}`, lines[i], lines[i+1])
	}
	return call{op: "placeOrder", token: r.tablet, key: uuid.NewString(), body: body + "]}"}
}

// order orders at the restaurant's tablet and returns the tab.
func (r *restaurant) order(t *testing.T, lines ...any) string {
	t.Helper()
	return made[orderPlaced](t, r.world, r.ordering(lines...)).TabID
}

// paying is a payment of a tab.
func (r *restaurant) paying(tab, body string) call {
	return r.of("takePayment", tab).with(body).keyed(uuid.NewString())
}

// pay takes a payment.
func (r *restaurant) pay(t *testing.T, tab, body string) paymentMade {
	t.Helper()
	return made[paymentMade](t, r.world, r.paying(tab, body))
}

// to is the same caller, calling another operation without a path.
func (c call) to(op string) call {
	c.op = op
	return c
}

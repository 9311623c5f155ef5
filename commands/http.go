package commands

import (
	"errors"

	"github.com/labstack/echo/v4"

	"daybook/domain/store"
	"daybook/internal/auth"
	"daybook/internal/httpapi"
)

// api is the command API's routes. Each one says who may call it.
type api struct {
	*Service
	owners *auth.Owners
}

// Routes adds the command API to a server.
func (s *Service) Routes(e *echo.Echo, owners *auth.Owners) {
	a := &api{s, owners}
	e.POST("/v1/stores", a.openStore)
	e.POST("/v1/stores/:storeId/products", ownerCommand(a, form{}, func(c call, wanted AddProduct) (Answer, error) {
		return s.AddProduct(c.ctx, c.store, c.req, wanted)
	}))
	e.PATCH("/v1/stores/:storeId/products/:productId", ownerCommand(a, form{}, func(c call, wanted ChangeProduct) (Answer, error) {
		return s.ChangeProduct(c.ctx, c.store, c.param("productId"), c.req, wanted)
	}))
	e.DELETE("/v1/stores/:storeId/products/:productId", ownerCommand(a, form{bodyless: true}, func(c call, _ struct{}) (Answer, error) {
		return s.RemoveProduct(c.ctx, c.store.StoreID, c.param("productId"), c.req)
	}))
	e.POST("/v1/stores/:storeId/tables", ownerCommand(a, form{}, func(c call, wanted AddTable) (Answer, error) {
		return s.AddTable(c.ctx, c.store.StoreID, c.req, wanted)
	}))
	e.POST("/v1/stores/:storeId/tables/:tableId/pairing-codes", ownerCommand(a, form{bodyless: true}, func(c call, _ struct{}) (Answer, error) {
		return s.IssuePairingCode(c.ctx, c.store.OwnerID, c.store.StoreID, c.param("tableId"), c.req)
	}))
	e.DELETE("/v1/stores/:storeId/devices/:deviceId", ownerCommand(a, form{bodyless: true}, func(c call, _ struct{}) (Answer, error) {
		return s.RevokeDevice(c.ctx, c.store.StoreID, c.param("deviceId"), c.req)
	}))
	e.POST("/v1/stores/:storeId/tabs/:tabId/payments", ownerCommand(a, form{keyNeeded: true}, func(c call, wanted TakePayment) (Answer, error) {
		return s.TakePayment(c.ctx, c.store, c.param("tabId"), c.req, wanted)
	}))
	e.POST("/v1/stores/:storeId/tabs/:tabId/close", ownerCommand(a, form{bodyless: true}, func(c call, _ struct{}) (Answer, error) {
		return s.CloseTab(c.ctx, c.store, c.param("tabId"), c.req)
	}))
	e.POST("/v1/devices/pair", a.pairDevice)
	e.POST("/v1/orders", a.placeOrder)
}

// form is what a route demands of its request's form.
type form struct {
	keyNeeded bool // an Idempotency-Key must be given
	bodyless  bool // the body may be absent
	open      bool // anybody may send it
}

// read reads a command's key and body.
func (f form) read(c echo.Context, wanted any) (key string, err error) {
	if _, err := httpapi.CheckQuery(c); err != nil {
		return "", err
	}
	if key, err = httpapi.IdempotencyKey(c, f.keyNeeded); err != nil {
		return "", err
	}
	bytesMax := httpapi.BodyMax
	if f.open {
		bytesMax = httpapi.OpenBodyMax
	}
	return key, httpapi.DecodeBody(c, wanted, f.bodyless, bytesMax)
}

// owner returns the owner who calls, or auth.ErrToken.
func (a *api) owner(c echo.Context) (string, error) {
	token, err := httpapi.Bearer(c)
	if err != nil {
		return "", err
	}
	return a.owners.Verify(token)
}

// request makes a request whose fingerprint is what a repeated request must agree in: the route, what its path names, and the body.
func (a *api) request(c echo.Context, scope, key, actor, storeID string, wanted any) (Request, error) {
	route := c.Request().Method + " " + c.Request().URL.Path
	return newRequest(a.secret, scope, key, actor, storeID, httpapi.RequestID(c), route, wanted)
}

func (a *api) openStore(c echo.Context) error {
	ownerID, err := a.owner(c)
	if err != nil {
		return err
	}
	var wanted OpenStore
	key, err := form{}.read(c, &wanted)
	if err != nil {
		return err
	}
	if _, err := a.owner(c); err != nil { // the token may have expired while the body came
		return err
	}
	actor := "owner:" + ownerID
	req, err := a.request(c, actor, key, actor, "", wanted)
	if err != nil {
		return err
	}
	return write(c)(a.OpenStore(c.Request().Context(), ownerID, req, wanted))
}

func (a *api) pairDevice(c echo.Context) error {
	caller := httpapi.Caller(c)
	if wait := a.pairings.Wait(caller, a.now()); wait > 0 {
		return errWrongCodes(wait)
	}
	var wanted PairDevice
	key, err := form{open: true}.read(c, &wanted)
	if err != nil {
		return err
	}
	if wait := a.pairings.Wait(caller, a.now()); wait > 0 { // others of the same caller were wrong while the body came
		return errWrongCodes(wait)
	}
	answer, err := a.PairDevice(c.Request().Context(), wanted, func(pairingID, storeID string) (Request, error) {
		return a.request(c, "pairing:"+pairingID, key, "pairing:"+pairingID, storeID, wanted)
	})
	if errors.Is(err, store.ErrCode) {
		a.pairings.Wrong(caller, a.now())
	}
	return write(c)(answer, err)
}

func (a *api) placeOrder(c echo.Context) error {
	token, err := httpapi.Bearer(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := a.admits(ctx, token); err != nil {
		return err
	}
	var wanted PlaceOrder
	key, err := form{keyNeeded: true}.read(c, &wanted)
	if err != nil {
		return err
	}
	device, err := a.Device(ctx, token) // decisive: the tablet may have been revoked while the body came
	if err != nil {
		return err
	}
	actor := devicePrefix + device.DeviceID
	req, err := a.request(c, device.StoreID+" "+actor, key, actor, device.StoreID, wanted)
	if err != nil {
		return err
	}
	return write(c)(a.PlaceOrder(ctx, device, req, wanted))
}

package commands

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"daybook/internal/auth"
	"daybook/internal/httpapi"
)

// call is an owner's command to one of their stores, ready to be carried out.
type call struct {
	ctx   context.Context
	store auth.Store
	req   Request
	param func(name string) string
}

// ownerCommand makes a route of a command that the owner of the store in the path may give.
func ownerCommand[T any](a *api, f form, do func(call, T) (Answer, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		ownerID, err := a.owner(c)
		if err != nil {
			return err
		}
		ctx := c.Request().Context()
		of, err := a.Owned(ctx, ownerID, c.Param("storeId"))
		if err != nil {
			return err
		}
		var wanted T
		key, err := f.read(c, &wanted)
		if err != nil {
			return err
		}
		if _, err := a.owner(c); err != nil { // the token may have expired while the body came
			return err
		}
		actor := "owner:" + ownerID
		req, err := a.request(c, of.StoreID+" "+actor, key, actor, of.StoreID, wanted)
		if err != nil {
			return err
		}
		return write(c)(do(call{ctx, of, req, c.Param}, wanted))
	}
}

// write answers with a command's outcome.
func write(c echo.Context) func(Answer, error) error {
	return func(answer Answer, err error) error {
		if err != nil {
			return err
		}
		c.Response().Header().Set(httpapi.PositionHeader, answer.Position.String())
		if answer.Status == http.StatusNoContent {
			return c.NoContent(answer.Status)
		}
		return c.Blob(answer.Status, echo.MIMEApplicationJSON, answer.Body)
	}
}

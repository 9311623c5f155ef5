package app

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
)

//go:embed openapi.json
var openAPIDocument []byte

// OpenAPI is the document that /openapi.json serves: the full truth about both APIs.
func OpenAPI() []byte { return openAPIDocument }

func openAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, openAPIDocument)
}

package app

import (
	_ "embed"
	"net/http"
	"regexp"

	"github.com/labstack/echo/v4"
)

//go:embed openapi.json
var openAPIDocument []byte

// OpenAPI is the document that /openapi.json serves: the full truth about both APIs.
func OpenAPI() []byte { return openAPIDocument }

func openAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, openAPIDocument)
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

// Routes lists what the server serves, as the document writes it: "GET /v1/stores/{storeId}". The order is any.
func (s *Server) Routes() []string {
	var routes []string
	for _, r := range s.echo.Routes() {
		routes = append(routes, r.Method+" "+pathParameter.ReplaceAllString(r.Path, "{$1}"))
	}
	return routes
}

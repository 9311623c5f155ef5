package httptests

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"daybook/internal/app"
)

// contract is the server's own document, ready to hold requests and answers against.
type contract struct {
	doc    *openapi3.T
	router routers.Router
	routes map[string]*routers.Route // by operation id
}

// document loads the contract, once.
var document = sync.OnceValue(func() *contract {
	doc, err := openapi3.NewLoader().LoadFromData(app.OpenAPI())
	if err != nil {
		panic(err)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		panic(fmt.Errorf("openapi.json: %w", err))
	}
	seal(doc)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	c := &contract{doc: doc, router: router, routes: map[string]*routers.Route{}}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if c.routes[operation.OperationID] != nil {
				panic("two operations are called " + operation.OperationID)
			}
			c.routes[operation.OperationID] = &routers.Route{
				Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation,
			}
		}
	}
	return c
})

// seal forbids undocumented fields in answers, too. The document does not: clients must take a field that is added.
func seal(doc *openapi3.T) {
	var closeObject func(*openapi3.SchemaRef)
	closeObject = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil {
			return
		}
		s := ref.Value
		if s.Properties != nil && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
			s.AdditionalProperties.Has = new(bool)
		}
		for _, property := range s.Properties {
			if property.Ref == "" {
				closeObject(property)
			}
		}
		closeObject(s.Items)
	}
	for name, schema := range doc.Components.Schemas {
		if name != "Problem" { // whose codes are told beside it, in an allOf
			closeObject(schema)
		}
	}
}

// operations are the ids of all operations, in order.
func (c *contract) operations() []string { return slices.Sorted(maps.Keys(c.routes)) }

// route is an operation, which must exist.
func (c *contract) route(operation string) *routers.Route {
	route := c.routes[operation]
	if route == nil {
		panic("the document has no operation " + operation)
	}
	return route
}

var pathName = regexp.MustCompile(`\{(\w+)\}`)

// pathNames are the names of an operation's path parameters, in the order of the path.
func (c *contract) pathNames(operation string) []string {
	names := []string{}
	for _, match := range pathName.FindAllStringSubmatch(c.route(operation).Path, -1) {
		names = append(names, match[1])
	}
	return names
}

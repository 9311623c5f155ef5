package commands

import (
	"context"
	"fmt"
)

// NewRequest is what the routes make of an HTTP request.
var NewRequest = newRequest

// NewID is the id that a request's command makes.
func NewID(r Request, prefix string) string { return r.newID(prefix) }

// Fold reads a stream of a kind that Caches names.
func (s *Service) Fold(ctx context.Context, kind, name string) (err error) {
	switch kind {
	case "tabs":
		_, err = s.tabs.load(ctx, name)
	case "menus":
		_, err = s.menus.load(ctx, name)
	case "stores":
		_, err = s.stores.load(ctx, name)
	case "codes":
		_, err = s.codes.load(ctx, name)
	default:
		err = fmt.Errorf("no kind %s", kind)
	}
	return err
}

package commands

// NewRequest is what the routes make of an HTTP request.
var NewRequest = newRequest

// NewID is the id that a request's command makes.
func NewID(r Request, prefix string) string { return r.newID(prefix) }

package commands

// NewRequest is what the routes make of an HTTP request.
var NewRequest = newRequest

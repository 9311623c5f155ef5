// Package kurrent keeps the event log in KurrentDB (EventStoreDB), for those who outgrow one machine. It is the adapter
// of eventstore over EventStore-Client-Go, and the only package that imports that.
//
// # What the library does and what is done about it
//
// A broken connection leaves the library's client in a state where calls hang for ever, so each client is used until
// its first failure and then replaced, by one attempt at a time and with growing, random pauses; see link. Every call of
// the library runs in a goroutine of its own and is left behind when the caller's context ends. Its panics are errors.
// A call that failed because the connection broke, the server was busy or not the leader is repeated until the
// context ends (or Options.Patience), an append after looking whether it had succeeded. A refusal that would be repeated
// (credentials, a certificate that does not fit) is returned at once, and wraps ErrUnavailable.
//
// # Reads and the leader
//
// Appends, Fresh reads of a stream, ReadAll and Head are answered by the leader. Other reads of a stream and
// subscriptions may be answered by a follower, if the connection string's nodePreference says so.
//
// A read of the log forward with a filter lets the server filter, by prefix or else by type, where the server says when
// there is no more (23.10 and later); everywhere the events are checked again on this side. Other reads of the log
// filter on this side only.
//
// # Subscriptions
//
// Each subscription receives all events but the server's own and filters on this side. The server could filter, but
// then a position would move past others' events only by the server's checkpoints, which come after so many events and
// not within the 100 ms of the port, and which in some server versions were ahead of what they had delivered. So
// checkpoints are not looked at: a position is always that of an event which was received. Whether it is the end of the
// log is found by asking for the head, once for each batch that has nothing behind it.
//
// A subscription that is dropped begins again after the last event that was received, and drops what it has had.
//
// # What is not shown
//
// Events of streams and types that begin with '$', which are the server's, are never part of ReadAll, Head or a
// subscription. Neither is the stream daybook_log, whose only event holds the log's identity; its name has no '-', so it
// is of no category and no store. Positions keep the server's commit and prepare numbers.
//
// # What is not here
//
// Persistent subscriptions, which do not keep order; appends to several streams at once; deletion. The library ends the
// process if a server sends an event whose time is not a number; nothing can be done about that here.
package kurrent

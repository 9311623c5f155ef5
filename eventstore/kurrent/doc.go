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
// (credentials, a certificate that does not fit) is returned at once, and wraps ErrUnavailable. What stands before the
// server, an ingress or a proxy, has no last word: what it answers is taken for a broken connection.
//
// The library asks one address after the other, each for seconds. So the node is found here and the library is given
// one address: all seeds are asked at once for the node to use, and while none answers, another attempt begins each
// second beside those that wait. The files that the connection string names are read at each connection.
//
// A call with a deadline waits 1.5 s for a connection, and then returns ErrUnavailable with the cause, which is also
// context.DeadlineExceeded. Why there is no connection is logged once with what to do, again when the cause changes,
// and when it is over.
//
// A link on which nothing comes for a second while calls wait is asked something small, and given up if nothing comes
// for as long again. A server that is merely slow with a call answers that; where many calls wait, it is asked over a
// connection of its own. gRPC's keep-alive cannot be switched off, and finds a silent connection that nobody waits for.
//
// # Reads and the leader
//
// Of a cluster, the leader is used, and waited for, unless nodePreference says otherwise. Then the nodes that may be used are
// asked at once, and one that is preferred is left for another if it does not answer. An address of one node is used
// whatever that node is; asked for what only the leader may do, it names the leader, and the library goes there and
// stays.
//
// Appends, Fresh reads of a stream, ReadAll and Head are answered by the leader. Other reads of a stream and
// subscriptions may be answered by a follower, if the connection string's nodePreference says so.
//
// A read of the log forward lets the server filter, by prefix or else by type or else by Options.Prefixes, where the
// server says when there is no more (23.10 and later); everywhere the events are checked again on this side. Other
// reads of the log filter on this side only.
//
// # Damage
//
// A stream that was truncated ($maxCount, $maxAge, $tb), or deleted and written to again, begins at a revision above 0:
// reading it from its start is a Corruption that names both, as is a tombstoned stream. A stream that was deleted and
// not written to since cannot be told from one that never was, until it is written to. Meddled names the streams to which
// something of that kind was done.
//
// # A log that goes back
//
// An older copy may be put in the log's place while the process runs. The store remembers the last event that it has met,
// read or written, and looks for it at each connection before that is used; gRPC would mend a broken one silently, so it is
// given a policy that does not, and a link ends with its connection. If the event is no more, History counts on, Options.WentBack is told,
// and what began before ends with ErrUnavailable: a subscription, a read that had begun, an append. A log of another
// identity is never used.
//
// # Subscriptions
//
// The server filters each subscription by Options.Prefixes, so that what other applications write, however large, stays
// there. Which of this log's events a subscriber wants is decided on this side: a position must move past the others
// within 100 ms, and the server's checkpoints come after so many events, and in some server versions were ahead of what
// they had delivered. So checkpoints are not looked at: a position is always that of an event which was received.
//
// A subscription is at the end of the log once the server says that it has caught up (23.10 and later), until the
// server takes that back or the connection breaks. Before that, and with older servers, the head is asked for, once for
// each batch that has nothing behind it.
//
// # The head
//
// Behind the last event of this log may stand a million of the server's own and of other applications. What was looked
// at once is not looked at again: the store remembers up to where there is nothing of this log. What is not among the
// last 16 events is searched for once, for all who ask: by the server, forward from what is known, or if nothing is
// known, backward on this side. At tells where to begin, which projections ask
// about their checkpoints.
//
// A subscription that is dropped begins again after the last event that was received, and drops what it has had.
//
// # What is not shown
//
// Events of streams and types that begin with '$', which are the server's, and those outside of Options.Prefixes are never
// part of ReadAll, Head or a subscription. Neither is the stream daybook_log, whose only event holds the log's identity; its name has no '-', so it
// is of no category and no store. Positions keep the server's commit and prepare numbers.
//
// # What is not here
//
// Persistent subscriptions, which do not keep order; appends to several streams at once; deletion. The library ends the
// process if a server sends an event whose time is not a number; nothing can be done about that here.
package kurrent

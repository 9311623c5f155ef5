// Package esdbserver serves an embedded store over the gRPC protocol of EventStoreDB (KurrentDB), so that its clients
// and tools can read the log and, where allowed, write it. The vendor's own client test suite judges it; see folder
// clientsuite.
//
// # What is answered
//
// Append and batch append; reads of streams and of $all, both ways, with server-side filters and resolved links;
// subscriptions with checkpoints, caught-up and fell-behind; delete and tombstone; stream metadata; server features and
// gossip. A position is the embedded store's number, as commit and as prepare.
//
// # How deletion is stored
//
// The store knows neither deletion nor metadata: both are events, as in the original. A stream's metadata is the last
// event of stream "$$" plus its name; deleting a stream sets "$tb" there to the greatest revision; a tombstone is an event
// of type $streamDeleted at the stream's end. What they mean is applied here, to reads and subscriptions of the stream,
// and never to $all: nothing is ever removed from the log.
//
// # What is not here
//
//   - Persistent subscriptions, projections, monitoring and user management: Unimplemented.
//   - Access control lists: they are kept as metadata but not enforced. A user may do everything, or only read.
//   - The content type of an event: the log does not keep it. Data that is JSON is served as JSON, other as bytes.
//   - Ids for "any" revision outlive neither the process nor a bounded memory, as with the original, which may forget.
package esdbserver

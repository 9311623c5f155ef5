// Package projections turns the log into read models: what they hold (one file each), how they follow
// the log, how they are rebuilt beside the old ones, and how they are verified. Where they are kept is behind
// the Sink port.
//
// Not here: deciding anything (commands), answering queries (readapi), storing events (eventstore).
package projections

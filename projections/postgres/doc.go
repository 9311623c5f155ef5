// Package postgres keeps read models in PostgreSQL, through pgx. Its tables are made by package migrations.
//
// A batch is one statement: a common table expression moves the checkpoint if it stands where the batch begins, and
// everything else in the statement works for as many rows as that yields, one or none. The row of the checkpoint is
// locked by the same update, so of two attempts the second waits, looks again, and finds the target moved. PostgreSQL
// adds up the counters and refuses overflows; a check constraint refuses an Add to a row.
//
// Batches do not wait for PostgreSQL's disk (synchronous_commit is off for them, unless the address says otherwise): a power cut
// may take the last ones, effects and checkpoint together and in order, and the projection reads those events again from
// the log, where they are safe.
//
// A read is one statement, which sees one moment, and Gets that come while others are under way share one; Scan is a
// read-only transaction that sees one.
//
// A pooler may stand between (PgBouncer, by session or by transaction): nothing here outlives its transaction, and
// statements are prepared only where there is none. A server that hangs, or whose tables are locked, makes calls wait
// until their context ends, or a minute at most.
//
// A dropped target is marked, and is gone from then on. Its fields are deleted in pieces afterwards; whoever calls Drop
// next takes up what an interrupted one has left.
//
// Not here: SQL views on single read models.
package postgres

// Package redis keeps read models in Redis (6.2 or later; Valkey as well), through go-redis.
//
// # What is stored
//
//	daybook:{MODEL}:active             the active generation; absent: 1
//	daybook:{MODEL}:generations        set of the generations that have a checkpoint
//	daybook:{MODEL}:N:state            hash: at, the checkpoint; partitions, how many; p:PARTITION, how many fields it has
//	daybook:{MODEL}:N:partitions       sorted set of the partitions' names, for Scan and Drop
//	daybook:{MODEL}:N:p:PARTITION      hash: a counter as its decimal digits, a row as JSON, which never looks like one
//	daybook:{MODEL}:N:holds            sorted set of the scans that hold the generation still, by when their hold ends
//
// All keys of a model share a hash slot, so that a batch, but also a switch between generations, is one atomic step.
// The counters can be read with redis-cli (HGETALL). Writing anything there breaks what is promised here.
//
// # What is promised
//
// Each step that writes is one Lua script. Redis does not undo what a script wrote before an error, so apply.lua makes
// sure that nothing can fail before it writes anything. No script calculates with counters, because Lua has only
// floating-point numbers: HINCRBY does.
//
// What Redis forgets together (a restart, an older snapshot) takes effects and checkpoint alike: the target stands at an
// older or the zero Checkpoint, and the projection reads those events again. Eviction and deletion take single keys. So
// the state counts: each script and each read compares what there is with it, and where something is missing, the whole
// target is deleted and made again from the log; what is left over of a target without a state is nobody's. A Redis that
// may evict any key is refused, too (ErrEvicts). Not noticed is a value that somebody changes in its place.
//
// Redis has no snapshot to read a whole target from, so a Scan holds it still: Apply answers ErrHeld meanwhile. Get and
// List are one transaction. A List transfers the whole partition, whatever its limit.
//
// Not here: Redis Cluster clients, and what a replica may answer.
package redis

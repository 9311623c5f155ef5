// Package embedded keeps read models in a directory of its own process, on Pebble. It is the default sink: nothing to
// install.
//
// # What is stored
//
//	a <model>                                              the active generation
//	c <model> 0 <generation>                               the checkpoint
//	f <model> 0 <generation> <partition> 0 <field>         a value: 'r' and a row's JSON, or 'c' and a counter
//
// Names hold no NUL, so the order of keys is the order of partitions and fields. A file named daybook-read-models marks
// the directory, says its format, and where targets stand at least; Pebble's files are in the folder pebble.
//
// # What is promised
//
// A batch's effects and its checkpoint are one Pebble batch, so what is here is right at any time, whatever crashed.
// There is no write-ahead log: it would be one more thing to lose a piece of, and the event log has it all. Batches are
// in memory until Pebble flushes them, in their order: a crash takes the last ones, effects and checkpoint together, and
// the projection reads those events again. At most two or four memory tables are lost so, which is a second's work.
// Close brings everything to the disk.
//
// Damage does not stop anybody and is never served. What Pebble finds at opening (a missing or shortened file, a broken
// manifest), what the mark finds (a target that does not stand where it was seen: files that vanished, an older copy),
// and what a checksum finds while the sink is in use lead to the same: one line in the log, the files set aside in the
// folder damaged, and empty read models, which the projections fill from the event log. In use, the sink is unavailable
// for that moment.
//
// Counters are read, checked and written as they are, under the target's lock. Pebble's merge operator would do without
// the read, but not without finding out that the field holds no row and the sum no overflow.
//
// Not here: several processes on one directory.
package embedded

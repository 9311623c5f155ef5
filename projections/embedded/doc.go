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
// the directory; Pebble's files are in the folder pebble.
//
// # What is promised
//
// A batch's effects and its checkpoint are one Pebble batch, so what is here is right at any time, whatever crashed.
// Batches are written to Pebble's write-ahead log without waiting for the disk: a power cut may take the last ones,
// effects and checkpoint together, and the projection reads those events again. Close brings everything to the disk.
//
// Counters are read, checked and written as they are, under the target's lock. Pebble's merge operator would do without
// the read, but not without finding out that the field holds no row and the sum no overflow.
//
// Not here: several processes on one directory.
package embedded

// Package embedded keeps the event log in a directory of its own process, on Pebble. It is the default adapter of
// eventstore: durable, restartable, nothing to install.
//
// # What is stored
//
// A position is a number, 1, 2, 3, … without gaps. Every event has three keys, written in one atomic batch:
//
//	e <partition> 0 <type> 0 <position>   the record: type, stream, revision, id, data, metadata, time, checksum
//	s <stream> 0 <revision>               its position and type
//	p <position>                          its type and stream
//
// and the first event of an append has a fourth, by which the append is found again for ever:
//
//	i <event id>                          its position
//
// A partition is a stream's name up to (not including) its second '-': "tab-S" for "tab-S-T.1". Its records of one type
// are a lane: they lie side by side in log order and are read as a range, without a look at any other, so what folds
// one type of many pays for that type alone. What reads several lanes merges them by position. The small p entries let
// a filter skip events without fetching them. Each record and entry carries a CRC32C over its key and value, beside the
// checksums of Pebble's own blocks. A file named daybook-log marks the directory, says its format and identity, and
// holds what the log must at least contain; Pebble's files are in the folder pebble.
//
// # What is promised
//
// Append returns after its group's one fsync. Readers see an event only after that: they bound themselves by the
// published head, never by what Pebble holds in memory. After a failed write the store refuses appends until it is
// opened again, as nobody can know what the disk took; what was durable can still be read. A Log is a store that opens
// itself again. Tables that cannot be written, as on a full disk, are tried again, and stop appends only when memory
// and the write-ahead log are full; a full disk refuses an opening.
//
// Open after a crash replays Pebble's write-ahead log, which may end in the middle of a write that was never
// acknowledged. Because a group is written only after the one before it is on disk, an unreadable place with a later
// group behind it is damage, and so is one that a single flipped bit explains: both are refused with a
// *eventstore.Corruption, where Pebble alone would cut the log there and go on. What cannot be told from an unfinished
// write is larger damage behind which no later group can be read, such as a lost end of the file. After a clean Close
// there is no such window: everything is in checksummed tables, and the mark notes the head. In use, the mark follows
// at every flush, that is at least every 16 MiB.
//
// # What is not here
//
// Deleting streams and stream metadata. Any stream name is taken ("$settings", "$$tab-S-T"), so a protocol server
// can put those on top.
package embedded

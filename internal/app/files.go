package app

// share is how the files that a process may have open are shared out, so that no number of callers can take those that
// storage needs: a log that cannot open a file ends the process.
type share struct {
	storage     int // open at a time by the log, and as many by embedded read models
	connections int // to the public address
}

// Bounds of a share. What a process keeps for connections is some 20 KiB each.
const (
	storageFilesMax = 1000
	connectionsMax  = 4096

	adminConnectionsMax = 16
	esdbConnectionsMax  = 64
)

// shareOf shares out so many files: of 1,024, the log and the read models get 204 each and callers 409. The rest, 207, is
// for what they open beside, for PostgreSQL, Redis and KurrentDB, the command line and EventStoreDB's clients.
func shareOf(files int) share {
	return share{storage: min(storageFilesMax, files/5), connections: min(connectionsMax, files*2/5)}
}

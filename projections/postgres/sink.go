package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/migrations"
	"daybook/projections"
)

const connectTimeout = 2 * time.Second

// connectionsMax is how many connections are held, unless the address says otherwise. pgx's default, one for each
// processor, would make queries queue before the projections.
const connectionsMax = 16

// Sink is projections.Sink on a PostgreSQL database.
type Sink struct {
	pool    *pgxpool.Pool
	patient bool // the address says whether batches wait for the disk
	lookups lookups
	life    context.Context // ends with Close
	endLife context.CancelFunc
}

var _ projections.Sink = (*Sink)(nil)

// ErrPooler: a pooler such as PgBouncer stands before the database, and is set up so that it cannot be used.
var ErrPooler = errors.New("the pooler before postgres refuses this program")

// Open connects to the database at url, for example postgres://daybook:secret@db:5432/daybook, which takes pgx's
// parameters, such as pool_max_conns. The schema must be the one of this program: migrations.Up makes it so; Open only
// looks, and returns migrations.ErrOld or ErrNew. A pooler may stand before it that
// keeps a connection for a session or for a transaction; ErrPooler if it refuses our way of using it. If the database cannot be reached, the error wraps
// projections.ErrSinkUnavailable.
func Open(ctx context.Context, url string) (*Sink, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, migrations.ErrAddress // pgx's own error shows the address, perhaps with its password
	}
	if !strings.Contains(url, "pool_max_conns=") {
		config.MaxConns = connectionsMax
	}
	connection := config.ConnConfig
	if connection.ConnectTimeout == 0 || connection.ConnectTimeout > connectTimeout {
		connection.ConnectTimeout = connectTimeout
	}
	if connection.RuntimeParams["application_name"] == "" {
		connection.RuntimeParams["application_name"] = "daybook"
	}
	s := &Sink{patient: connection.RuntimeParams["synchronous_commit"] != ""}
	s.life, s.endLife = context.WithCancel(context.Background())
	if err := s.call(ctx, func(ctx context.Context) error { return suit(ctx, connection) }); err != nil {
		s.endLife()
		return nil, err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		s.endLife()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := s.call(ctx, func(ctx context.Context) error { return migrations.Check(ctx, s.pool) }); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Name is "postgres".
func (s *Sink) Name() string { return "postgres" }

// ping reads nothing of our tables, but must be allowed to: it waits while somebody has locked them.
const ping = `
SELECT current_setting('transaction_read_only')::boolean
WHERE NOT EXISTS (SELECT FROM read_target LIMIT 0) AND NOT EXISTS (SELECT FROM read_field LIMIT 0)`

// Ping returns nil if the database answers and takes writes.
func (s *Sink) Ping(ctx context.Context) error {
	return s.call(ctx, func(ctx context.Context) error {
		var readOnly bool
		err := s.pool.QueryRow(ctx, ping).Scan(&readOnly)
		if err == nil && readOnly {
			return fmt.Errorf("%w: the database is read-only", projections.ErrSinkUnavailable)
		}
		return err
	})
}

// closeMax is what Close waits for connections through which nothing comes. They are given up later by themselves.
const closeMax = 500 * time.Millisecond

// Close ends calls under way and closes the connections.
func (s *Sink) Close() error {
	s.endLife()
	closed := make(chan struct{})
	go func() {
		s.pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeMax):
	}
	return nil
}

// answerMax is what a call waits for PostgreSQL if its context allows more. A large batch takes seconds. It is for a
// server that hangs and a connection that is gone without a word, which TCP notices after a quarter of an hour.
const answerMax = time.Minute

// call runs fn with a context that ends with the caller's or the sink's, or after answerMax, and says what an error of it
// means.
func (s *Sink) call(ctx context.Context, fn func(context.Context) error) error {
	return s.within(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, answerMax)
		defer cancel()
		return fn(ctx)
	})
}

// within is call without answerMax, for what may take any time.
func (s *Sink) within(ctx context.Context, fn func(context.Context) error) error {
	if err := projections.CallEnded(ctx, s.life); err != nil {
		return err
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	err := meaning(fn(within))
	if errors.Is(err, projections.ErrSinkUnavailable) { // perhaps only because we hung up
		if ended := projections.CallEnded(ctx, s.life); ended != nil {
			return ended
		}
	}
	return err
}

// meaning says what an error means to a caller of the port.
func meaning(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{projections.ErrFenced, projections.ErrActive, projections.ErrNotBuilt, projections.ErrSinkUnavailable,
		migrations.ErrOld, migrations.ErrNew, ErrPooler, errOfCaller} {
		if errors.Is(err, known) {
			return err
		}
	}
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		// Not said by PostgreSQL, so said about the connection to it.
		return fmt.Errorf("%w: postgres: %w", projections.ErrSinkUnavailable, err)
	}
	switch {
	case isPoolers(refusal):
		return fmt.Errorf("%w: %s", ErrPooler, refusal.Message)
	case refusal.Code == "22003" && refusal.Routine == "int8pl": // numeric_value_out_of_range, in an addition of int64
		return fmt.Errorf("%w: postgres: %w", projections.ErrOverflow, err)
	case refusal.Code == "23514" && refusal.ConstraintName == "read_field_holds_one": // check_violation
		return fmt.Errorf("%w: postgres: %w", projections.ErrNotCounter, err)
	case isPassing(refusal.Code):
		return fmt.Errorf("%w: postgres: %w", projections.ErrSinkUnavailable, err)
	}
	return fmt.Errorf("postgres: %w", err)
}

// isPoolers reports whether a refusal is a pooler's and stays while its settings and our address do. The message is all
// that tells it from PgBouncer's others.
func isPoolers(refusal *pgconn.PgError) bool {
	return refusal.Code == "08P01" && (strings.HasPrefix(refusal.Message, "unsupported startup parameter") ||
		strings.HasPrefix(refusal.Message, "transaction blocks not allowed"))
}

// isPassing reports whether the same statement may succeed later: the server or the connection was in trouble, or other
// transactions were in the way.
func isPassing(code string) bool {
	for _, class := range []string{
		"08",    // connection exception
		"25006", // read-only: a standby
		"28",    // invalid authorization: while passwords are changed
		"3D",    // the database does not exist: while it is restored
		"40",    // transaction rollback: serialization, deadlock
		"53",    // insufficient resources: disk full, too many connections
		"55P03", // lock not available
		"57",    // operator intervention: shutdown, crash, starting up, statement cancelled by the administrator
		"58",    // system error: I/O
	} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

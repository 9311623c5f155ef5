// Package migrations holds Daybook's PostgreSQL schema as numbered SQL files and brings a database to it.
//
// Files are only ever added. A file is changed no more once a release has it, and must suit the release before: while
// a new version is rolled out, processes of both work on the database.
//
// Not here: data. Read models are made again from the log.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

const (
	// table records which files were applied.
	table = "daybook_migrations"
	// lockID is the advisory lock that one process holds while it migrates: "daybook" as a number.
	lockID = 0x646179626f6f6b
	// lockPatience is how long others wait for it.
	lockPatience   = 5 * time.Minute
	connectTimeout = 2 * time.Second
)

var (
	// ErrOld: the database lacks what this program needs. Run Up.
	ErrOld = errors.New("database schema is older than this program: run daybook migrate")
	// ErrNew: a newer program has migrated the database. Use that one.
	ErrNew = errors.New("database schema is newer than this program: use a newer daybook")
	// ErrAddress: the address cannot be parsed. It is never shown, as it may hold a password anywhere.
	ErrAddress = errors.New("not an address of a database, as in postgres://user:password@host:5432/database")
)

// Latest is the version that this program brings a database to: the number of its last file.
func Latest() int64 {
	latest := int64(0)
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // an embedded directory is always readable
	}
	for _, entry := range entries {
		number, _, _ := strings.Cut(path.Base(entry.Name()), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("migration %s has no number", entry.Name()))
		}
		latest = max(latest, version)
	}
	return latest
}

// Up brings the database at url to Latest, or leaves it at the file before the one that failed. Several processes may
// call it at once: one works, the others wait. A database that is newer is left as it is: ErrNew.
func Up(ctx context.Context, url string) error {
	db, err := open(url)
	if err != nil {
		return err
	}
	defer db.Close()
	release, err := lock(ctx, url)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer release()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(table), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	current, err := Version(ctx, url)
	if err != nil {
		return err
	}
	return compare(current)
}

// lock takes the advisory lock, in a transaction on a connection of its own: behind a pooler, a lock of a session would
// stay on a connection that the next transaction does not have.
func lock(ctx context.Context, url string) (release func(), err error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	release = func() { _ = conn.Close(context.WithoutCancel(ctx)) } // ends the transaction, and so the lock
	waiting, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	if _, err = conn.Exec(waiting, "BEGIN"); err == nil {
		_, err = conn.Exec(waiting, "SELECT pg_advisory_xact_lock($1)", int64(lockID))
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Version of the database at url; 0 if it was never migrated.
func Version(ctx context.Context, url string) (int64, error) {
	config, err := parse(url)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, fmt.Errorf("schema version: %w", err)
	}
	defer conn.Close(ctx)
	return version(ctx, conn)
}

// Querier is a pgx connection, pool or transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Check returns nil if the database is at Latest, otherwise ErrOld or ErrNew.
func Check(ctx context.Context, db Querier) error {
	current, err := version(ctx, db)
	if err != nil {
		return err
	}
	return compare(current)
}

func compare(current int64) error {
	switch latest := Latest(); {
	case current < latest:
		return fmt.Errorf("%w (it is at %d, needed is %d)", ErrOld, current, latest)
	case current > latest:
		return fmt.Errorf("%w (it is at %d, known is %d)", ErrNew, current, latest)
	}
	return nil
}

func version(ctx context.Context, db Querier) (current int64, err error) {
	err = db.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+table+" WHERE is_applied").Scan(&current)
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Code == "42P01" { // undefined table
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("schema version: %w", err)
	}
	return current, nil
}

func open(url string) (*sql.DB, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*config), nil
}

func parse(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, ErrAddress
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > connectTimeout {
		config.ConnectTimeout = connectTimeout
	}
	if config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec // a pooler may give the next statement to another connection
	}
	return config, nil
}

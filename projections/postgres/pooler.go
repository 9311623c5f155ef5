package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// suit makes connections suit what they lead to. A pooler such as PgBouncer may give each transaction to another
// connection of PostgreSQL's: a statement that was prepared on one is not known on the next, so none is. Nor does
// anything else here outlive its transaction: no setting, no lock, no cursor.
//
// A pooler shows in that the process which works for us is not the one that the connection was greeted by.
func suit(ctx context.Context, config *pgx.ConnConfig) error {
	first := config.Copy()
	first.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, first)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var works uint32
		if err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&works); err != nil {
			return err
		}
		if works != conn.PgConn().PID() && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
			config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
		return nil
	})
}

/*
 * database - the database of a worker: a connection that heals, to the best of its hosts.
 *
 * Owns the choice among hosts, what is done about a lost connection and how long to leave a
 * dead server alone.  Knows no table.  What one connection is, and which statements are
 * prepared on it, is connection's.
 *
 * A database that is away is no fault of the process: database_open does not
 * connect, database_run does when it has to, and after a failure it fails at once for
 * DATABASE_BACK_OFF_MS instead of making one request after the other wait.
 */
#ifndef DATABASE_H
#define DATABASE_H

#include "store/connection.h"

enum { DATABASE_BACK_OFF_MS = 200 };

struct database_options {
	struct connection_options connection; /* with a socket, hosts do not count */
	const char *hosts;                    /* as in hosts.h, the preferred one first */
	unsigned port;                        /* of hosts that come without one */
	unsigned return_after_s;              /* how often to look at the choice among several hosts */
};

struct database;

/* One a process, because closing it ends the client library.  options are borrowed until
 * database_close; with is_writer, a writable host alone is used.  NULL when memory ran out. */
struct database *database_open(const struct database_options *options);
void database_close(struct database *database); /* NULL is fine */

/*
 * Runs attempt on a connection, and once more on a new one when the first was lost.
 * attempt returns what the functions below gave it; to whoever asks for the
 * result, DATABASE_LOST means lost twice.
 */
enum database_status database_run(struct database *database,
                                  enum database_status (*attempt)(void *context), void *context);

/* To be called within an attempt of database_run: the handle for statements that are not prepared,
 * and what connection_prepare, connection_error and connection_abandon do. */
MYSQL *database_connection(const struct database *database);
enum database_status database_prepare(struct database *database, uint32_t key,
                                      void (*write_sql)(uint32_t key, char *sql),
                                      struct connection_statement **statement);
enum database_status database_error(struct database *database, MYSQL_STMT *handle,
                                    double elapsed_ms);
void database_abandon(struct database *database);

/*
 * Begins a snapshot: until it ends, all statements see the rows as they are now.  To be called
 * within an attempt of database_run, which begins it anew on another connection.
 */
enum database_status database_begin_snapshot(struct database *database);

/* Runs attempt within the snapshot, once: on another connection there would be another one.
 * At any other status than DATABASE_OK the snapshot is over. */
enum database_status database_go_on(struct database *database,
                                    enum database_status (*attempt)(void *context), void *context);

/* Ends the snapshot; no fault when it is over already. */
void database_end_snapshot(struct database *database);

/* To be called between two requests: on another host than the preferred one, looks for
 * a better one now and then, which may take the connect timeout of each host. */
void database_tend(struct database *database);

/* Asks the server for a sign of life. */
enum database_status database_ping(struct database *database);

#endif

/*
 * connection - one connection to one host: TLS, session settings, time limits, prepared
 * statements, and what an error of the server or of the library means.
 *
 * Knows no table, and of no other host: which one to take, and what to do when it is lost, is
 * database's.  The only header that includes mysql.h; works with MariaDB Connector/C and with
 * Oracle's libmysqlclient.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/hosts.h"

enum {
	/* Statements kept prepared on a connection, the least recently used goes first.
	 * A server allows 16382 by default (max_prepared_stmt_count) for all workers. */
	CONNECTION_STATEMENTS_MAX = 48,
	CONNECTION_SQL_SIZE = 2048, /* the longest statement and its NUL */
};

enum connection_tls {
	CONNECTION_TLS_OFF,
	CONNECTION_TLS_REQUIRED, /* encrypted, whoever answers */
	CONNECTION_TLS_VERIFY,   /* and the certificate is checked, with the host's name */
	CONNECTION_TLS_COUNT
};

/* Empty text and 0: what the option file says, else the client library's default. */
struct connection_options {
	const char *option_file; /* MySQL option file, groups [client] and [usage-record-api] */
	const char *socket;      /* path of a unix socket */
	const char *user;
	const char *name;   /* of the database */
	const char *tls_ca; /* path of a PEM file */
	enum connection_tls tls;
	unsigned connect_timeout_s;
	unsigned read_timeout_s; /* of silence while an answer is awaited */
	unsigned statement_timeout_ms;
	/* A strict session that may write, without a statement limit; the option file's groups are
	 * [client] and [usage-record-api-load]. */
	bool is_writer;
};

/* How a statement went; what a database_run does about it stands with database. */
enum database_status {
	DATABASE_OK,
	DATABASE_LOST,        /* a new connection may do better: worth one more try */
	DATABASE_UNAVAILABLE, /* there is none and none could be had */
	DATABASE_TIMEOUT,     /* a limit ended the statement */
	DATABASE_FAILED,      /* the server refused the statement */
};

struct connection_statement {
	MYSQL_STMT *handle;
	uint32_t key;
	uint64_t last_used;
	unsigned bind_generation; /* for the user of the statement; 0 when fresh */
};

struct connection;

/* options are borrowed until connection_close.  NULL: the log says why. */
struct connection *connection_open(const struct connection_options *options,
                                   const struct host *host);
void connection_close(struct connection *connection); /* NULL is fine */

MYSQL *connection_handle(const struct connection *connection);

/* Whether the server takes writes: it is a primary then.  False when it does not say. */
bool connection_is_writable(struct connection *connection);

/* Whether the server gives a sign of life. */
bool connection_is_alive(struct connection *connection);

/*
 * Gives the prepared statement of key, whose SQL text write_sql writes to a buffer of
 * CONNECTION_SQL_SIZE bytes when it has to be prepared.  The statement is valid until the next
 * call of this function.
 */
enum database_status connection_prepare(struct connection *connection, uint32_t key,
                                        void (*write_sql)(uint32_t key, char *sql),
                                        struct connection_statement **statement);

/* Executes a prepared statement with value_count values; false: see connection_error. */
bool connection_execute(MYSQL_STMT *handle, MYSQL_BIND *values, unsigned value_count);

/* What the error of a statement means, logged once; elapsed_ms is how long the caller
 * has been at it. */
enum database_status connection_error(struct connection *connection, MYSQL_STMT *handle,
                                      double elapsed_ms);

/* Runs a statement that has no values and gives no rows. */
enum database_status connection_query(struct connection *connection, const char *sql);

/* Gives up what the statement at hand still has to send: the connection is of no more use. */
void connection_abandon(struct connection *connection);
bool connection_is_abandoned(const struct connection *connection);

#endif

/*
 * database - one connection to MySQL or MariaDB that heals, and its prepared
 * statements.
 *
 * Owns hosts, TLS, session settings, time limits, what counts as a lost connection
 * and how long to leave a dead server alone.  Knows no table.  The only header that
 * includes mysql.h; works with MariaDB Connector/C and with Oracle's libmysqlclient.
 *
 * A database that is away is no fault of the process: database_open does not
 * connect, database_run does when it has to, and after a failure it fails at once for
 * DATABASE_BACK_OFF_MS instead of making one request after the other wait.
 */
#ifndef DATABASE_H
#define DATABASE_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	DATABASE_BACK_OFF_MS = 200,
	/* Statements kept prepared on a connection, the least recently used goes first.
	 * A server allows 16382 by default (max_prepared_stmt_count) for all workers. */
	DATABASE_STATEMENTS_MAX = 48,
	DATABASE_SQL_SIZE = 2048, /* the longest statement and its NUL */
};

enum database_tls {
	DATABASE_TLS_OFF,
	DATABASE_TLS_REQUIRED, /* encrypted, whoever answers */
	DATABASE_TLS_VERIFY,   /* and the certificate is checked, with the host's name */
	DATABASE_TLS_COUNT
};

/* Empty text and 0: what the option file says, else the client library's default. */
struct database_options {
	const char *option_file; /* MySQL option file, groups [client] and [usage-record-api] */
	const char *hosts;       /* as in hosts.h, the preferred one first */
	unsigned port;           /* of hosts that come without one */
	const char *socket;      /* path of a unix socket; hosts do not count then */
	const char *user;
	const char *name;   /* of the database */
	const char *tls_ca; /* path of a PEM file */
	enum database_tls tls;
	unsigned connect_timeout_s; /* for one host */
	unsigned read_timeout_s;    /* of silence while an answer is awaited */
	unsigned statement_timeout_ms;
	unsigned return_after_s; /* how often to look at the choice among several hosts */
	/* A strict session that may write, without a statement limit, on a writable host alone;
	 * the option file's groups are [client] and [usage-record-api-load]. */
	bool is_writer;
};

enum database_status {
	DATABASE_OK,
	DATABASE_LOST,        /* a new connection may do better: worth one more try */
	DATABASE_UNAVAILABLE, /* there is none and none could be had */
	DATABASE_TIMEOUT,     /* a limit ended the statement */
	DATABASE_FAILED,      /* the server refused the statement */
};

struct database_statement {
	MYSQL_STMT *handle;
	uint32_t key;
	uint64_t last_used;
	unsigned bind_generation; /* for the user of the statement; 0 when fresh */
};

struct database;

/* One a process, because closing it ends the client library.  options are borrowed until
 * database_close.  NULL when memory ran out. */
struct database *database_open(const struct database_options *options);
void database_close(struct database *database); /* NULL is fine */

/* For statements that are not prepared; to be asked within an attempt of database_run. */
MYSQL *database_connection(const struct database *database);

/* Whether the server is a MariaDB; to be asked within an attempt of database_run. */
bool database_is_mariadb(const struct database *database);

/*
 * Gives the prepared statement of key, whose SQL text write_sql writes to a buffer of
 * DATABASE_SQL_SIZE bytes when it has to be prepared.  To be called within an attempt of
 * database_run; the statement is valid until the next call of this module.
 */
enum database_status database_prepare(struct database *database, uint32_t key,
                                      void (*write_sql)(uint32_t key, char *sql),
                                      struct database_statement **statement);

/* Executes a prepared statement with value_count values; false: see database_error. */
bool database_execute(MYSQL_STMT *handle, MYSQL_BIND *values, unsigned value_count);

/*
 * Runs attempt on a connection, and once more on a new one when the first was lost.
 * attempt returns what the functions of this module gave it; to whoever asks for the
 * result, DATABASE_LOST means lost twice.
 */
enum database_status database_run(struct database *database,
                                  enum database_status (*attempt)(void *context), void *context);

/* Gives up what the statement at hand still has to send: the connection ends with the attempt,
 * and no further statement may be run on it. */
void database_abandon(struct database *database);

/* What the error of a statement means, logged once; elapsed_ms is how long the caller
 * has been at it. */
enum database_status database_error(struct database *database, MYSQL_STMT *handle,
                                    double elapsed_ms);

/* To be called between two requests: on another host than the preferred one, looks for
 * a better one now and then, which may take the connect timeout of each host. */
void database_tend(struct database *database);

/* Asks the server for a sign of life. */
enum database_status database_ping(struct database *database);

#endif

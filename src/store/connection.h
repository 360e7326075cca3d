/*
 * connection - one connection to one host: session settings, time limits, prepared statements, and
 * what an error of the server or of the library means.
 *
 * Knows no table, and of no other host: which one to take, and what to do when it is lost, is
 * database's.  Works with MariaDB Connector/C and with Oracle's libmysqlclient.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/hosts.h"
#include "store/tls.h"

enum {
	/* Statements kept prepared on a connection, the least recently used goes first.
	 * A server allows 16382 by default (max_prepared_stmt_count) for all workers. */
	CONNECTION_STATEMENTS_MAX = 48,
	CONNECTION_SQL_SIZE = 2048, /* the longest statement and its NUL */
};

/* Empty text and 0: what the option file says, else the client library's default. */
struct connection_options {
	const char *option_file; /* MySQL option file, groups [client] and option_group */
	const char *option_group;
	const char *socket; /* path of a unix socket */
	const char *user;
	const char *name;   /* of the database */
	const char *tls_ca; /* path of a PEM file */
	enum tls_mode tls;
	unsigned connect_timeout_s;
	unsigned read_timeout_s; /* of silence while an answer is awaited */
	unsigned statement_timeout_ms;
	/* A strict session that may write, without a statement limit. */
	bool is_writer;
};

/* How a statement went, and so who may do better; database_run acts on it. */
enum database_status {
	DATABASE_OK,
	DATABASE_AGAIN,       /* the same connection: the statement lost against another one */
	DATABASE_LOST,        /* a new connection: this one is gone */
	DATABASE_UNFIT,       /* another host: this one refuses everything, at least for now */
	DATABASE_SILENT,      /* another host: this one says nothing; the connection is gone */
	DATABASE_UNAVAILABLE, /* nobody: there is no connection and none could be had */
	DATABASE_TIMEOUT,     /* nobody: the limit of statements ended it */
	DATABASE_FAILED,      /* the server refused the statement */
};

struct connection_statement {
	MYSQL_STMT *handle;
	uint32_t key;
	uint64_t last_used;
	unsigned bind_generation; /* for the user of the statement; 0 when fresh */
};

struct connection;

/*
 * Connects, and has the host answer the probes: statements, with a NULL behind the last, whose
 * answer has to begin with a 1.  options and probes are borrowed until connection_close.  NULL:
 * the log says why, and *is_reached whether there was a connection.
 */
struct connection *connection_open(const struct connection_options *options,
                                   const char *const *probes, const struct host *host,
                                   bool *is_reached);
void connection_close(struct connection *connection); /* NULL is fine */

/* The client library's handle, the connection's: for statements that are not prepared. */
MYSQL *connection_handle(const struct connection *connection);

/* Whether the host answers the probes; the log says why not. */
bool connection_is_fit(struct connection *connection);

/* What a host is to its data. */
enum connection_standing {
	CONNECTION_WRITABLE,  /* a primary, whose data is never behind */
	CONNECTION_READ_ONLY, /* a replica, whose data may be */
	CONNECTION_CUT_OFF,   /* a member of a group that is not in its majority */
	CONNECTION_GONE,      /* it did not say so within limit_ms, and the connection is lost */
};

/* Asks what the host is; a replica also, where age_ms is not NULL, how old its data is at the most
 * as the question comes in: by the heartbeat of sql/, INFINITY when none can be read. */
enum connection_standing connection_look(struct connection *connection, double limit_ms,
                                         double *age_ms);

/*
 * Gives the prepared statement of key, whose SQL text write_sql writes to a buffer of
 * CONNECTION_SQL_SIZE bytes when it has to be prepared.  The statement is valid until the next
 * call of this function.
 */
enum database_status connection_prepare(struct connection *connection, uint32_t key,
                                        void (*write_sql)(uint32_t key, char *sql),
                                        struct connection_statement **statement);

/* Closes a statement that connection_prepare gave: it is not kept prepared. */
void connection_forget(struct connection *connection, struct connection_statement *statement);

/* Executes a prepared statement with value_count values; false: see connection_error. */
bool connection_execute(MYSQL_STMT *handle, MYSQL_BIND *values, unsigned value_count);

/* What the error of a statement means, logged once; elapsed_ms is how long the caller
 * has been at it. */
enum database_status connection_error(struct connection *connection, MYSQL_STMT *handle,
                                      double elapsed_ms);

/* Runs a statement that has no values and gives no rows. */
enum database_status connection_query(struct connection *connection, const char *sql);

/* What an error number of a statement that was not prepared means; not logged. */
enum database_status connection_status(const struct connection *connection, unsigned error);

/* Gives up what the statement at hand still has to send: the connection is of no more use. */
void connection_abandon(struct connection *connection);
bool connection_is_abandoned(const struct connection *connection);

#endif

#include "config.h"
#include "store/connection.h"

#include <errmsg.h>
#include <errno.h>
#include <math.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/session.h"

/* Error numbers that one of the two libraries or servers does not name. */
enum {
	MARIADB_CONNECTION_KILLED = 1927,
	MARIADB_STATEMENT_TIMEOUT = 1969,
	MYSQL_QUERY_TIMEOUT = 3024,
	MYSQL_CLIENT_INTERACTION_TIMEOUT = 4031,
};

enum { PROBE_TRIES_MAX = 3 };

struct connection {
	const struct connection_options *options;
	const char *const *probes;
	MYSQL *handle;
	bool is_group_member; /* of MySQL's Group Replication */
	bool is_abandoned;
	struct connection_statement statements[CONNECTION_STATEMENTS_MAX];
	size_t statement_count;
	uint64_t use_count;
};

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* Whether the server begins to answer in time. */
static bool wait_for_answer(MYSQL *handle, double limit_ms)
{
	struct pollfd poll_fd = {.fd = (int)handle->net.fd, .events = POLLIN};
	double until_ms = clock_ms() + limit_ms;

	for (;;) {
		double left_ms = until_ms - clock_ms();
		int count = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms + 1 : 0);
		if (count > 0)
			return true;
		if (count == 0 || errno != EINTR)
			return false;
	}
}

/* Asks a question whose answer has to come within limit_ms, whatever the read timeout is; else the
 * connection is lost.  *result is NULL when the answer has no rows.  False: see mysql_errno. */
static bool ask(MYSQL *handle, const char *sql, double limit_ms, MYSQL_RES **result)
{
	if (mysql_send_query(handle, sql, strlen(sql)) != 0)
		return false;
	if (!wait_for_answer(handle, limit_ms))
		shutdown((int)handle->net.fd, SHUT_RDWR);
	if (mysql_read_query_result(handle) != 0)
		return false;
	*result = mysql_store_result(handle);
	return *result != NULL || mysql_field_count(handle) == 0;
}

/* Tells the session what it is to be, and learns what the server is. */
static bool set_session(struct connection *connection, double limit_ms)
{
	struct session_options wanted = {connection->options->is_writer,
	                                 connection->options->statement_timeout_ms};
	struct session session = {.is_group_member = false};
	char sql[SESSION_SQL_SIZE];
	MYSQL_RES *result;
	MYSQL_ROW row;

	session_write_question(sql);
	/* Or a transaction of init_connect's would stay open, in which MySQL refuses settings, and
	 * max_join_size might refuse the question. */
	if (!ask(connection->handle, "COMMIT AND NO CHAIN NO RELEASE", limit_ms, &result) ||
	    !ask(connection->handle, "SET sql_big_selects = 1", limit_ms, &result) ||
	    !ask(connection->handle, sql, limit_ms, &result))
		return false;
	while (result != NULL && (row = mysql_fetch_row(result)) != NULL)
		session_learn(&session, row[0], row[1] != NULL ? row[1] : "");
	mysql_free_result(result);
	connection->is_group_member = session.is_group_member;
	session_write_settings(&session, &wanted, sql);
	return ask(connection->handle, sql, limit_ms, &result);
}

static void log_connect_failure(const struct host *host, unsigned error, const char *message)
{
	metrics_count(METRICS_CONNECT_FAILURES, 1);
	log_message(LOG_LEVEL_ERROR, "connecting to %s failed: %u %s",
	            host->name[0] != '\0' ? host->name : "the database", error, message);
}

/* A device between that forgets idle connections after minutes sees a packet before; and a host
 * that vanished is noticed within a minute. */
static void keep_alive(MYSQL *handle)
{
	static const struct {
		int level, name, value;
	} options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
	               {IPPROTO_TCP, TCP_KEEPIDLE, 30},
	               {IPPROTO_TCP, TCP_KEEPINTVL, 10},
	               {IPPROTO_TCP, TCP_KEEPCNT, 3}};

	/* A unix socket knows none of them, and needs none. */
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		setsockopt((int)handle->net.fd, options[i].level, options[i].name, &options[i].value,
		           sizeof options[i].value);
}

static void set_options(MYSQL *handle, const struct connection_options *options,
                        const struct host *host)
{
	if (options->option_file[0] != '\0') {
		mysql_options(handle, MYSQL_READ_DEFAULT_FILE, options->option_file);
		mysql_options(handle, MYSQL_READ_DEFAULT_GROUP, options->option_group);
	}
	mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &options->connect_timeout_s);
	mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &options->read_timeout_s);
	mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &options->read_timeout_s);
	/* Both libraries take localhost for the unix socket, whatever the port. */
	if (host->port != 0 && options->socket[0] == '\0')
		mysql_options(handle, MYSQL_OPT_PROTOCOL, &(unsigned){MYSQL_PROTOCOL_TCP});
	tls_set(handle, options->tls, options->tls_ca);
}

/* Connects a connection whose options are set. */
static bool connect_to(struct connection *connection, const struct host *host)
{
	const struct connection_options *options = connection->options;
	MYSQL *handle = connection->handle;
	char reason[CERTIFICATE_REASON_SIZE];

	if (mysql_real_connect(handle, or_null(host->name), or_null(options->user), NULL,
	                       or_null(options->name), host->port, or_null(options->socket), 0) == NULL)
		log_connect_failure(host, mysql_errno(handle), mysql_error(handle));
	else if (!tls_is_good(handle, options->tls, options->tls_ca, reason))
		log_connect_failure(host, CR_SSL_CONNECTION_ERROR, reason);
	else
		return true;
	return false;
}

bool connection_is_fit(struct connection *connection)
{
	MYSQL *handle = connection->handle;
	double limit_ms = connection->options->connect_timeout_s * 1e3;
	MYSQL_RES *result;
	MYSQL_ROW row;

	for (const char *const *probe = connection->probes; *probe != NULL; probe++) {
		unsigned tries = 0;
		while (!ask(handle, *probe, limit_ms, &result))
			if (mysql_errno(handle) != ER_LOCK_DEADLOCK || ++tries == PROBE_TRIES_MAX) {
				log_message(LOG_LEVEL_ERROR, "%s is not fit: %u %s", mysql_get_host_info(handle),
				            mysql_errno(handle), mysql_error(handle));
				return false;
			}
		bool is_fit = result != NULL && (row = mysql_fetch_row(result)) != NULL && row[0] != NULL &&
		              strcmp(row[0], "1") == 0;
		mysql_free_result(result);
		if (!is_fit) {
			log_message(LOG_LEVEL_ERROR, "%s is not fit: a column's collation is not that of sql/",
			            mysql_get_host_info(handle));
			return false;
		}
	}
	return true;
}

struct connection *connection_open(const struct connection_options *options,
                                   const char *const *probes, const struct host *host,
                                   bool *is_reached)
{
	struct connection *connection = calloc(1, sizeof *connection);

	*is_reached = false;
	if (connection == NULL || (connection->handle = mysql_init(NULL)) == NULL) {
		log_message(LOG_LEVEL_ERROR, "out of memory for a connection");
		goto failed;
	}
	connection->options = options;
	connection->probes = probes;
	set_options(connection->handle, options, host);
	if (!connect_to(connection, host))
		goto failed;
	keep_alive(connection->handle);
	*is_reached = true;
	if (!set_session(connection, options->connect_timeout_s * 1e3)) {
		log_connect_failure(host, mysql_errno(connection->handle), mysql_error(connection->handle));
		goto failed;
	}
	if (!connection_is_fit(connection)) {
		metrics_count(METRICS_CONNECT_FAILURES, 1);
		goto failed;
	}
	metrics_count(METRICS_CONNECTS, 1);
	return connection;

failed:
	connection_close(connection);
	return NULL;
}

void connection_close(struct connection *connection)
{
	if (connection == NULL)
		return;
	for (size_t i = 0; i < connection->statement_count; i++)
		mysql_stmt_close(connection->statements[i].handle);
	if (connection->handle != NULL)
		mysql_close(connection->handle);
	free(connection);
}

MYSQL *connection_handle(const struct connection *connection)
{
	return connection->handle;
}

static bool is_off(const char *value)
{
	return value != NULL && (strcmp(value, "0") == 0 || strcmp(value, "OFF") == 0);
}

/* Of Aurora's readers innodb_read_only alone is on; MariaDB 12 says OFF for 0. */
#define STANDING_SQL "SELECT @@global.read_only, @@global.innodb_read_only"
/* A primary that is cut off from its group stays writable, and its data as it was. */
#define MAJORITY_SQL                                                                               \
	", (SELECT SUM(MEMBER_STATE IN ('ONLINE', 'RECOVERING')) * 2 > COUNT(*)"                       \
	" AND SUM(MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE') = 1"                          \
	" FROM performance_schema.replication_group_members)"

/* How old the data of a replica is at the most: all that the primary had committed before it
 * renewed the heartbeat is there, too.  False when the connection is lost. */
static bool ask_age(MYSQL *handle, double limit_ms, double *age_ms)
{
	static const char sql[] =
	    "SELECT TIMESTAMPDIFF(MICROSECOND, beat_time, UTC_TIMESTAMP(6)) FROM heartbeat";
	MYSQL_RES *result = NULL;
	MYSQL_ROW row;

	*age_ms = INFINITY;
	if (!ask(handle, sql, limit_ms, &result)) {
		unsigned error = mysql_errno(handle);
		return error < CR_MIN_ERROR || error > CR_MAX_ERROR; /* the server's: no such table, ... */
	}
	if (result != NULL && (row = mysql_fetch_row(result)) != NULL && row[0] != NULL)
		*age_ms = strtod(row[0], NULL) / 1e3;
	mysql_free_result(result);
	return true;
}

/*
 * Whether the primary of a group still speaks for it.  One that was cut off, or stood still, learns
 * late that it is no longer, and for some seconds even holds all others for its secondaries
 * again.  But it cannot say what was committed before the question, which takes the group.
 */
static bool is_in_touch(struct connection *connection)
{
	double limit_ms = connection->options->connect_timeout_s * 1e3;
	MYSQL_RES *result = NULL;

	/* Tables of performance_schema would be read without the group. */
	bool is_good = ask(connection->handle, "SET SESSION group_replication_consistency = 'BEFORE'",
	                   limit_ms, &result) &&
	               ask(connection->handle, connection->probes[0], limit_ms, &result);
	mysql_free_result(result);
	return is_good && ask(connection->handle,
	                      "SET SESSION group_replication_consistency = "
	                      "'BEFORE_ON_PRIMARY_FAILOVER'",
	                      limit_ms, &result);
}

enum connection_standing connection_look(struct connection *connection, double limit_ms,
                                         double *age_ms)
{
	enum connection_standing standing = CONNECTION_GONE;
	MYSQL_RES *result;
	MYSQL_ROW row;

	if (!ask(connection->handle,
	         connection->is_group_member ? STANDING_SQL MAJORITY_SQL : STANDING_SQL, limit_ms,
	         &result))
		goto gone;
	if ((row = mysql_fetch_row(result)) != NULL)
		standing = connection->is_group_member && is_off(row[2]) ? CONNECTION_CUT_OFF
		           : is_off(row[0]) && is_off(row[1])            ? CONNECTION_WRITABLE
		                                                         : CONNECTION_READ_ONLY;
	mysql_free_result(result);
	if (standing == CONNECTION_WRITABLE && connection->is_group_member && !is_in_touch(connection))
		goto gone;
	if (standing == CONNECTION_READ_ONLY && age_ms != NULL &&
	    !ask_age(connection->handle, limit_ms, age_ms))
		goto gone;
	return standing;

gone:
	log_message(LOG_LEVEL_WARNING, "%s does not say what it is: %u %s",
	            mysql_get_host_info(connection->handle), mysql_errno(connection->handle),
	            mysql_error(connection->handle));
	return CONNECTION_GONE;
}

void connection_forget(struct connection *connection, struct connection_statement *statement)
{
	mysql_stmt_close(statement->handle);
	*statement = connection->statements[--connection->statement_count];
}

/* A place for one more statement, which may be that of the least recently used. */
static struct connection_statement *free_place(struct connection *connection)
{
	struct connection_statement *oldest = &connection->statements[0];

	for (size_t i = 1; i < connection->statement_count; i++)
		if (connection->statements[i].last_used < oldest->last_used)
			oldest = &connection->statements[i];
	if (connection->statement_count == CONNECTION_STATEMENTS_MAX)
		connection_forget(connection, oldest);
	return &connection->statements[connection->statement_count++];
}

enum database_status connection_prepare(struct connection *connection, uint32_t key,
                                        void (*write_sql)(uint32_t key, char *sql),
                                        struct connection_statement **statement)
{
	for (size_t i = 0; i < connection->statement_count; i++) {
		struct connection_statement *known = &connection->statements[i];
		if (known->key == key) {
			known->last_used = ++connection->use_count;
			*statement = known;
			return DATABASE_OK;
		}
	}

	char sql[CONNECTION_SQL_SIZE];
	write_sql(key, sql);
	MYSQL_STMT *handle = mysql_stmt_init(connection->handle);
	if (handle == NULL) {
		log_message(LOG_LEVEL_ERROR, "out of memory for a statement");
		return DATABASE_FAILED;
	}
	double start_ms = clock_ms();
	if (mysql_stmt_prepare(handle, sql, strlen(sql)) != 0) {
		enum database_status status = connection_error(connection, handle, clock_ms() - start_ms);
		mysql_stmt_close(handle);
		return status;
	}
	*statement = free_place(connection);
	**statement = (struct connection_statement){
	    .handle = handle, .key = key, .last_used = ++connection->use_count};
	return DATABASE_OK;
}

static enum database_status classify(const struct connection_options *options, unsigned error,
                                     double elapsed_ms)
{
	switch (error) {
	case 0: /* the library does not know why */
		return DATABASE_LOST;
	case CR_SERVER_LOST:
		/* The library says so too when the read timeout ended the wait. */
		return elapsed_ms < options->read_timeout_s * 1e3 ? DATABASE_LOST : DATABASE_SILENT;
	case CR_SERVER_GONE_ERROR:
	case CR_COMMANDS_OUT_OF_SYNC:
	case ER_SERVER_SHUTDOWN:
	case ER_UNKNOWN_STMT_HANDLER: /* dropped by the server */
	case ER_NEED_REPREPARE:       /* the table was altered under the statement */
	case ER_TABLE_DEF_CHANGED:
	case ER_QUERY_INTERRUPTED: /* killed */
	case MARIADB_CONNECTION_KILLED:
	case MYSQL_CLIENT_INTERACTION_TIMEOUT:
		return DATABASE_LOST;
	case ER_LOCK_DEADLOCK: /* Galera: a change of the schema went before */
		return DATABASE_AGAIN;
	case ER_UNKNOWN_COM_ERROR: /* a Galera node that is not, or not yet, part of its cluster */
	case ER_LOCK_WAIT_TIMEOUT: /* one that did not hear of the others in time */
		return DATABASE_UNFIT;
	case MARIADB_STATEMENT_TIMEOUT:
	case MYSQL_QUERY_TIMEOUT:
		return DATABASE_TIMEOUT;
	default:
		return DATABASE_FAILED;
	}
}

enum database_status connection_status(const struct connection *connection, unsigned error)
{
	return classify(connection->options, error, 0);
}

enum database_status connection_error(struct connection *connection, MYSQL_STMT *handle,
                                      double elapsed_ms)
{
	unsigned error = mysql_stmt_errno(handle);
	const char *message = mysql_stmt_error(handle);

	/* What ends an unbuffered fetch, Connector/C leaves with the connection (3.3.20). */
	if (error == 0) {
		error = mysql_errno(connection->handle);
		message = mysql_error(connection->handle);
	}
	enum database_status status = classify(connection->options, error, elapsed_ms);
	log_message(LOG_LEVEL_ERROR, "%s after %.0f ms: %u %s",
	            status == DATABASE_TIMEOUT ? "statement limit" : "statement failed", elapsed_ms,
	            error, message);
	return status;
}

bool connection_execute(MYSQL_STMT *handle, MYSQL_BIND *values, unsigned value_count)
{
#ifdef HAVE_MYSQL_STMT_BIND_NAMED_PARAM
	if (mysql_stmt_bind_named_param(handle, values, value_count, NULL))
		return false;
#else
	(void)value_count;
	if (mysql_stmt_bind_param(handle, values))
		return false;
#endif
	return mysql_stmt_execute(handle) == 0;
}

enum database_status connection_query(struct connection *connection, const char *sql)
{
	double start_ms = clock_ms();

	if (mysql_query(connection->handle, sql) == 0)
		return DATABASE_OK;
	unsigned error = mysql_errno(connection->handle);
	log_message(LOG_LEVEL_ERROR, "%s failed: %u %s", sql, error, mysql_error(connection->handle));
	return classify(connection->options, error, clock_ms() - start_ms);
}

void connection_abandon(struct connection *connection)
{
	/* Or the library would read to their end all rows that nobody wants. */
	shutdown((int)connection->handle->net.fd, SHUT_RDWR);
	connection->is_abandoned = true;
}

bool connection_is_abandoned(const struct connection *connection)
{
	return connection->is_abandoned;
}

#include "config.h"
#include "store/database.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/hosts.h"

/* Error numbers that one of the two libraries or servers does not name. */
enum {
	MARIADB_CONNECTION_KILLED = 1927,
	MARIADB_STATEMENT_TIMEOUT = 1969,
	MYSQL_QUERY_TIMEOUT = 3024,
	MYSQL_CLIENT_INTERACTION_TIMEOUT = 4031,
};

/* How good a connection is when there are several hosts to choose from. */
enum standing {
	STANDING_PREFERRED, /* the first host, and writable; or the only one */
	STANDING_WRITABLE,  /* another one that is writable: its data is not behind */
	STANDING_READ_ONLY, /* a replica, whose data may be behind */
};

struct database {
	const struct database_options *options;
	struct hosts hosts;
	MYSQL *connection; /* NULL: none */
	bool is_mariadb;
	enum standing standing;
	double retry_at_ms; /* no attempt to connect before; clock_ms */
	double look_at_ms;  /* when to look at the choice of host again; clock_ms */
	double look_wait_ms;
	struct database_statement statements[DATABASE_STATEMENTS_MAX];
	size_t statement_count;
	uint64_t use_count;
	bool is_abandoned;
};

struct database *database_open(const struct database_options *options)
{
	struct database *database = calloc(1, sizeof *database);

	if (database == NULL)
		return NULL;
	database->options = options;
	/* A unix socket is one host, whatever others are named. */
	hosts_parse(options->socket[0] != '\0' ? "" : options->hosts, options->port, &database->hosts);
	return database;
}

/* Drops the connection with its statements. */
static void disconnect(struct database *database)
{
	for (size_t i = 0; i < database->statement_count; i++)
		mysql_stmt_close(database->statements[i].handle);
	database->statement_count = 0;
	if (database->connection != NULL)
		mysql_close(database->connection);
	database->connection = NULL;
	database->is_abandoned = false;
}

void database_abandon(struct database *database)
{
	/* Or the library would read to their end all rows that nobody wants. */
	shutdown((int)database->connection->net.fd, SHUT_RDWR);
	database->is_abandoned = true;
}

void database_close(struct database *database)
{
	if (database == NULL)
		return;
	disconnect(database);
	free(database);
	mysql_library_end();
}

MYSQL *database_connection(const struct database *database)
{
	return database->connection;
}

bool database_is_mariadb(const struct database *database)
{
	return database->is_mariadb;
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* Both libraries have defaults of their own that changed over time: always explicit. */
static void set_tls(MYSQL *connection, const struct database_options *options)
{
#if HAVE_DECL_MYSQL_OPT_SSL_MODE
	static const unsigned modes[] = {[DATABASE_TLS_OFF] = SSL_MODE_DISABLED,
	                                 [DATABASE_TLS_REQUIRED] = SSL_MODE_REQUIRED,
	                                 [DATABASE_TLS_VERIFY] = SSL_MODE_VERIFY_IDENTITY};
	mysql_options(connection, MYSQL_OPT_SSL_MODE, &modes[options->tls]);
#else
	my_bool is_on = options->tls != DATABASE_TLS_OFF;
	my_bool is_verified = options->tls == DATABASE_TLS_VERIFY;
	mysql_options(connection, MYSQL_OPT_SSL_ENFORCE, &is_on);
	mysql_options(connection, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &is_verified);
#endif
	if (options->tls_ca[0] != '\0')
		mysql_options(connection, MYSQL_OPT_SSL_CA, options->tls_ca);
}

/* The session: UTC, and read only and bounded, or strict.  One round trip. */
static bool set_session(MYSQL *connection, const struct database_options *options, bool is_mariadb)
{
	char sql[200];

	if (mysql_set_character_set(connection, "utf8mb4") != 0)
		return false;
	if (options->is_writer)
		snprintf(sql, sizeof sql,
		         "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES', autocommit = 1");
	else if (is_mariadb)
		snprintf(sql, sizeof sql,
		         "SET time_zone = '+00:00', tx_read_only = 1, max_statement_time = %u.%03u",
		         options->statement_timeout_ms / 1000, options->statement_timeout_ms % 1000);
	else
		snprintf(sql, sizeof sql,
		         "SET time_zone = '+00:00', transaction_read_only = 1, max_execution_time = %u",
		         options->statement_timeout_ms);
	return mysql_query(connection, sql) == 0;
}

static bool is_mariadb_server(MYSQL *connection)
{
	return strstr(mysql_get_server_info(connection), "MariaDB") != NULL;
}

/* One value of one row, as 0 or 1; -1 when it cannot be had. */
static int query_flag(MYSQL *connection, const char *sql)
{
	int flag = -1;

	if (mysql_query(connection, sql) != 0)
		return -1;
	MYSQL_RES *result = mysql_store_result(connection);
	if (result == NULL)
		return -1;
	MYSQL_ROW row = mysql_fetch_row(result);
	if (row != NULL && row[0] != NULL)
		flag = strcmp(row[0], "0") != 0;
	mysql_free_result(result);
	return flag;
}

/* Connector/C goes on in the clear, though TLS is enforced, when the server has none and
 * no certificate was to be verified (3.3.20). */
static bool is_protected(MYSQL *connection, const struct database_options *options)
{
	return options->tls == DATABASE_TLS_OFF || mysql_get_ssl_cipher(connection) != NULL;
}

static void log_connect_failure(const struct host *host, unsigned error, const char *message)
{
	metrics_count(METRICS_CONNECT_FAILURES, 1);
	log_message(LOG_LEVEL_ERROR, "connecting to %s failed: %u %s",
	            host->name[0] != '\0' ? host->name : "the database", error, message);
}

static MYSQL *connect_host(const struct database_options *options, const struct host *host)
{
	MYSQL *connection = mysql_init(NULL);

	if (connection == NULL)
		return NULL;
	if (options->option_file[0] != '\0') {
		mysql_options(connection, MYSQL_READ_DEFAULT_FILE, options->option_file);
		mysql_options(connection, MYSQL_READ_DEFAULT_GROUP,
		              options->is_writer ? "usage-record-api-load" : "usage-record-api");
	}
	mysql_options(connection, MYSQL_OPT_CONNECT_TIMEOUT, &options->connect_timeout_s);
	mysql_options(connection, MYSQL_OPT_READ_TIMEOUT, &options->read_timeout_s);
	mysql_options(connection, MYSQL_OPT_WRITE_TIMEOUT, &options->read_timeout_s);
	set_tls(connection, options);
	if (mysql_real_connect(connection, or_null(host->name), or_null(options->user), NULL,
	                       or_null(options->name), host->port, or_null(options->socket),
	                       0) == NULL) {
		log_connect_failure(host, mysql_errno(connection), mysql_error(connection));
	} else if (!is_protected(connection, options)) {
		log_connect_failure(host, CR_SSL_CONNECTION_ERROR, "the server offers no TLS");
	} else if (!set_session(connection, options, is_mariadb_server(connection))) {
		log_connect_failure(host, mysql_errno(connection), mysql_error(connection));
	} else {
		metrics_count(METRICS_CONNECTS, 1);
		return connection;
	}
	mysql_close(connection);
	return NULL;
}

/* Whether the server takes writes: it is a primary then.  False when it does not say. */
static bool is_writable(MYSQL *connection)
{
	return query_flag(connection, "SELECT @@global.read_only") == 0;
}

/*
 * Of several hosts the first that answers and is writable is taken: it is the
 * primary, whose data is never behind.  Only when there is none, the first that
 * answers at all.  With one host there is no choice and no question.
 */
static MYSQL *connect_best(const struct database *database, enum standing *standing)
{
	const struct hosts *hosts = &database->hosts;
	MYSQL *replica = NULL;

	for (size_t i = 0; i < hosts->count; i++) {
		MYSQL *connection = connect_host(database->options, &hosts->hosts[i]);
		if (connection == NULL)
			continue;
		if (hosts->count == 1 || is_writable(connection)) {
			*standing = i == 0 ? STANDING_PREFERRED : STANDING_WRITABLE;
			if (replica != NULL)
				mysql_close(replica);
			return connection;
		}
		if (replica == NULL)
			replica = connection;
		else
			mysql_close(connection);
	}
	*standing = STANDING_READ_ONLY;
	if (replica != NULL && database->options->is_writer) {
		log_message(LOG_LEVEL_ERROR, "no host is writable");
		mysql_close(replica);
		return NULL;
	}
	return replica;
}

static void use_connection(struct database *database, MYSQL *connection, enum standing standing)
{
	static const char *const remarks[] = {[STANDING_PREFERRED] = "",
	                                      [STANDING_WRITABLE] = ", not the preferred host",
	                                      [STANDING_READ_ONLY] = ", read-only, may be behind"};

	disconnect(database);
	database->connection = connection;
	database->is_mariadb = is_mariadb_server(connection);
	database->standing = standing;
	database->look_wait_ms = database->options->return_after_s * 1e3;
	database->look_at_ms = clock_ms() + database->look_wait_ms;
	log_message(LOG_LEVEL_INFO, "connected to %s, server %s%s", mysql_get_host_info(connection),
	            mysql_get_server_info(connection), remarks[standing]);
}

static bool is_time_to_look(const struct database *database)
{
	return database->hosts.count > 1 && clock_ms() >= database->look_at_ms;
}

/* Leaves a primary that has become a replica: others write elsewhere by now. */
static void check_standing(struct database *database)
{
	if (database->standing == STANDING_READ_ONLY || !is_time_to_look(database))
		return;
	if (!is_writable(database->connection)) {
		log_message(LOG_LEVEL_WARNING, "the database is no longer writable, looking for another");
		disconnect(database);
	} else if (database->standing == STANDING_PREFERRED) {
		database->look_at_ms = clock_ms() + database->look_wait_ms;
	}
}

/* Sees to it that there is a connection: DATABASE_OK or DATABASE_UNAVAILABLE. */
static enum database_status ensure_connection(struct database *database)
{
	enum standing standing;

	if (database->connection != NULL)
		check_standing(database);
	if (database->connection != NULL)
		return DATABASE_OK;
	if (clock_ms() < database->retry_at_ms)
		return DATABASE_UNAVAILABLE;
	MYSQL *connection = connect_best(database, &standing);
	if (connection == NULL) {
		database->retry_at_ms = clock_ms() + DATABASE_BACK_OFF_MS;
		return DATABASE_UNAVAILABLE;
	}
	use_connection(database, connection, standing);
	return DATABASE_OK;
}

void database_tend(struct database *database)
{
	enum standing standing;

	if (database->connection == NULL || database->standing == STANDING_PREFERRED ||
	    !is_time_to_look(database))
		return;
	MYSQL *connection = connect_best(database, &standing);
	if (connection != NULL && standing < database->standing) {
		use_connection(database, connection, standing);
		return;
	}
	if (connection != NULL)
		mysql_close(connection);
	/* Looking costs time: less and less often, up to ten times as long. */
	if (database->look_wait_ms < database->options->return_after_s * 10e3)
		database->look_wait_ms *= 2;
	database->look_at_ms = clock_ms() + database->look_wait_ms;
}

/* A place for one more statement: a free one, or that of the least recently used. */
static struct database_statement *free_place(struct database *database)
{
	struct database_statement *oldest = &database->statements[0];

	if (database->statement_count < DATABASE_STATEMENTS_MAX)
		return &database->statements[database->statement_count++];
	for (size_t i = 1; i < database->statement_count; i++)
		if (database->statements[i].last_used < oldest->last_used)
			oldest = &database->statements[i];
	mysql_stmt_close(oldest->handle);
	return oldest;
}

enum database_status database_prepare(struct database *database, uint32_t key,
                                      void (*write_sql)(uint32_t key, char *sql),
                                      struct database_statement **statement)
{
	for (size_t i = 0; i < database->statement_count; i++) {
		struct database_statement *known = &database->statements[i];
		if (known->key == key) {
			known->last_used = ++database->use_count;
			*statement = known;
			return DATABASE_OK;
		}
	}

	char sql[DATABASE_SQL_SIZE];
	write_sql(key, sql);
	MYSQL_STMT *handle = mysql_stmt_init(database->connection);
	if (handle == NULL) {
		log_message(LOG_LEVEL_ERROR, "out of memory for a statement");
		return DATABASE_FAILED;
	}
	double start_ms = clock_ms();
	if (mysql_stmt_prepare(handle, sql, strlen(sql)) != 0) {
		enum database_status status = database_error(database, handle, clock_ms() - start_ms);
		mysql_stmt_close(handle);
		return status;
	}
	*statement = free_place(database);
	**statement = (struct database_statement){
	    .handle = handle, .key = key, .last_used = ++database->use_count};
	return DATABASE_OK;
}

static enum database_status classify(const struct database_options *options, unsigned error,
                                     double elapsed_ms)
{
	switch (error) {
	case 0: /* the library does not know why */
		return DATABASE_LOST;
	case CR_SERVER_LOST:
		/* The library says so too when the read timeout ended the wait; asking once
		 * more would double it. */
		return elapsed_ms < options->read_timeout_s * 1e3 ? DATABASE_LOST : DATABASE_TIMEOUT;
	case CR_SERVER_GONE_ERROR:
	case CR_COMMANDS_OUT_OF_SYNC:
	case ER_SERVER_SHUTDOWN:
	case ER_UNKNOWN_COM_ERROR:    /* a Galera node that has left its cluster */
	case ER_UNKNOWN_STMT_HANDLER: /* dropped by the server */
	case ER_NEED_REPREPARE:       /* the table was altered under the statement */
	case ER_TABLE_DEF_CHANGED:
	case ER_QUERY_INTERRUPTED: /* killed */
	case MARIADB_CONNECTION_KILLED:
	case MYSQL_CLIENT_INTERACTION_TIMEOUT:
		return DATABASE_LOST;
	case MARIADB_STATEMENT_TIMEOUT:
	case MYSQL_QUERY_TIMEOUT:
		return DATABASE_TIMEOUT;
	default:
		return DATABASE_FAILED;
	}
}

enum database_status database_error(struct database *database, MYSQL_STMT *handle,
                                    double elapsed_ms)
{
	unsigned error = mysql_stmt_errno(handle);
	const char *message = mysql_stmt_error(handle);

	/* What ends an unbuffered fetch, Connector/C leaves with the connection (3.3.20). */
	if (error == 0) {
		error = mysql_errno(database->connection);
		message = mysql_error(database->connection);
	}
	enum database_status status = classify(database->options, error, elapsed_ms);
	log_message(LOG_LEVEL_ERROR, "%s after %.0f ms: %u %s",
	            status == DATABASE_TIMEOUT ? "statement limit" : "statement failed", elapsed_ms,
	            error, message);
	return status;
}

bool database_execute(MYSQL_STMT *handle, MYSQL_BIND *values, unsigned value_count)
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

enum database_status database_run(struct database *database,
                                  enum database_status (*attempt)(void *context), void *context)
{
	enum database_status status = DATABASE_LOST;

	for (int tries = 0; tries < 2 && status == DATABASE_LOST; tries++) {
		status = ensure_connection(database);
		if (status == DATABASE_OK)
			status = attempt(context);
		/* Whoever waited for too long may still be sent the answer. */
		if (status == DATABASE_LOST || status == DATABASE_TIMEOUT || database->is_abandoned)
			disconnect(database);
	}
	return status;
}

static enum database_status ping(void *context)
{
	struct database *database = context;

	return mysql_ping(database->connection) == 0 ? DATABASE_OK : DATABASE_LOST;
}

enum database_status database_ping(struct database *database)
{
	return database_run(database, ping, database);
}

#include "config.h"
#include "store/database.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

/* How good a connection is when there are several hosts to choose from. */
enum standing {
	STANDING_PREFERRED, /* the first host, and writable; or the only one */
	STANDING_WRITABLE,  /* another one that is writable: its data is not behind */
	STANDING_READ_ONLY, /* a replica, whose data may be behind */
};

struct database {
	const struct database_options *options;
	struct hosts hosts;
	struct connection *connection; /* NULL: none */
	enum standing standing;
	double retry_at_ms; /* no attempt to connect before; clock_ms */
	double look_at_ms;  /* when to look at the choice of host again; clock_ms */
	double look_wait_ms;
	bool has_snapshot; /* a transaction is open */
};

struct database *database_open(const struct database_options *options)
{
	struct database *database = calloc(1, sizeof *database);

	if (database == NULL)
		return NULL;
	database->options = options;
	/* A unix socket is one host, whatever others are named. */
	hosts_parse(options->connection.socket[0] != '\0' ? "" : options->hosts, options->port,
	            &database->hosts);
	return database;
}

static void disconnect(struct database *database)
{
	connection_close(database->connection);
	database->connection = NULL;
	database->has_snapshot = false;
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
	return connection_handle(database->connection);
}

enum database_status database_prepare(struct database *database, uint32_t key,
                                      void (*write_sql)(uint32_t key, char *sql),
                                      struct connection_statement **statement)
{
	return connection_prepare(database->connection, key, write_sql, statement);
}

enum database_status database_error(struct database *database, MYSQL_STMT *handle,
                                    double elapsed_ms)
{
	return connection_error(database->connection, handle, elapsed_ms);
}

void database_abandon(struct database *database)
{
	connection_abandon(database->connection);
}

/*
 * Of several hosts the first that answers and is writable is taken: it is the
 * primary, whose data is never behind.  Only when there is none, the first that
 * answers at all.  With one host there is no choice and no question.
 */
static struct connection *connect_best(const struct database *database, enum standing *standing)
{
	const struct hosts *hosts = &database->hosts;
	struct connection *replica = NULL;

	for (size_t i = 0; i < hosts->count; i++) {
		struct connection *connection =
		    connection_open(&database->options->connection, &hosts->hosts[i]);
		if (connection == NULL)
			continue;
		if (hosts->count == 1 || connection_is_writable(connection)) {
			*standing = i == 0 ? STANDING_PREFERRED : STANDING_WRITABLE;
			if (replica != NULL)
				connection_close(replica);
			return connection;
		}
		if (replica == NULL)
			replica = connection;
		else
			connection_close(connection);
	}
	*standing = STANDING_READ_ONLY;
	if (replica != NULL && database->options->connection.is_writer) {
		log_message(LOG_LEVEL_ERROR, "no host is writable");
		connection_close(replica);
		return NULL;
	}
	return replica;
}

static void use_connection(struct database *database, struct connection *connection,
                           enum standing standing)
{
	static const char *const remarks[] = {[STANDING_PREFERRED] = "",
	                                      [STANDING_WRITABLE] = ", not the preferred host",
	                                      [STANDING_READ_ONLY] = ", read-only, may be behind"};

	MYSQL *handle = connection_handle(connection);

	disconnect(database);
	database->connection = connection;
	database->standing = standing;
	database->look_wait_ms = database->options->return_after_s * 1e3;
	database->look_at_ms = clock_ms() + database->look_wait_ms;
	log_message(LOG_LEVEL_INFO, "connected to %s, server %s%s", mysql_get_host_info(handle),
	            mysql_get_server_info(handle), remarks[standing]);
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
	if (!connection_is_writable(database->connection)) {
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
	if (clock_ms() < database->retry_at_ms) {
		log_message(LOG_LEVEL_ERROR, "no connection: the last attempt failed less than %d ms ago",
		            DATABASE_BACK_OFF_MS);
		return DATABASE_UNAVAILABLE;
	}
	struct connection *connection = connect_best(database, &standing);
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
	struct connection *connection = connect_best(database, &standing);
	if (connection != NULL && standing < database->standing) {
		use_connection(database, connection, standing);
		return;
	}
	if (connection != NULL)
		connection_close(connection);
	/* Looking costs time: less and less often, up to ten times as long. */
	if (database->look_wait_ms < database->options->return_after_s * 10e3)
		database->look_wait_ms *= 2;
	database->look_at_ms = clock_ms() + database->look_wait_ms;
}

enum database_status database_run(struct database *database,
                                  enum database_status (*attempt)(void *context), void *context)
{
	enum database_status status = DATABASE_LOST;

	for (int tries = 0; tries < 2 && status == DATABASE_LOST; tries++) {
		status = ensure_connection(database);
		if (status != DATABASE_OK)
			break;
		status = attempt(context);
		/* Whoever waited for too long may still be sent the answer. */
		if (status == DATABASE_LOST || status == DATABASE_TIMEOUT ||
		    connection_is_abandoned(database->connection))
			disconnect(database);
	}
	return status;
}

enum database_status database_begin_snapshot(struct database *database)
{
	/* Another level would take no notice of the snapshot. */
	enum database_status status =
	    connection_query(database->connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");

	if (status == DATABASE_OK)
		status = connection_query(database->connection,
		                          "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
	database->has_snapshot = status == DATABASE_OK;
	return status;
}

enum database_status database_go_on(struct database *database,
                                    enum database_status (*attempt)(void *context), void *context)
{
	enum database_status status = DATABASE_LOST;

	if (database->connection != NULL && database->has_snapshot)
		status = attempt(context);
	if (status != DATABASE_OK)
		disconnect(database);
	return status;
}

void database_end_snapshot(struct database *database)
{
	if (!database->has_snapshot)
		return;
	database->has_snapshot = false;
	if (connection_query(database->connection, "COMMIT") != DATABASE_OK)
		disconnect(database);
}

static enum database_status ping(void *context)
{
	struct database *database = context;

	return connection_is_alive(database->connection) ? DATABASE_OK : DATABASE_LOST;
}

enum database_status database_ping(struct database *database)
{
	return database_run(database, ping, database);
}

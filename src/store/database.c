#include "config.h"
#include "store/database.h"

#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

/* So often one request may be tried, besides once on each host. */
enum { TRIES_MORE = 2 };

struct database {
	const struct database_options *options;
	const char *const *probes;
	struct hosts hosts;
	double not_before_ms[HOSTS_MAX]; /* when each may be connected to again; clock_ms */
	struct connection *connection;   /* NULL: none */
	size_t host;                     /* to which */
	enum connection_standing standing;
	double ask_at_ms;    /* when the host at hand is to be asked what it is */
	double last_used_ms; /* when it last gave a sign of life */
	double look_at_ms;   /* when to look for a better host */
	double look_wait_ms;
	bool is_patient;   /* a request may wait for a connection: none has in vain */
	bool has_snapshot; /* a transaction is open */
};

struct database *database_open(const struct database_options *options, const char *const *probes)
{
	struct database *database = calloc(1, sizeof *database);

	if (database == NULL)
		return NULL;
	database->options = options;
	database->probes = probes;
	/* A unix socket is one host, whatever others are named. */
	hosts_parse(options->connection.socket[0] != '\0' ? "" : options->hosts, options->port,
	            &database->hosts);
	return database;
}

void database_set_worker(struct database *database, unsigned number)
{
	if (database->options->reads == DATABASE_READS_ALL)
		hosts_spread(&database->hosts, number);
}

static void disconnect(struct database *database)
{
	connection_close(database->connection);
	database->connection = NULL;
	database->has_snapshot = false;
}

/* Leaves the host at hand alone for a while. */
static void leave_host(struct database *database, double for_ms)
{
	database->not_before_ms[database->host] = clock_ms() + for_ms;
	disconnect(database);
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

enum database_status database_status(const struct database *database, unsigned error)
{
	return connection_status(database->connection, error);
}

void database_abandon(struct database *database)
{
	connection_abandon(database->connection);
}

static bool is_usable(const struct database *database, enum connection_standing standing)
{
	return standing == CONNECTION_WRITABLE ||
	       (standing == CONNECTION_READ_ONLY && !database->options->connection.is_writer);
}

/* A connection to a host that is usable, and what that is; NULL leaves the host alone for a
 * while. */
static struct connection *connect_host(struct database *database, size_t host,
                                       enum connection_standing *standing)
{
	static const char *const faults[] = {
	    [CONNECTION_READ_ONLY] = "it is read-only",
	    [CONNECTION_CUT_OFF] = "it is cut off from the majority of its group",
	    [CONNECTION_GONE] = "it does not say what it is"};
	const struct connection_options *options = &database->options->connection;
	bool is_reached;

	if (clock_ms() < database->not_before_ms[host])
		return NULL;
	struct connection *connection =
	    connection_open(options, database->probes, &database->hosts.hosts[host], &is_reached);
	if (connection != NULL) {
		*standing = connection_look(connection, options->connect_timeout_s * 1e3);
		if (is_usable(database, *standing))
			return connection;
		log_message(LOG_LEVEL_WARNING, "%s is not used: %s",
		            mysql_get_host_info(connection_handle(connection)), faults[*standing]);
		connection_close(connection);
	}
	database->not_before_ms[host] =
	    clock_ms() + (is_reached ? DATABASE_UNFIT_MS : DATABASE_BACK_OFF_MS);
	return NULL;
}

/* Of the other hosts from the preferred one up to end: a writable one, whose data is never behind,
 * else the first that is usable at all. */
static struct connection *connect_best(struct database *database, size_t end, size_t *host,
                                       enum connection_standing *standing)
{
	struct connection *replica = NULL;

	for (size_t i = 0; i < end; i++) {
		enum connection_standing found;
		struct connection *connection;
		if ((database->connection != NULL && i == database->host) ||
		    (connection = connect_host(database, i, &found)) == NULL)
			continue;
		if (found == CONNECTION_WRITABLE || replica == NULL) {
			connection_close(replica);
			replica = connection;
			*host = i;
			*standing = found;
		} else {
			connection_close(connection);
		}
		if (found == CONNECTION_WRITABLE)
			break;
	}
	return replica;
}

static void look_later(struct database *database, double wait_ms)
{
	database->look_wait_ms = wait_ms;
	database->look_at_ms = clock_ms() + wait_ms;
}

static void use_connection(struct database *database, struct connection *connection, size_t host,
                           enum connection_standing standing)
{
	MYSQL *handle = connection_handle(connection);

	disconnect(database);
	database->connection = connection;
	database->host = host;
	database->standing = standing;
	database->last_used_ms = clock_ms();
	database->ask_at_ms = database->last_used_ms + DATABASE_LOOK_MS;
	database->is_patient = true;
	look_later(database, database->options->return_after_s * 1e3);
	log_message(LOG_LEVEL_INFO, "connected to %s, server %s%s", mysql_get_host_info(handle),
	            mysql_get_server_info(handle),
	            standing == CONNECTION_READ_ONLY ? ", read-only, may be behind"
	            : host > 0                       ? ", not the preferred host"
	                                             : "");
}

/*
 * Asks the host at hand, now and then, whether it still is what it was: others may write
 * elsewhere by now.  So it is seen, too, whether a connection that was idle is still there.
 */
static void check_host(struct database *database)
{
	double now_ms = clock_ms();
	bool is_idle = now_ms - database->last_used_ms >= DATABASE_IDLE_MS;

	if (!is_idle && now_ms < database->ask_at_ms)
		return;
	enum connection_standing standing = connection_look(
	    database->connection,
	    is_idle ? DATABASE_IDLE_LOOK_MS : database->options->connection.read_timeout_s * 1e3);
	database->ask_at_ms = clock_ms() + DATABASE_LOOK_MS;
	switch (standing) {
	case CONNECTION_WRITABLE:
		database->standing = standing;
		break;
	case CONNECTION_READ_ONLY:
		if (database->standing == CONNECTION_READ_ONLY)
			break;
		log_message(LOG_LEVEL_WARNING, "the database is no longer writable, looking for another");
		disconnect(database);
		break;
	case CONNECTION_CUT_OFF:
		log_message(LOG_LEVEL_WARNING, "the database is cut off from the majority of its group");
		leave_host(database, DATABASE_UNFIT_MS);
		break;
	case CONNECTION_GONE:
		disconnect(database);
		break;
	}
}

/* The instant at which the first host may be connected to again. */
static double next_try_ms(const struct database *database)
{
	double next_ms = database->not_before_ms[0];

	for (size_t i = 1; i < database->hosts.count; i++)
		if (database->not_before_ms[i] < next_ms)
			next_ms = database->not_before_ms[i];
	return next_ms;
}

/* Sees to it that there is a connection, for which a patient request waits until until_ms. */
static bool ensure_connection(struct database *database, double until_ms)
{
	enum connection_standing standing;
	size_t host;

	if (database->connection != NULL)
		check_host(database);
	while (database->connection == NULL) {
		struct connection *connection =
		    connect_best(database, database->hosts.count, &host, &standing);
		if (connection != NULL) {
			use_connection(database, connection, host, standing);
			break;
		}
		double wait_ms = next_try_ms(database) - clock_ms();
		if (!database->is_patient || clock_ms() + wait_ms > until_ms) {
			log_message(LOG_LEVEL_ERROR, "no connection: the hosts are left alone after a failure");
			return false;
		}
		poll(NULL, 0, wait_ms > 0 ? (int)wait_ms + 1 : 0);
	}
	return true;
}

void database_tend(struct database *database)
{
	enum connection_standing standing;
	size_t host = 0;

	/* Better than a writable host are those before it, than a replica all others. */
	bool is_writable = database->standing == CONNECTION_WRITABLE;
	size_t end = is_writable ? database->host : database->hosts.count;
	if (database->connection == NULL || end == 0 || database->hosts.count == 1 ||
	    clock_ms() < database->look_at_ms)
		return;
	struct connection *connection = connect_best(database, end, &host, &standing);
	if (connection != NULL &&
	    (standing == CONNECTION_WRITABLE || (!is_writable && host < database->host))) {
		use_connection(database, connection, host, standing);
		return;
	}
	connection_close(connection);
	/* Looking costs time: less and less often, up to ten times as long. */
	bool is_spread = database->options->reads == DATABASE_READS_ALL; /* even again, and soon */
	double wait_ms = database->look_wait_ms * 2,
	       wait_max_ms = database->options->return_after_s * (is_spread ? 1e3 : 10e3);
	look_later(database, wait_ms < wait_max_ms ? wait_ms : wait_max_ms);
}

/* What is to be done about a statement that went wrong; whether attempt is worth another try. */
static bool heal(struct database *database, enum database_status status, double until_ms,
                 size_t *try_count)
{
	bool has_others = database->hosts.count > 1;
	bool is_abandoned = connection_is_abandoned(database->connection);

	/* Not the statement is at fault but the host, when that does not even answer the probes. */
	if (status == DATABASE_FAILED && has_others && !is_abandoned &&
	    !connection_is_fit(database->connection))
		status = DATABASE_UNFIT;
	++*try_count;
	switch (status) {
	case DATABASE_AGAIN:
		break;
	case DATABASE_LOST:
		/* The first time it may be this connection alone. */
		if (*try_count > 1)
			leave_host(database, DATABASE_BACK_OFF_MS);
		disconnect(database);
		break;
	case DATABASE_UNFIT:
		leave_host(database, DATABASE_UNFIT_MS);
		break;
	case DATABASE_SILENT:
		/* Another host is asked, but not one after the other; the same one is not. */
		leave_host(database, DATABASE_BACK_OFF_MS);
		database->is_patient = has_others;
		if (!has_others || clock_ms() > until_ms + DATABASE_UNFIT_MS)
			return false;
		break;
	case DATABASE_TIMEOUT:
		disconnect(database); /* the answer may still be sent */
		return false;
	default:
		if (is_abandoned)
			disconnect(database);
		return false;
	}
	return *try_count < database->hosts.count + TRIES_MORE;
}

static enum database_status result_of(enum database_status status)
{
	switch (status) {
	case DATABASE_OK:
	case DATABASE_TIMEOUT:
	case DATABASE_FAILED:
		return status;
	case DATABASE_SILENT:
		return DATABASE_TIMEOUT;
	case DATABASE_AGAIN:
		return DATABASE_FAILED;
	default:
		return DATABASE_UNAVAILABLE;
	}
}

static enum database_status run(struct database *database, double patience_ms,
                                enum database_status (*attempt)(void *context), void *context)
{
	double until_ms = clock_ms() + patience_ms;
	enum database_status status;
	size_t try_count = 0;

	do {
		if (!ensure_connection(database, until_ms)) {
			database->is_patient &= patience_ms == 0; /* a mere question has not waited */
			return DATABASE_UNAVAILABLE;
		}
		status = attempt(context);
		database->last_used_ms = clock_ms();
	} while (heal(database, status, until_ms, &try_count));
	return result_of(status);
}

enum database_status database_run(struct database *database,
                                  enum database_status (*attempt)(void *context), void *context)
{
	return run(database, database->options->connection.read_timeout_s * 1e3, attempt, context);
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

static enum database_status check(void *context)
{
	struct database *database = context;

	return connection_is_fit(database->connection) ? DATABASE_OK : DATABASE_UNFIT;
}

enum database_status database_check(struct database *database)
{
	return run(database, 0, check, database);
}

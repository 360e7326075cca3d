#include "config.h"
#include "store/database.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"

enum {
	/* So often one request may be tried, besides once on each host. */
	TRIES_MORE = 2,
	NAME_SIZE = HOSTS_NAME_SIZE + sizeof "[]:65535",
};

/* What a look at a host has found. */
struct look {
	size_t host;
	enum connection_standing standing;
	double fresh_until_ms; /* until when its data is not too old, whatever befalls it meanwhile */
};

struct database {
	const struct database_options *options;
	const char *const *probes;
	struct hosts hosts;
	struct {
		double not_before_ms; /* when it may be connected to again; clock_ms */
		bool is_stale;        /* a replica, too far behind when last seen */
		unsigned number;      /* in metrics; 0: none */
	} state[HOSTS_MAX];
	struct connection *connection; /* NULL: none */
	struct look at;                /* what it leads to */
	double ask_at_ms;              /* when the host at hand is to be asked what it is */
	double last_used_ms;           /* when it last gave a sign of life */
	double look_at_ms;             /* when to look for a better host */
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

static void name_host(const struct database *database, size_t i, char name[static NAME_SIZE])
{
	const struct host *host = &database->hosts.hosts[i];
	struct text text = {.data = name, .size = NAME_SIZE};

	if (database->options->connection.socket[0] != '\0')
		TEXT_ADD(&text, "socket");
	else if (host->name[0] == '\0')
		TEXT_ADD(&text, "default");
	else if (host->port == 0)
		text_add(&text, slice_of(host->name));
	else
		text_add_format(&text, strchr(host->name, ':') != NULL ? "[%s]:%u" : "%s:%u", host->name,
		                host->port);
	text_end(&text);
}

void database_set_worker(struct database *database, int number)
{
	char name[NAME_SIZE];

	if (number >= 0 && database->options->reads == DATABASE_READS_ALL)
		hosts_spread(&database->hosts, (unsigned)number);
	for (size_t i = 0; i < database->hosts.count; i++) {
		name_host(database, i, name);
		database->state[i].number = metrics_add_host(name);
	}
}

static void disconnect(struct database *database)
{
	connection_close(database->connection);
	database->connection = NULL;
	database->has_snapshot = false;
	metrics_use_host(0);
}

static void leave_alone(struct database *database, size_t host, enum metrics_host_state state)
{
	/* Of a replica that is too far behind it is noted where it is judged. */
	if (state != METRICS_HOST_STALE)
		metrics_note_host(database->state[host].number, state, -1);
	database->state[host].not_before_ms =
	    clock_ms() + (state == METRICS_HOST_DOWN ? DATABASE_BACK_OFF_MS : DATABASE_UNFIT_MS);
}

/* Leaves the host at hand alone for a while. */
static void leave_host(struct database *database, enum metrics_host_state state)
{
	leave_alone(database, database->at.host, state);
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

MYSQL *database_handle(const struct database *database)
{
	return connection_handle(database->connection);
}

enum database_status database_prepare(struct database *database, uint32_t key,
                                      void (*write_sql)(uint32_t key, char *sql),
                                      struct connection_statement **statement)
{
	return connection_prepare(database->connection, key, write_sql, statement);
}

void database_forget(struct database *database, struct connection_statement *statement)
{
	connection_forget(database->connection, statement);
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

/* Whether a host of that standing is as good as any: a primary, or where the workers are spread
 * over replicas, too. */
static bool is_as_good(const struct database *database, enum connection_standing standing)
{
	return standing == CONNECTION_WRITABLE ||
	       (database->options->reads == DATABASE_READS_ALL && database->options->staleness_s > 0);
}

/* Says once, when nobody has before, why a replica is not used. */
static void refuse_replica(struct database *database, size_t host, MYSQL *handle, double age_ms)
{
	bool is_silent = isinf(age_ms);
	char name[NAME_SIZE];

	database->state[host].is_stale = true;
	if (!metrics_note_host(database->state[host].number, METRICS_HOST_STALE,
	                       is_silent ? -1 : age_ms))
		return;
	name_host(database, host, name);
	if (is_silent)
		log_message(LOG_LEVEL_WARNING, "%s is not used: it has no heartbeat: %s", name,
		            mysql_errno(handle) != 0 ? mysql_error(handle) : "the table is empty");
	else if (age_ms < 0)
		log_message(LOG_LEVEL_WARNING, "%s is not used: its clock is %.1f s behind the primary's",
		            name, -age_ms / 1e3);
	else
		log_message(LOG_LEVEL_WARNING, "%s is not used: what it shows may be %.1f s old", name,
		            age_ms / 1e3);
}

/* Whether a replica is not too far behind, which said its age when it was asked at asked_ms. */
static bool is_fresh(struct database *database, struct look *found, MYSQL *handle, double asked_ms,
                     double age_ms)
{
	double bound_ms = database->options->staleness_s * 1e3;
	bool *is_stale = &database->state[found->host].is_stale;
	char name[NAME_SIZE];

	if (age_ms > bound_ms || age_ms < -DATABASE_CLOCKS_MS) {
		refuse_replica(database, found->host, handle, age_ms);
		return false;
	}
	if (*is_stale && age_ms > bound_ms - DATABASE_BEAT_MS)
		return false;
	*is_stale = false;
	/* By then its data may be as old as the bound, should it have stopped behind this look. */
	found->fresh_until_ms = asked_ms + bound_ms - (age_ms > 0 ? age_ms : 0);
	if (metrics_note_host(database->state[found->host].number, METRICS_HOST_REPLICA, age_ms)) {
		name_host(database, found->host, name);
		log_message(LOG_LEVEL_INFO, "%s may be used: what it shows is %.1f s old", name,
		            age_ms / 1e3);
	}
	return true;
}

/* Looks at a host, which has to answer within limit_ms; whether it may be used. */
static bool look_at(struct database *database, struct connection *connection, double limit_ms,
                    struct look *found)
{
	const struct database_options *options = database->options;
	bool has_bound = options->staleness_s > 0 && !options->connection.is_writer;
	double asked_ms = clock_ms(), age_ms;
	MYSQL *handle = connection_handle(connection);
	const char *fault = NULL;

	found->standing = connection_look(connection, limit_ms, has_bound ? &age_ms : NULL);
	found->fresh_until_ms = INFINITY;
	switch (found->standing) {
	case CONNECTION_WRITABLE:
		database->state[found->host].is_stale = false;
		metrics_note_host(database->state[found->host].number, METRICS_HOST_PRIMARY, -1);
		return true;
	case CONNECTION_READ_ONLY:
		if (has_bound)
			return is_fresh(database, found, handle, asked_ms, age_ms);
		metrics_note_host(database->state[found->host].number, METRICS_HOST_REPLICA, -1);
		fault = options->connection.is_writer ? "it is read-only" : NULL;
		break;
	case CONNECTION_CUT_OFF:
		fault = "it is cut off from the majority of its group";
		break;
	case CONNECTION_GONE:
		return false; /* it was said why */
	}
	if (fault != NULL)
		log_message(LOG_LEVEL_WARNING, "%s is not used: %s", mysql_get_host_info(handle), fault);
	return fault == NULL;
}

/* A connection to a host that is usable, and what that is; NULL leaves the host alone for a
 * while. */
static struct connection *connect_host(struct database *database, size_t host, struct look *found)
{
	const struct connection_options *options = &database->options->connection;
	bool is_reached;

	if (clock_ms() < database->state[host].not_before_ms)
		return NULL;
	found->host = host;
	found->standing = CONNECTION_GONE;
	struct connection *connection =
	    connection_open(options, database->probes, &database->hosts.hosts[host], &is_reached);
	if (connection != NULL &&
	    look_at(database, connection, options->connect_timeout_s * 1e3, found))
		return connection;
	connection_close(connection);
	leave_alone(database, host,
	            found->standing == CONNECTION_READ_ONLY ? METRICS_HOST_STALE
	            : is_reached                            ? METRICS_HOST_UNFIT
	                                                    : METRICS_HOST_DOWN);
	return NULL;
}

/* Of the other hosts from the preferred one up to end: one that is as good as any, else the first
 * that is usable at all. */
static struct connection *connect_best(struct database *database, size_t end, struct look *best)
{
	struct connection *replica = NULL;

	for (size_t i = 0; i < end; i++) {
		struct look found;
		struct connection *connection;
		if ((database->connection != NULL && i == database->at.host) ||
		    (connection = connect_host(database, i, &found)) == NULL)
			continue;
		bool is_best = is_as_good(database, found.standing);
		if (is_best || replica == NULL) {
			connection_close(replica);
			replica = connection;
			*best = found;
		} else {
			connection_close(connection);
		}
		if (is_best)
			break;
	}
	return replica;
}

static void look_later(struct database *database, double wait_ms)
{
	database->look_wait_ms = wait_ms;
	database->look_at_ms = clock_ms() + wait_ms;
}

/* When the host at hand is to be asked again: now and then, and before its data is too old. */
static void ask_later(struct database *database)
{
	double ask_at_ms = clock_ms() + DATABASE_LOOK_MS;

	database->ask_at_ms =
	    ask_at_ms < database->at.fresh_until_ms ? ask_at_ms : database->at.fresh_until_ms;
}

static void use_connection(struct database *database, struct connection *connection,
                           const struct look *found)
{
	MYSQL *handle = connection_handle(connection);

	disconnect(database);
	database->connection = connection;
	database->at = *found;
	database->last_used_ms = clock_ms();
	ask_later(database);
	database->is_patient = true;
	metrics_use_host(database->state[found->host].number);
	look_later(database, database->options->return_after_s * 1e3);
	log_message(LOG_LEVEL_INFO, "connected to %s, server %s%s", mysql_get_host_info(handle),
	            mysql_get_server_info(handle),
	            found->standing == CONNECTION_READ_ONLY ? ", read-only, may be behind"
	            : found->host > 0                       ? ", not the preferred host"
	                                                    : "");
}

/*
 * Asks the host at hand, now and then, whether it still is what it was: others may write
 * elsewhere by now.  So it is seen, too, whether a connection that was idle is still there.
 */
static void check_host(struct database *database)
{
	struct look found = {.host = database->at.host};
	double now_ms = clock_ms();
	bool is_idle = now_ms - database->last_used_ms >= DATABASE_IDLE_MS;

	if (!is_idle && now_ms < database->ask_at_ms)
		return;
	bool is_usable = look_at(
	    database, database->connection,
	    is_idle ? DATABASE_IDLE_LOOK_MS : database->options->connection.read_timeout_s * 1e3,
	    &found);
	if (found.standing == CONNECTION_GONE) {
		disconnect(database);
	} else if (!is_usable) {
		leave_host(database, found.standing == CONNECTION_READ_ONLY ? METRICS_HOST_STALE
		                                                            : METRICS_HOST_UNFIT);
	} else if (found.standing == CONNECTION_READ_ONLY &&
	           database->at.standing == CONNECTION_WRITABLE) {
		log_message(LOG_LEVEL_WARNING, "the database is no longer writable, looking for another");
		disconnect(database);
	} else {
		database->at = found;
		ask_later(database);
	}
}

/* The instant at which the first host may be connected to again. */
static double next_try_ms(const struct database *database)
{
	double next_ms = INFINITY;

	for (size_t i = 0; i < database->hosts.count; i++)
		if (database->state[i].not_before_ms < next_ms)
			next_ms = database->state[i].not_before_ms;
	return next_ms;
}

/* Sees to it that there is a connection, for which a patient request waits until until_ms. */
static bool ensure_connection(struct database *database, double until_ms)
{
	struct look found;

	/* One that was just made is looked at again, too, when the other hosts took too long. */
	while (database->connection == NULL || (check_host(database), database->connection == NULL)) {
		struct connection *connection = connect_best(database, database->hosts.count, &found);
		if (connection != NULL) {
			use_connection(database, connection, &found);
			continue;
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

double database_age_ms(const struct database *database)
{
	double left_ms = database->at.fresh_until_ms - clock_ms();

	return isinf(left_ms) ? 0 : database->options->staleness_s * 1e3 - left_ms;
}

void database_tend(struct database *database)
{
	struct look found;

	/* Better than one that is as good as any are those before it, than another one all. */
	bool is_settled = is_as_good(database, database->at.standing);
	size_t end = is_settled ? database->at.host : database->hosts.count;
	if (database->connection == NULL || end == 0 || database->hosts.count == 1 ||
	    clock_ms() < database->look_at_ms)
		return;
	struct connection *connection = connect_best(database, end, &found);
	if (connection != NULL &&
	    (is_as_good(database, found.standing) || (!is_settled && found.host < database->at.host))) {
		use_connection(database, connection, &found);
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
			leave_host(database, METRICS_HOST_DOWN);
		disconnect(database);
		break;
	case DATABASE_UNFIT:
		leave_host(database, METRICS_HOST_UNFIT);
		break;
	case DATABASE_SILENT:
		/* Another host is asked, but not one after the other; the same one is not. */
		leave_host(database, METRICS_HOST_DOWN);
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

#include "retire/replicas.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_US = 20000, RETRY_MS = 10000 };

struct replicas {
	struct connection_options options;
	struct hosts hosts;
	struct {
		struct connection *connection; /* NULL: none */
		double retry_at_ms;            /* no attempt to connect before; clock_ms */
	} hosts_state[HOSTS_MAX];
};

struct replicas *replicas_open(const struct database_options *options)
{
	struct replicas *replicas = calloc(1, sizeof *replicas);

	if (replicas == NULL)
		return NULL;
	replicas->options = options->connection;
	replicas->options.is_writer = false;
	/* One host has nobody to keep up with it. */
	if (options->connection.socket[0] != '\0' ||
	    !hosts_parse(options->hosts, options->port, &replicas->hosts) || replicas->hosts.count == 1)
		replicas->hosts.count = 0;
	return replicas;
}

void replicas_close(struct replicas *replicas)
{
	if (replicas == NULL)
		return;
	for (size_t i = 0; i < replicas->hosts.count; i++)
		connection_close(replicas->hosts_state[i].connection);
	free(replicas);
}

/* Whether host i has a row for the question; false also when it cannot be asked. */
static bool has_row(struct replicas *replicas, size_t i, struct slice question)
{
	static const char *const no_probes[] = {NULL};
	struct connection **connection = &replicas->hosts_state[i].connection;
	bool is_reached;

	if (*connection == NULL && clock_ms() >= replicas->hosts_state[i].retry_at_ms)
		*connection =
		    connection_open(&replicas->options, no_probes, &replicas->hosts.hosts[i], &is_reached);
	if (*connection != NULL) {
		MYSQL *handle = connection_handle(*connection);
		MYSQL_RES *result = NULL;
		if (mysql_real_query(handle, question.data, question.len) == 0 &&
		    (result = mysql_store_result(handle)) != NULL) {
			bool is_there = mysql_num_rows(result) > 0;
			mysql_free_result(result);
			return is_there;
		}
		connection_close(*connection);
		*connection = NULL;
	}
	if (clock_ms() >= replicas->hosts_state[i].retry_at_ms)
		replicas->hosts_state[i].retry_at_ms = clock_ms() + RETRY_MS;
	return false;
}

bool replicas_wait(struct replicas *replicas, struct slice question, bool (*go_on)(void),
                   const char **name)
{
	double until_ms = clock_ms() + REPLICAS_WAIT_S * 1e3;

	for (size_t i = 0; i < replicas->hosts.count; i++) {
		while (go_on() && has_row(replicas, i, question)) {
			if (clock_ms() >= until_ms) {
				*name = replicas->hosts.hosts[i].name;
				return false;
			}
			usleep(LOOK_US);
		}
	}
	return true;
}

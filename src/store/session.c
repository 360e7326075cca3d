#include "store/session.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

/* In the order in which they are set.  A value that is NULL leaves the variable alone. */
static const struct {
	const char *name;
	const char *reader, *writer; /* values; "%" stands for the limit of a statement */
	unsigned limit_per_s;        /* the unit of that limit */
} variables[] = {
    /* First off, then on, which ends a transaction that init_connect has begun: its snapshot
     * would be the only one for ever, and what is written would vanish with the session. */
    {"autocommit", "0", "0", 0},
    {"autocommit", "1", "1", 0},
    {"completion_type", "0", "0", 0}, /* no transaction begins with the end of another */
    {"time_zone", "'+00:00'", "'+00:00'", 0},
    {"sql_mode", "''", "'STRICT_ALL_TABLES'", 0},
    {"sql_select_limit", "18446744073709551615", "18446744073709551615", 0},
    {"sql_safe_updates", NULL, "0", 0},
    {"check_constraint_checks", NULL, "1", 0},
    /* By its older and its newer name; a server may have both. */
    {"tx_isolation", "'REPEATABLE-READ'", "'REPEATABLE-READ'", 0},
    {"transaction_isolation", "'REPEATABLE-READ'", "'REPEATABLE-READ'", 0},
    {"tx_read_only", "1", "0", 0},
    {"transaction_read_only", "1", "0", 0},
    {"max_statement_time", "%", "0", 1},    /* MariaDB: in seconds */
    {"max_execution_time", "%", "0", 1000}, /* MySQL: in milliseconds */
    /* Galera: what was committed on any node before the question is in the answer. */
    {"wsrep_sync_wait", "1", "1", 0},
    /* Group Replication: what the last primary had committed is in the next one's answer. */
    {"group_replication_consistency", "'BEFORE_ON_PRIMARY_FAILOVER'",
     "'BEFORE_ON_PRIMARY_FAILOVER'", 0},
};
enum { VARIABLE_COUNT = sizeof variables / sizeof variables[0] };
_Static_assert((int)VARIABLE_COUNT <= (int)SESSION_VARIABLES_MAX, "a place each");

/* What a member of a group says of itself; empty where the plugin is there and unused. */
static const char group_name[] = "group_replication_group_name";

static void end_sql(struct text *text)
{
	assert(!text->is_cut && text->len < text->size); /* its length does not depend on a request */
	text_end(text);
}

void session_write_question(char sql[static SESSION_SQL_SIZE])
{
	struct text text = {.data = sql, .size = SESSION_SQL_SIZE};

	text_add_format(&text, "SHOW VARIABLES WHERE Variable_name IN ('%s'", group_name);
	for (size_t i = 0; i < VARIABLE_COUNT; i++)
		text_add_format(&text, ", '%s'", variables[i].name);
	TEXT_ADD(&text, ")");
	end_sql(&text);
}

void session_learn(struct session *session, const char *name, const char *value)
{
	for (size_t i = 0; i < VARIABLE_COUNT; i++)
		if (strcmp(variables[i].name, name) == 0)
			session->is_known[i] = true;
	if (strcmp(name, group_name) == 0)
		session->is_group_member = value[0] != '\0';
}

/* A limit in the unit of its variable, with as many digits as it takes: some proxies do not
 * understand a fraction. */
static void add_limit(struct text *text, unsigned limit_ms, unsigned per_s)
{
	unsigned rest_ms = per_s == 1 ? limit_ms % 1000 : 0;

	text_add_format(text, "%u", limit_ms / (1000 / per_s));
	if (rest_ms != 0)
		text_add_format(text, ".%03u", rest_ms);
}

void session_write_settings(const struct session *session, const struct session_options *options,
                            char sql[static SESSION_SQL_SIZE])
{
	struct text text = {.data = sql, .size = SESSION_SQL_SIZE};

	TEXT_ADD(&text, "SET NAMES utf8mb4");
	for (size_t i = 0; i < VARIABLE_COUNT; i++) {
		const char *value = options->is_writer ? variables[i].writer : variables[i].reader;
		if (value == NULL || !session->is_known[i])
			continue;
		text_add_format(&text, ", @@SESSION.%s = ", variables[i].name);
		if (strcmp(value, "%") == 0)
			add_limit(&text, options->statement_timeout_ms, variables[i].limit_per_s);
		else
			text_add_format(&text, "%s", value);
	}
	end_sql(&text);
}

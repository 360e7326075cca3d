#include "test.h"

#include "store/session.h"

static void settings_of(const char *const *variables, bool is_writer, unsigned timeout_ms,
                        char sql[static SESSION_SQL_SIZE])
{
	struct session session = {.is_group_member = false};
	struct session_options options = {is_writer, timeout_ms};

	for (; *variables != NULL; variables++)
		session_learn(&session, *variables, "1");
	session_write_settings(&session, &options, sql);
}

static void test_session_is_told_what_the_server_knows(void **state)
{
	static const struct {
		const char *name;
		const char *variables[5];
		bool is_writer;
		unsigned timeout_ms;
		const char *settings; /* behind SET NAMES utf8mb4 */
	} rows[] = {
	    {"nothing", {NULL}, false, 5000, ""},
	    {"unknown", {"version", "read_only"}, false, 5000, ""},
	    {"a transaction ends",
	     {"autocommit"},
	     false,
	     5000,
	     ", @@SESSION.autocommit = 0, @@SESSION.autocommit = 1"},
	    {"MariaDB's limit",
	     {"max_statement_time"},
	     false,
	     5000,
	     ", @@SESSION.max_statement_time = 5"},
	    {"with a fraction",
	     {"max_statement_time"},
	     false,
	     50,
	     ", @@SESSION.max_statement_time = 0.050"},
	    {"MySQL's limit", {"max_execution_time"}, false, 50, ", @@SESSION.max_execution_time = 50"},
	    {"a writer has none",
	     {"max_statement_time"},
	     true,
	     50,
	     ", @@SESSION.max_statement_time = 0"},
	    {"in the table's order, not in the server's",
	     {"transaction_read_only", "time_zone", "sql_mode"},
	     false,
	     1,
	     ", @@SESSION.time_zone = '+00:00', @@SESSION.sql_mode = '', "
	     "@@SESSION.transaction_read_only = 1"},
	    {"a writer is strict", {"sql_mode"}, true, 1, ", @@SESSION.sql_mode = 'STRICT_ALL_TABLES'"},
	    {"a reader needs no constraints", {"check_constraint_checks"}, false, 1, ""},
	    {"Galera", {"wsrep_sync_wait"}, false, 1, ", @@SESSION.wsrep_sync_wait = 1"},
	    {"Group Replication",
	     {"group_replication_consistency"},
	     false,
	     1,
	     ", @@SESSION.group_replication_consistency = 'BEFORE_ON_PRIMARY_FAILOVER'"},
	};
	char sql[SESSION_SQL_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		settings_of(rows[i].variables, rows[i].is_writer, rows[i].timeout_ms, sql);
		assert_row(rows[i].name, strncmp(sql, "SET NAMES utf8mb4", 17) == 0);
		assert_row_text(rows[i].name, sql + 17, rows[i].settings);
	}
}

/* Each name that is asked for is told something, and fits. */
static void test_session_question_and_settings_agree(void **state)
{
	char question[SESSION_SQL_SIZE], sql[SESSION_SQL_SIZE];
	struct session session = {.is_group_member = false};
	struct session_options options = {.statement_timeout_ms = 600001};
	const char *const list = "SHOW VARIABLES WHERE Variable_name IN ('";

	(void)state;
	session_write_question(question);
	assert_memory_equal(question, list, strlen(list));
	for (char *name = strtok(question + strlen(list), "', )"); name != NULL;
	     name = strtok(NULL, "', )"))
		session_learn(&session, name, "");
	assert_false(session.is_group_member);
	session_write_settings(&session, &options, sql);
	assert_non_null(strstr(sql, "max_statement_time = 600.001"));
	assert_non_null(strstr(sql, "wsrep_sync_wait"));
	options.is_writer = true;
	session_write_settings(&session, &options, sql);
	assert_non_null(strstr(sql, "check_constraint_checks = 1"));
}

static void test_session_knows_a_group_by_its_name(void **state)
{
	struct session session = {.is_group_member = false};

	(void)state;
	session_learn(&session, "group_replication_group_name", "");
	assert_false(session.is_group_member);
	session_learn(&session, "group_replication_group_name", "5a0d1c2e-0000-4000-8000-000000000001");
	assert_true(session.is_group_member);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_session_is_told_what_the_server_knows),
	    cmocka_unit_test(test_session_question_and_settings_agree),
	    cmocka_unit_test(test_session_knows_a_group_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

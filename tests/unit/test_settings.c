#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "settings.h"

static char *said; /* what settings_read said of faults */

static bool read_with(const char *name, const char *value, struct settings *settings)
{
	size_t size;
	FILE *err;

	free(said);
	said = NULL;
	err = open_memstream(&said, &size);
	if (name != NULL)
		setenv(name, value, 1);
	bool is_good = settings_read(settings, err);
	if (name != NULL)
		unsetenv(name);
	fclose(err);
	return is_good;
}

static void test_settings_defaults(void **state)
{
	struct settings settings;

	(void)state;
	assert_true(read_with(NULL, NULL, &settings));
	assert_string_equal(said, "");
	assert_string_equal(settings.database.connection.name, "usage_record_api");
	assert_int_equal(settings.database.connection.connect_timeout_s, 1);
	assert_int_equal(settings.database.connection.tls, TLS_OFF);
	assert_int_equal(settings.log_level, LOG_LEVEL_INFO);
	assert_int_equal(settings.log_target, LOG_TARGET_STDERR);
}

static void test_settings_accepts(void **state)
{
	struct settings settings;

	(void)state;
	assert_true(read_with("USAGE_RECORD_API_DB_HOST", "a,b:3307", &settings));
	assert_string_equal(settings.database.hosts, "a,b:3307");
	assert_true(read_with("USAGE_RECORD_API_DB_PORT", "65535", &settings));
	assert_int_equal(settings.database.port, 65535);
	setenv("USAGE_RECORD_API_DB_TLS_CA", "/dev/null", 1);
	assert_true(read_with("USAGE_RECORD_API_DB_TLS", "verify", &settings));
	unsetenv("USAGE_RECORD_API_DB_TLS_CA");
	assert_int_equal(settings.database.connection.tls, TLS_VERIFY);
	assert_true(read_with("USAGE_RECORD_API_METRICS_FILE", "metrics", &settings));
	assert_true(read_with("USAGE_RECORD_API_METRICS_FILE", "/metrics", &settings));
	assert_true(read_with("USAGE_RECORD_API_LOG_TARGET", "syslog", &settings));
	assert_int_equal(settings.log_target, LOG_TARGET_SYSLOG);
}

static void test_settings_refuses(void **state)
{
	static const struct {
		const char *name, *value, *said;
	} rows[] = {
	    {"USAGE_RECORD_API_DB_PORT", "65536",
	     "usage-record-api: USAGE_RECORD_API_DB_PORT must be 0 to 65535, not \"65536\"\n"},
	    {"USAGE_RECORD_API_DB_PORT", "",
	     "usage-record-api: USAGE_RECORD_API_DB_PORT must be 0 to 65535, not \"\"\n"},
	    {"USAGE_RECORD_API_DB_PORT", "-1",
	     "usage-record-api: USAGE_RECORD_API_DB_PORT must be 0 to 65535, not \"-1\"\n"},
	    {"USAGE_RECORD_API_DB_PORT", " 1",
	     "usage-record-api: USAGE_RECORD_API_DB_PORT must be 0 to 65535, not \" 1\"\n"},
	    {"USAGE_RECORD_API_DB_PORT", "1x",
	     "usage-record-api: USAGE_RECORD_API_DB_PORT must be 0 to 65535, not \"1x\"\n"},
	    {"USAGE_RECORD_API_DB_PORT", "99999999999999999999",
	     "usage-record-api: USAGE_RECORD_API_DB_PORT must be 0 to 65535, not "
	     "\"99999999999999999999\"\n"},
	    {"USAGE_RECORD_API_DB_CONNECT_TIMEOUT_S", "0",
	     "usage-record-api: USAGE_RECORD_API_DB_CONNECT_TIMEOUT_S must be 1 to 60, not \"0\"\n"},
	    {"USAGE_RECORD_API_DB_STALENESS_S", "1",
	     "usage-record-api: USAGE_RECORD_API_DB_STALENESS_S must be 0 or at least 2, since the "
	     "heartbeat comes once a second\n"},
	    {"USAGE_RECORD_API_DB_TLS", "on",
	     "usage-record-api: USAGE_RECORD_API_DB_TLS must be off, required, verify, not \"on\"\n"},
	    {"USAGE_RECORD_API_LOG_LEVEL", "",
	     "usage-record-api: USAGE_RECORD_API_LOG_LEVEL must be error, warning, info, debug, not "
	     "\"\"\n"},
	    {"USAGE_RECORD_API_DB_HOTS", "x",
	     "usage-record-api: there is no setting USAGE_RECORD_API_DB_HOTS\n"},
	    {"USAGE_RECORD_API_DB_HOST", "db:x",
	     "usage-record-api: USAGE_RECORD_API_DB_HOST must be 1 to 8 of host, host:port or "
	     "[address]:port, separated by commas, not \"db:x\"\n"},
	    {"USAGE_RECORD_API_DB_TLS", "verify",
	     "usage-record-api: USAGE_RECORD_API_DB_TLS=verify wants USAGE_RECORD_API_DB_TLS_CA, the "
	     "authorities that may have signed; /etc/ssl/certs/ca-certificates.crt has the system's\n"},
	    {"USAGE_RECORD_API_METRICS_FILE", "/no/such/folder/metrics",
	     "usage-record-api: /no/such/folder/: No such file or directory\n"},
	    {"USAGE_RECORD_API_DB_HOST", "\"db1,db2\"",
	     "usage-record-api: USAGE_RECORD_API_DB_HOST must be 1 to 8 of host, host:port or "
	     "[address]:port, separated by commas, not \"\"db1,db2\"\"\n"},
	    {"USAGE_RECORD_API_CELL", "b",
	     "usage-record-api: USAGE_RECORD_API_CELL wants USAGE_RECORD_API_CELLS_FILE\n"},
	    {"USAGE_RECORD_API_CELLS_FILE", "/no/such/file",
	     "usage-record-api: /no/such/file: No such file or directory\n"},
	    {"USAGE_RECORD_API_DB_OPTION_FILE", "/no/such/file",
	     "usage-record-api: /no/such/file: No such file or directory\n"},
	    {"USAGE_RECORD_API_DB_STATEMENT_TIMEOUT_MS", "7000",
	     "usage-record-api: USAGE_RECORD_API_DB_STATEMENT_TIMEOUT_MS must be less than "
	     "USAGE_RECORD_API_DB_READ_TIMEOUT_S, or no statement would ever reach its limit\n"},
	};
	struct settings settings;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_row(rows[i].name, !read_with(rows[i].name, rows[i].value, &settings));
		assert_row_text(rows[i].name, said, rows[i].said);
	}
}

static void test_settings_print_and_help_name_every_setting(void **state)
{
	struct settings settings;
	char *printed = NULL, *help = NULL, name[64];
	size_t size;
	int count = 0;

	(void)state;
	assert_true(read_with(NULL, NULL, &settings));
	FILE *out = open_memstream(&printed, &size);
	settings_print(&settings, out);
	fclose(out);
	out = open_memstream(&help, &size);
	settings_help(out);
	fclose(out);
	for (const char *line = printed; *line != '\0'; line = strchr(line, '\n') + 1, count++) {
		const char *start = line + strspn(line, "# ");
		snprintf(name, sizeof name, "  %.*s\n", (int)strcspn(start, "= "), start);
		assert_row(name, strstr(help, name) != NULL);
	}
	assert_true(count > 10);
	assert_non_null(strstr(printed, "USAGE_RECORD_API_DB_STATEMENT_TIMEOUT_MS=5000\n"));
	assert_non_null(strstr(printed, "# USAGE_RECORD_API_DB_HOST is not set\n"));
	free(printed);
	free(help);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_settings_defaults),
	    cmocka_unit_test(test_settings_accepts),
	    cmocka_unit_test(test_settings_refuses),
	    cmocka_unit_test(test_settings_print_and_help_name_every_setting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

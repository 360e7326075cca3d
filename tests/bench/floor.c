/*
 * floor - what a page costs at the very least: runs the statements of the worker
 * through the same client library, fetches the rows and throws them away.
 *
 * usage: floor ORGANIZATION QUERY PAGES
 * Asks PAGES times for the page that QUERY (a query string) names, over a connection
 * made from the worker's settings, and prints rows, bytes and CPU microseconds a page.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "database.h"
#include "filter.h"
#include "query.h"
#include "settings.h"

enum { TEXT_SIZE = 64 * 1024 };

static MYSQL *connect_like(const struct database_options *options)
{
	MYSQL *connection = mysql_init(NULL);
	const char *host = options->hosts[0] != '\0' ? options->hosts : NULL;

	if (options->option_file[0] != '\0')
		mysql_options(connection, MYSQL_READ_DEFAULT_FILE, options->option_file);
	if (mysql_real_connect(connection, host, options->user, NULL, options->name, options->port,
	                       options->socket, 0) == NULL ||
	    mysql_set_character_set(connection, "utf8mb4") != 0 ||
	    mysql_query(connection, "SET time_zone = '+00:00'") != 0) {
		fprintf(stderr, "floor: %s\n", mysql_error(connection));
		exit(EXIT_FAILURE);
	}
	return connection;
}

static void bind_values(const struct query *query, MYSQL_BIND *binds, MYSQL_TIME *times)
{
	for (size_t i = 0; i < query->value_count; i++) {
		const struct query_value *value = &query->values[i];
		switch (value->type) {
		case QUERY_TEXT:
			binds[i].buffer_type = MYSQL_TYPE_STRING;
			binds[i].buffer = (char *)value->text.data;
			binds[i].buffer_length = value->text.len;
			break;
		case QUERY_TIME:
			times[i] = (MYSQL_TIME){.year = value->time.year, .month = value->time.month,
			                        .day = value->time.day, .hour = value->time.hour,
			                        .minute = value->time.minute,
			                        .second = value->time.second,
			                        .second_part = value->time.millisecond * 1000UL,
			                        .time_type = MYSQL_TIMESTAMP_DATETIME};
			binds[i].buffer_type = MYSQL_TYPE_DATETIME;
			binds[i].buffer = &times[i];
			break;
		case QUERY_INTEGER:
			binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
			binds[i].buffer = (uint64_t *)&value->integer;
			binds[i].is_unsigned = 1;
			break;
		}
	}
}

/* Times as times, the serial id as a number, the rest as text: as the worker has it. */
static void bind_row(MYSQL_BIND *binds)
{
	static MYSQL_TIME times[QUERY_PAGE_COLUMNS];
	static char texts[QUERY_PAGE_COLUMNS][TEXT_SIZE];
	static unsigned long long serial_id;

	for (int i = 0; i < QUERY_PAGE_COLUMNS; i++)
		binds[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING, .buffer = texts[i],
		                        .buffer_length = TEXT_SIZE};
	binds[QUERY_CREATION_TIME] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_DATETIME, .buffer = &times[0]};
	binds[QUERY_LAST_UPDATE_TIME] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_DATETIME, .buffer = &times[1]};
	binds[QUERY_SERIAL_ID] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &serial_id};
}

static double cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	static struct query query;
	struct settings settings;
	struct filter filter;
	char message[FILTER_MESSAGE_SIZE], sql[QUERY_SQL_SIZE];
	MYSQL_BIND value_binds[QUERY_VALUES_MAX] = {0}, row_binds[QUERY_PAGE_COLUMNS];
	MYSQL_TIME times[QUERY_VALUES_MAX];
	long rows = 0;

	if (argc != 4) {
		fputs("usage: floor ORGANIZATION QUERY PAGES\n", stderr);
		return 2;
	}
	if (!settings_read(&settings, stderr))
		return 2;
	if (filter_parse(slice_of(argv[1]), slice_of(argv[2]), utc_day(utc_now_ms()), &filter, message) !=
	    FILTER_OK) {
		fprintf(stderr, "floor: %s\n", message);
		return 2;
	}
	MYSQL *connection = connect_like(&settings.database);
	query_build(&query, &filter, QUERY_MARIADB, QUERY_PAGE,
	            filter.has_cursor ? &filter.cursor.after : NULL, filter.limit + 1, filter.offset);
	query_write_sql(query.shape, sql);
	MYSQL_STMT *statement = mysql_stmt_init(connection);
	bind_values(&query, value_binds, times);
	bind_row(row_binds);
	if (mysql_stmt_prepare(statement, sql, strlen(sql)) != 0 ||
	    mysql_stmt_bind_param(statement, value_binds) != 0) {
		fprintf(stderr, "floor: %s\n", mysql_stmt_error(statement));
		return EXIT_FAILURE;
	}

	int pages = atoi(argv[3]), code;
	double start_us = cpu_us();
	for (int page = 0; page < pages; page++) {
		if (mysql_stmt_execute(statement) != 0 ||
		    (page == 0 && mysql_stmt_bind_result(statement, row_binds) != 0)) {
			fprintf(stderr, "floor: %s\n", mysql_stmt_error(statement));
			return EXIT_FAILURE;
		}
		while ((code = mysql_stmt_fetch(statement)) == 0)
			rows++;
		if (code != MYSQL_NO_DATA) {
			fprintf(stderr, "floor: %s\n", mysql_stmt_error(statement));
			return EXIT_FAILURE;
		}
		mysql_stmt_free_result(statement);
	}
	printf("%ld rows a page, %.1f us CPU a page\n", rows / pages, (cpu_us() - start_us) / pages);
	filter_close(&filter);
	mysql_stmt_close(statement);
	mysql_close(connection);
	return EXIT_SUCCESS;
}

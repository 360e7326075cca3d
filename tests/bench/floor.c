/*
 * floor - what a page costs at the very least: runs the worker's statements through the
 * same client library, fetches the rows and throws them away.
 *
 * It takes over the worker's own code up to the rows: connection and session (database.h),
 * statements (query.h), bound values and bound row (rows.h).  So nothing is written twice,
 * and both ask for the same bytes in the same way.  It leaves out repository_find, which
 * makes a record of each row, and all behind it.  Rows come as the library gives them to
 * everybody, converted into bound buffers, which the worker spares itself.
 *
 * Each process asks for the page again and again; of the processor's time only its own
 * counts.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "settings.h"
#include "store/repository.h"
#include "store/rows.h"

enum { PROCESSES_MAX = 64, TIMES_MAX = 1 << 20 };

/* How the place of an offset is found. */
enum way {
	WAY_WORKER, /* as the worker does */
	WAY_PLAIN,  /* by OFFSET alone, in one statement */
	WAY_COUNT
};

struct options {
	unsigned processes;
	double seconds;
	unsigned ways;    /* that take turns */
	uint32_t columns; /* not a page, but these of all records; 0: a page */
	bool is_in_place; /* rows are read as the worker does */
};

/* How long the pages of one way took. */
struct times {
	size_t count;
	double ms[TIMES_MAX];
};

/* What a process did. */
struct count {
	bool is_good;
	uint64_t pages, rows;
	double cpu_ms, wall_ms;
	double page_ms[WAY_COUNT]; /* medians */
};

struct floor {
	struct rows *rows;
	const struct filter *filter;
	struct query query;
	unsigned try_count;
	struct count count;
	const struct options *options;
};

static enum database_status read_first(struct floor *floor, bool *is_end)
{
	return rows_first(floor->rows, &floor->query, clock_ms(), false, is_end);
}

static enum database_status fetch_rows(struct floor *floor, uint32_t columns,
                                       const struct record_position *after, uint32_t row_count,
                                       uint32_t skip)
{
	bool is_end = false;

	query_build(&floor->query, floor->filter, columns, after, row_count, skip);
	enum database_status status = read_first(floor, &is_end);
	while (status == DATABASE_OK && !is_end) {
		floor->count.rows++;
		status = rows_next(floor->rows, &is_end);
	}
	rows_end(floor->rows);
	return status;
}

/* As repository_find, without records. */
static enum database_status fetch_page(struct floor *floor, enum way way)
{
	const struct filter *filter = floor->filter;
	const struct record_position *after = filter->has_cursor ? &filter->cursor.after : NULL;
	struct record_position place;
	enum database_status status = DATABASE_OK;
	uint32_t skip = filter->offset;
	bool is_end = false;

	floor->count.pages++;
	if (floor->options->columns != 0)
		return fetch_rows(floor, floor->options->columns, after, UINT32_MAX, 0);
	if (way == WAY_WORKER && skip >= REPOSITORY_SEEK_OFFSET_MIN) {
		query_build(&floor->query, filter, QUERY_SEEK, NULL, 1, skip - 1);
		status = read_first(floor, &is_end);
		place = rows_position(floor->rows);
		rows_end(floor->rows);
		after = &place;
		skip = 0;
	}
	if (status != DATABASE_OK || is_end)
		return status;
	return fetch_rows(floor, QUERY_PAGE, after, filter->limit + 1, skip);
}

static double cpu_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static double median(struct times *times)
{
	qsort(times->ms, times->count, sizeof times->ms[0], compare);
	return times->count > 0 ? times->ms[times->count / 2] : 0;
}

/* One attempt of database_run.  The first page of each way prepares and does not count. */
static enum database_status fetch_pages(void *context)
{
	static struct times times[WAY_COUNT];
	struct floor *floor = context;
	const struct options *options = floor->options;
	enum database_status status = DATABASE_OK;

	for (enum way way = 0; way < options->ways && status == DATABASE_OK; way++)
		status = fetch_page(floor, way);
	floor->count = (struct count){.is_good = false};
	double start_cpu_ms = cpu_ms(), start_ms = clock_ms(), last_ms = start_ms;
	while (status == DATABASE_OK &&
	       (last_ms - start_ms < options->seconds * 1e3 || floor->count.pages < options->ways)) {
		enum way way = floor->count.pages % options->ways;
		status = fetch_page(floor, way);
		double now_ms = clock_ms();
		if (times[way].count < TIMES_MAX)
			times[way].ms[times[way].count++] = now_ms - last_ms;
		last_ms = now_ms;
	}
	floor->count.cpu_ms = cpu_ms() - start_cpu_ms;
	floor->count.wall_ms = last_ms - start_ms;
	for (enum way way = 0; way < options->ways; way++)
		floor->count.page_ms[way] = median(&times[way]);
	floor->count.is_good = status == DATABASE_OK && floor->try_count++ == 0;
	return status;
}

static struct count run(const struct settings *settings, const struct options *options,
                        const struct filter *filter)
{
	struct floor floor = {.filter = filter, .options = options};
	const char *const no_probes[] = {NULL};
	struct database *database = database_open(&settings->database, no_probes);

	if (database != NULL && (floor.rows = rows_open(database)) != NULL) {
		if (!options->is_in_place)
			rows_bind(floor.rows);
		database_run(database, fetch_pages, &floor);
	}
	rows_close(floor.rows);
	database_close(database);
	return floor.count;
}

/* Runs the processes at once; what they did goes to counts, which they share. */
static bool run_all(const struct settings *settings, const struct options *options,
                    const struct filter *filter, struct count *counts)
{
	int status;
	bool is_good = true;

	for (unsigned i = 0; i < options->processes; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return false;
		if (pid == 0) {
			counts[i] = run(settings, options, filter);
			_exit(counts[i].is_good ? EXIT_SUCCESS : EXIT_FAILURE);
		}
	}
	while (wait(&status) > 0)
		is_good &= status == 0;
	return is_good;
}

static void print(const struct options *options, const struct count *counts)
{
	struct count sum = {.pages = 0};

	for (unsigned i = 0; i < options->processes; i++) {
		sum.pages += counts[i].pages;
		sum.rows += counts[i].rows;
		sum.cpu_ms += counts[i].cpu_ms;
		sum.wall_ms += counts[i].wall_ms;
		for (enum way way = 0; way < WAY_COUNT; way++)
			sum.page_ms[way] += counts[i].page_ms[way] / options->processes;
	}
	double pages = (double)sum.pages;
	printf("{\"client\": \"%s\", \"pages\": %.0f, \"rows_per_page\": %.1f, \"cpu_ms\": %.5f, "
	       "\"p50_ms\": %.5f, \"plain_p50_ms\": %.5f, \"pages_per_second\": %.2f}\n",
	       mysql_get_client_info(), pages, (double)sum.rows / pages, sum.cpu_ms / pages,
	       sum.page_ms[WAY_WORKER], sum.page_ms[WAY_PLAIN],
	       pages / (sum.wall_ms / options->processes / 1e3));
}

static int usage(void)
{
	fputs("usage: floor [--plain-offset | --scan | --sums] [--in-place] [--processes N]\n"
	      "             [--seconds S] ORGANIZATION QUERY\n"
	      "Asks for the page that QUERY, a query string, names, for S seconds (1) in N\n"
	      "processes (1) at once, and prints what a page took.  The connection is made from\n"
	      "the worker's settings.  --plain-offset: passes over rows by OFFSET alone at every\n"
	      "other page, to compare.  --scan: reads of all records of the days what a search\n"
	      "looks at, time, serial ID and metaInfo, instead of a page.  --sums: the same with\n"
	      "amounts, what a summary looks at.  --in-place: reads rows as the worker does,\n"
	      "instead of having the library convert them.\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"in-place", no_argument, NULL, 'i'},
	                                      {"plain-offset", no_argument, NULL, 'o'},
	                                      {"processes", required_argument, NULL, 'p'},
	                                      {"scan", no_argument, NULL, 'c'},
	                                      {"seconds", required_argument, NULL, 's'},
	                                      {"sums", no_argument, NULL, 'u'},
	                                      {NULL, 0, NULL, 0}};
	struct options options = {.processes = 1, .seconds = 1, .ways = WAY_PLAIN};
	struct settings settings;
	struct filter filter;
	char message[FILTER_MESSAGE_SIZE];
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'o':
			options.ways = WAY_COUNT;
			break;
		case 'i':
			options.is_in_place = true;
			break;
		case 'c':
			options.columns = QUERY_SCAN;
			break;
		case 'u':
			options.columns = QUERY_SEEK | QUERY_COLUMN(QUERY_RECORDS);
			break;
		case 'p':
			options.processes = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			options.seconds = strtod(optarg, NULL);
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 2 || options.processes < 1 || options.processes > PROCESSES_MAX)
		return usage();
	if (!settings_read(&settings, stderr))
		return 2;
	log_open(LOG_LEVEL_WARNING, LOG_TARGET_STDERR);
	struct filter_request request = {.path = {{slice_of("orgId"), slice_of(argv[optind])}},
	                                 .path_count = 1,
	                                 .query = slice_of(argv[optind + 1])};
	if (filter_parse(&request, utc_day(utc_now_ms()), &filter, message) != FILTER_OK) {
		fprintf(stderr, "floor: %s\n", message);
		return 2;
	}
	struct count *counts = mmap(NULL, PROCESSES_MAX * sizeof *counts, PROT_READ | PROT_WRITE,
	                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool is_good = counts != MAP_FAILED && run_all(&settings, &options, &filter, counts);
	if (is_good)
		print(&options, counts);
	else
		fputs("floor: failed\n", stderr);
	log_flush();
	filter_close(&filter);
	return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * retire-main - usage-record-api-retire: takes records that are older than a day out of the
 * table, batch by batch, and leaves the database to the others in between.
 *
 * Exit status: 0 all is retired, 1 it ended early, 2 a fault of command line or settings.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/record.h"
#include "base/text.h"
#include "base/url.h"
#include "base/utc.h"
#include "base/utf8.h"
#include "retire/batch.h"
#include "retire/replicas.h"
#include "settings.h"
#include "store/query.h"

enum {
	TRIES_MAX = 10,
	/* A transaction of about this length delays nobody; the number of its records follows. */
	BATCH_SHORT_MS = 50,
	BATCH_LONG_MS = 100,
	BATCH_RECORDS_FIRST = 64,
	BATCH_RECORDS_MAX = 1024,
	DRY_RECORDS = 1000,
};

struct retire {
	struct batch batch;
	struct replicas *replicas;
	const char *organization; /* NULL: all */
	const char *archive_name; /* NULL: none */
	unsigned share;           /* per cent of the time that is worked */
	uint64_t record_count, organization_count;
};

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
	(void)number;
	is_interrupted = 1;
}

static bool go_on(void)
{
	return !is_interrupted;
}

/* Leaves the database alone for as long as its share is; it does less while it is busy. */
static void pause_after(const struct retire *retire, double worked_ms)
{
	double ms = worked_ms * (100 - retire->share) / retire->share;
	struct timespec time = {(time_t)(ms / 1e3),
	                        (long)((ms - 1e3 * (double)(time_t)(ms / 1e3)) * 1e6)};

	nanosleep(&time, NULL); /* a signal ends it */
}

static void adapt(struct batch *batch, double worked_ms)
{
	if (worked_ms > BATCH_LONG_MS && batch->record_count_max > 1)
		batch->record_count_max /= 2;
	else if (worked_ms < BATCH_SHORT_MS && batch->record_count_max < BATCH_RECORDS_MAX)
		batch->record_count_max *= 2;
}

static enum database_status run_batch(struct batch *batch)
{
	enum database_status status = batch_run(batch);

	for (int tries = 1;
	     tries < TRIES_MAX && status == DATABASE_FAILED && batch_may_be_repeated(batch); tries++) {
		usleep(20000u * (unsigned)tries);
		status = batch_run(batch);
	}
	return status;
}

/* Says how many records of the organization at hand it was. */
static void show(const struct batch *batch, uint64_t record_count)
{
	char name[RECORD_ID_LEN_MAX * TEXT_JSON_EXPANSION + 1];
	struct text text = TEXT_IN(name);

	text_add_json(&text, growing_slice(&batch->organization));
	text_end(&text);
	printf("%12" PRIu64 "  \"%s\"\n", record_count, name);
}

static void say_why(const struct batch *batch)
{
	fprintf(stderr, "usage-record-api-retire: %s\n",
	        batch->fault[0] != '\0' ? batch->fault : "the database cannot be reached");
}

/* Retires what is due of the organization at hand; false when that ends the run. */
static bool retire_organization(struct retire *retire)
{
	struct batch *batch = &retire->batch;
	uint64_t count = 0;
	const char *host;
	unsigned asked;
	bool is_good = true;

	do {
		double start_ms = clock_ms();
		asked = batch->record_count_max;
		if (run_batch(batch) != DATABASE_OK) {
			say_why(batch);
			is_good = false;
			break;
		}
		count += batch->record_count;
		if (batch->is_dry || batch->record_count == 0)
			continue;
		double worked_ms = clock_ms() - start_ms;
		adapt(batch, worked_ms);
		pause_after(retire, worked_ms);
		if (!replicas_wait(retire->replicas, batch_question(batch), go_on, &host)) {
			fprintf(stderr, "usage-record-api-retire: %s has not followed for %d s\n", host,
			        REPLICAS_WAIT_S);
			is_good = false;
			break;
		}
	} while (batch->record_count == asked && !is_interrupted);
	if (count > 0) {
		show(batch, count);
		retire->organization_count++;
	}
	retire->record_count += count;
	return is_good;
}

static bool retire_all(struct retire *retire)
{
	while (!is_interrupted) {
		if (batch_find(&retire->batch) != DATABASE_OK) {
			say_why(&retire->batch);
			return false;
		}
		if (!retire->batch.is_found)
			return true;
		if (!retire_organization(retire))
			return false;
	}
	return false;
}

static int run(struct retire *retire, const struct settings *settings)
{
	char probe[QUERY_SQL_SIZE];
	const char *const probes[] = {probe, NULL};
	struct sigaction action = {.sa_handler = on_signal};
	struct batch *batch = &retire->batch;
	int exit_status = EXIT_FAILURE;
	bool is_good;

	query_write_probe(probe);
	batch->database = database_open(&settings->database, probes);
	retire->replicas = replicas_open(&settings->database);
	if (batch->database == NULL || retire->replicas == NULL) {
		fputs("usage-record-api-retire: out of memory\n", stderr);
		goto out;
	}
	if (retire->archive_name != NULL && !batch->is_dry &&
	    (batch->archive = archive_open(retire->archive_name)) == NULL) {
		fprintf(stderr, "usage-record-api-retire: %s: %s\n", retire->archive_name, strerror(errno));
		exit_status = 2;
		goto out;
	}
	/* A batch is finished. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	batch->record_count_max = batch->is_dry ? DRY_RECORDS : BATCH_RECORDS_FIRST;
	if (retire->organization != NULL)
		growing_add(&batch->organization, slice_of(retire->organization));
	is_good = retire->organization != NULL ? retire_organization(retire) : retire_all(retire);
	is_good &= !is_interrupted;
	printf("%s%" PRIu64 " records of %" PRIu64 " organizations from before %s\n",
	       batch->is_dry ? "would retire " : "retired ", retire->record_count,
	       retire->organization_count, batch->before);
	if (!is_good)
		fputs("usage-record-api-retire: ended early; run it again to go on\n", stderr);
	exit_status = is_good ? EXIT_SUCCESS : EXIT_FAILURE;

out:
	archive_close(batch->archive);
	batch_close(batch);
	replicas_close(retire->replicas);
	database_close(batch->database);
	return exit_status;
}

static void usage(FILE *out)
{
	fputs("usage: usage-record-api-retire --before DAY [option ...]\n"
	      "\n"
	      "Deletes usage record groups that were created before a day (UTC), in small steps.\n"
	      "\n"
	      "  --before DAY       the first day that stays, YYYY-MM-DD; today at most\n"
	      "  --organization ID  of this organization alone\n"
	      "  --dry-run          count, and delete nothing\n"
	      "  --archive FILE     add them to FILE first, in the form of usage-record-api-load\n"
	      "  --share PERCENT    the share of the time that is worked, 1 to 100 (default 50)\n"
	      "  --help             print this text and exit\n"
	      "  --version          print the version and exit\n"
	      "\n"
	      "The database is that of the settings USAGE_RECORD_API_DB_*, see usage-record-api "
	      "--help.\n",
	      out);
}

static int refuse(const char *option, const char *what, const char *value)
{
	fprintf(stderr, "usage-record-api-retire: %s must be %s, not \"%s\"\n", option, what, value);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"archive", required_argument, NULL, 'a'}, {"before", required_argument, NULL, 'b'},
	    {"dry-run", no_argument, NULL, 'd'},       {"organization", required_argument, NULL, 'o'},
	    {"share", required_argument, NULL, 's'},   {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0}};
	struct retire retire = {.share = 50};
	const char *before = "";
	struct settings settings;
	int32_t day;
	int option;

	while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			retire.archive_name = optarg;
			break;
		case 'b':
			before = optarg;
			break;
		case 'd':
			retire.batch.is_dry = true;
			break;
		case 'o':
			retire.organization = optarg;
			if (optarg[0] == '\0' || !utf8_is_valid(slice_of(optarg)) ||
			    url_character_count(optarg, strlen(optarg)) > RECORD_ID_CHARACTERS)
				return refuse("--organization", "1 to 255 characters", optarg);
			break;
		case 's':
			if (sscanf(optarg, "%3u", &retire.share) != 1 ||
			    strspn(optarg, "0123456789") != strlen(optarg) || retire.share < 1 ||
			    retire.share > 100)
				return refuse("--share", "1 to 100", optarg);
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("usage-record-api-retire " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("usage-record-api-retire: see usage-record-api-retire --help\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	if (!utc_parse_day(slice_of(before), &day) || day > utc_day(utc_now_ms()))
		return refuse("--before", "a day like 2024-08-12, today at most", before);
	retire.batch.before = before;
	if (!settings_read(&settings, stderr))
		return 2;
	settings.database.connection.option_group = "usage-record-api-retire";
	settings.database.connection.is_writer = true;
	log_open(LOG_LEVEL_WARNING, LOG_TARGET_STDERR);
	return run(&retire, &settings);
}

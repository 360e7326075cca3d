/*
 * main - the worker process: reads the command line and the settings, puts the
 * modules together and serves until a signal comes.
 *
 * Exit status: 0 told to stop, 1 a fault that a new process may mend, 2 a fault of
 * command line or settings.
 */
#include "config.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/metrics.h"
#include "base/turns.h"
#include "serve/authorizer.h"
#include "serve/handler.h"
#include "serve/server.h"
#include "request/cells.h"
#include "settings.h"
#include "store/keys.h"
#include "store/places.h"
#include "store/query.h"
#include "store/repository.h"
#include "store/summary.h"
#include "store/walk.h"

static void usage(FILE *out)
{
	fputs("usage: usage-record-api [--cell-of ORGANIZATION | --check-config | --help | --version]\n"
	      "\n"
	      "A FastCGI worker that lists usage record groups: serves the listening socket on\n"
	      "its standard input, as spawn-fcgi and systemd hand it over, until it gets TERM,\n"
	      "INT, HUP or USR1.\n"
	      "\n"
	      "  --cell-of ORGANIZATION\n"
	      "                  print the cell where an organization lives, by CELLS_FILE, and exit\n"
	      "  --check-config  check the settings, print those in effect, and exit\n"
	      "  --help          print this text and exit\n"
	      "  --version       print the version and exit\n"
	      "\n"
	      "Settings are environment variables:\n",
	      out);
	settings_help(out);
}

static int print_cell(const struct settings *settings, const char *organization)
{
	char reason[CELLS_REASON_SIZE];
	struct cells *cells =
	    settings->cells_file[0] != '\0' ? cells_open(settings->cells_file, "", reason) : NULL;

	if (cells == NULL) {
		fputs("usage-record-api: --cell-of wants USAGE_RECORD_API_CELLS_FILE\n", stderr);
		return 2;
	}
	puts(cells_away(cells, slice_of(organization)));
	cells_close(cells);
	return EXIT_SUCCESS;
}

/* The workers of one socket share what there is to do, so it is these that are spread evenly. */
static void spread(struct database *database)
{
	struct stat listener;
	int number = fstat(STDIN_FILENO, &listener) == 0 ? metrics_take_number(listener.st_ino) : -1;

	database_set_worker(database, number);
}

static int serve(const struct settings *settings)
{
	struct database *database = NULL;
	struct repository *repository = NULL;
	struct summary *summary = NULL;
	struct walk *walk = NULL;
	struct authorizer *authorizer = NULL;
	struct handler *handler = NULL;
	struct cells *cells = NULL;
	struct places *places = NULL;
	char reason[CELLS_REASON_SIZE];
	char page_probe[QUERY_SQL_SIZE];
	const char *const probes[] = {page_probe, keys_probe, NULL};
	struct repository_limits limits = {.search_ms = settings->search_timeout_ms,
	                                   .page_bytes = settings->page_bytes};
	int exit_status = EXIT_FAILURE;

	query_write_probe(page_probe);
	if (settings->cells_file[0] != '\0' &&
	    (cells = cells_open(settings->cells_file, settings->cell, reason)) == NULL) {
		log_message(LOG_LEVEL_ERROR, "%s", reason);
		goto out;
	}
	if ((database = database_open(&settings->database, probes)) == NULL ||
	    (repository = repository_open(database, &limits)) == NULL ||
	    (walk = walk_open(database)) == NULL ||
	    (summary = summary_open(database, walk, &limits)) == NULL ||
	    (authorizer = authorizer_open(database, settings->key_memory_s)) == NULL ||
	    (places = places_open(settings->places_file, settings->place_memory_s)) == NULL ||
	    (handler = handler_open(
	         &(struct handler_rooms){repository, summary, walk, places, authorizer, cells},
	         settings->slow_ms)) == NULL) {
		log_message(LOG_LEVEL_ERROR, "out of memory");
		goto out;
	}
	if (!server_open())
		goto out;
	metrics_open(settings->metrics_file);
	turns_open(settings->metrics_file, settings->searches_at_once);
	spread(database);
	log_message(LOG_LEVEL_INFO, "%s %s serves", PACKAGE_NAME, PACKAGE_VERSION);
	struct server_handler server_handler = {handler, handler_respond, handler_go_on,
	                                        handler_finish};
	if (server_run(&server_handler))
		exit_status = EXIT_SUCCESS;
	log_message(LOG_LEVEL_INFO, "leaves");

out:
	log_flush();
	handler_close(handler);
	places_close(places);
	authorizer_close(authorizer);
	summary_close(summary);
	walk_close(walk);
	repository_close(repository);
	database_close(database);
	cells_close(cells);
	return exit_status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"cell-of", required_argument, NULL, 'C'},
	                                        {"check-config", no_argument, NULL, 'c'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {NULL, 0, NULL, 0}};
	struct settings settings;
	const char *organization = NULL;
	bool is_check = false;
	int option;

	while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (option) {
		case 'C':
			organization = optarg;
			break;
		case 'c':
			is_check = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts(PACKAGE_NAME " " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("usage-record-api: see usage-record-api --help\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "usage-record-api: what is \"%s\"? See usage-record-api --help\n",
		        argv[optind]);
		return 2;
	}
	/* What a very long record took goes back to the system.  Left alone, glibc keeps blocks of a
	 * size for good once one of them was freed; these are larger than those of any usual page. */
	mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
	if (!settings_read(&settings, stderr))
		return 2;
	if (organization != NULL)
		return print_cell(&settings, organization);
	if (is_check) {
		settings_print(&settings, stdout);
		return EXIT_SUCCESS;
	}
	log_open(settings.log_level, settings.log_target);
	return serve(&settings);
}

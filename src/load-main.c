/*
 * load-main - usage-record-api-load: reads the command line and the settings, and takes
 * records from files into the table.
 *
 * Exit status: 0 all is stored, 1 something was refused or it ended early, 2 a fault of
 * command line or settings.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "load/reader.h"
#include "load/upsert.h"
#include "request/cells.h"
#include "settings.h"
#include "store/query.h"

enum { PROGRESS_MS = 500 };

struct load {
	struct upsert *upsert;
	struct cells *cells; /* NULL: none */
	bool is_dry;
	FILE *rejects;
	const char *rejects_name;
	const char *file; /* as it is named in messages */
	uint64_t file_size;
	double start_ms, shown_ms;
	bool is_shown; /* a progress line stands on the terminal */
	struct entry *entries[UPSERT_RECORDS_MAX];
	size_t entry_count;
	size_t byte_count;
	uint64_t counts[UPSERT_OUTCOME_COUNT];
	bool has_failed; /* a fault ends the load */
};

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
	(void)number;
	is_interrupted = 1;
}

static uint64_t record_count(const struct load *load)
{
	uint64_t count = load->entry_count;

	for (size_t i = 0; i < UPSERT_OUTCOME_COUNT; i++)
		count += load->counts[i];
	return count;
}

static void wipe_progress(struct load *load)
{
	if (load->is_shown)
		fputs("\r\033[K", stderr);
	load->is_shown = false;
}

static void show_progress(struct load *load, uint64_t read_len)
{
	double now_ms = clock_ms(), seconds = (now_ms - load->start_ms) / 1e3;

	if (now_ms - load->shown_ms < PROGRESS_MS || !isatty(STDERR_FILENO))
		return;
	load->shown_ms = now_ms;
	wipe_progress(load);
	fprintf(stderr, "%s: %" PRIu64 " records, %.0f a second", load->file, record_count(load),
	        (double)record_count(load) / seconds);
	if (load->file_size > 0 && read_len > 0)
		fprintf(stderr, ", %.0f %%, %.0f s left",
		        100.0 * (double)read_len / (double)load->file_size,
		        seconds * ((double)load->file_size / (double)read_len - 1));
	load->is_shown = true;
}

static void write_json_string(FILE *out, struct slice text)
{
	uint32_t character;

	putc('"', out);
	for (size_t i = 0; i < text.len;) {
		size_t step = utf8_sequence((const unsigned char *)text.data + i, text.len - i, &character);
		if (step == 0)
			fputs("\\ufffd", out); /* what was no UTF-8 */
		else if (character < 0x20)
			fprintf(out, "\\u%04x", (unsigned)character);
		else if (character == '"' || character == '\\')
			fprintf(out, "\\%c", (int)character);
		else
			fwrite(text.data + i, 1, step, out);
		i += step > 0 ? step : 1;
	}
	putc('"', out);
}

/* Says what is wrong where.  A reason may quote the file, which must neither forge a line nor
 * speak to the terminal: control characters, and what is no UTF-8, are shown as "?". */
static void say_fault(struct load *load, uint64_t line, const char *reason)
{
	struct slice text = slice_of(reason);
	uint32_t character;

	wipe_progress(load);
	fprintf(stderr, "%s:%" PRIu64 ": ", load->file, line);
	for (size_t i = 0; i < text.len;) {
		size_t step = utf8_sequence((const unsigned char *)reason + i, text.len - i, &character);
		if (step == 0 || character < 0x20 || (character >= 0x7f && character < 0xa0))
			putc('?', stderr);
		else
			fwrite(reason + i, 1, step, stderr);
		i += step > 0 ? step : 1;
	}
	putc('\n', stderr);
}

/* A record that is not stored; false when that ends the load. */
static bool refuse(struct load *load, const struct entry *entry, struct slice text)
{
	load->counts[UPSERT_REFUSED]++;
	say_fault(load, entry->line, entry->reason);
	if (load->rejects == NULL) {
		load->has_failed = true;
		return false;
	}
	while (text.len > 0 && memchr("\r\n", text.data[text.len - 1], 2) != NULL)
		text.len--;
	fputs("{\"file\":", load->rejects);
	write_json_string(load->rejects, slice_of(load->file));
	fprintf(load->rejects, ",\"line\":%" PRIu64 ",\"reason\":", entry->line);
	write_json_string(load->rejects, slice_of(entry->reason));
	fputs(",\"text\":", load->rejects);
	write_json_string(load->rejects, text);
	fputs("}\n", load->rejects);
	return true;
}

/* Stores the batch at hand; false when that ends the load. */
static bool flush(struct load *load)
{
	enum upsert_outcome outcomes[UPSERT_RECORDS_MAX];
	bool is_good = true;

	if (load->entry_count == 0)
		return true;
	enum database_status status = upsert_store(load->upsert, load->entries, load->entry_count,
	                                           load->is_dry, load->rejects != NULL, outcomes);
	size_t count = load->entry_count;
	load->entry_count = load->byte_count = 0;
	if (status != DATABASE_OK) {
		wipe_progress(load);
		fprintf(stderr, "%s:%" PRIu64 ": the database cannot be reached\n", load->file,
		        load->entries[0]->line);
		load->has_failed = true;
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (outcomes[i] == UPSERT_REFUSED)
			is_good &= refuse(load, load->entries[i], (struct slice){"", 0});
	for (size_t i = 0; i < count && is_good; i++)
		load->counts[outcomes[i]] += outcomes[i] != UPSERT_REFUSED;
	return is_good;
}

/* Another cell's record would be stored where nobody looks for it. */
static void check_cell(struct load *load, struct entry *entry)
{
	char reason[CELLS_REASON_SIZE];

	if (!cells_refresh(load->cells, reason)) {
		wipe_progress(load);
		fprintf(stderr, "usage-record-api-load: %s; what was read before still counts\n", reason);
	}
	const char *cell = cells_away(load->cells, entry_text(entry, ENTRY_ORGANIZATION_ID));
	if (cell != NULL)
		entry_fault(entry, "its organization lives in cell %s", cell);
}

static bool take(void *context, struct entry *entry, struct slice text)
{
	struct load *load = context;

	if (load->cells != NULL && entry->reason[0] == '\0')
		check_cell(load, entry);
	if (entry->reason[0] != '\0')
		return refuse(load, entry, text);
	/* Of two records of one id the second meets the first in the table. */
	if (load->entry_count == UPSERT_RECORDS_MAX ||
	    load->byte_count + entry->bytes.len > UPSERT_BYTES_MAX ||
	    upsert_find(load->entries, load->entry_count, entry) < load->entry_count) {
		if (!flush(load))
			return false;
	}
	struct entry *place = load->entries[load->entry_count], spare = *place;
	*place = *entry;
	*entry = spare;
	load->entry_count++;
	load->byte_count += place->bytes.len;
	return true;
}

static bool go_on(void *context, uint64_t read_len)
{
	show_progress(context, read_len);
	return !is_interrupted;
}

/* Loads one file; false when that ends the load. */
static bool load_file(struct load *load, const struct sink *sink, const char *path,
                      enum reader_form form)
{
	bool is_input = strcmp(path, "-") == 0;
	struct reader reader = {.sink = sink, .form = form, .go_on = go_on};
	struct stat file_status;

	load->file = is_input ? "standard input" : path;
	int file = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		load->has_failed = true;
		return false;
	}
	load->file_size = fstat(file, &file_status) == 0 && S_ISREG(file_status.st_mode)
	                      ? (uint64_t)file_status.st_size
	                      : 0;
	enum form_status status = reader_run(&reader, file);
	if (!is_input)
		close(file);
	if (status == FORM_BROKEN) {
		say_fault(load, reader.line, reader.reason);
		load->has_failed = true;
	}
	/* A fault leaves nothing of its batch behind, unless what is good is wanted. */
	if (!load->has_failed || load->rejects != NULL)
		return flush(load) && !load->has_failed && !is_interrupted;
	return false;
}

static int finish(struct load *load)
{
	wipe_progress(load);
	if (load->rejects != NULL && (fflush(load->rejects) != 0 || ferror(load->rejects))) {
		fprintf(stderr, "%s: %s\n", load->rejects_name, strerror(errno));
		load->has_failed = true;
	}
	printf("%s%" PRIu64 " new, %" PRIu64 " changed, %" PRIu64 " the same, %" PRIu64 " refused",
	       load->is_dry ? "would be " : "", load->counts[UPSERT_NEW], load->counts[UPSERT_CHANGED],
	       load->counts[UPSERT_SAME], load->counts[UPSERT_REFUSED]);
	if (load->counts[UPSERT_OLDER] > 0)
		printf(", %" PRIu64 " older than what is stored", load->counts[UPSERT_OLDER]);
	putchar('\n');
	if (is_interrupted)
		fprintf(stderr,
		        "%s: interrupted; load it again to go on, what is stored counts as the same\n",
		        load->file);
	else if (load->has_failed && record_count(load) > load->counts[UPSERT_REFUSED])
		fprintf(stderr,
		        "%s: ended early; mend it and load it again, what is stored counts as the same\n",
		        load->file);
	return load->has_failed || is_interrupted || load->counts[UPSERT_REFUSED] > 0 ? EXIT_FAILURE
	                                                                              : EXIT_SUCCESS;
}

static void usage(FILE *out)
{
	fputs("usage: usage-record-api-load [option ...] [file ...]\n"
	      "\n"
	      "Stores usage record groups from files, or from standard input (\"-\", or no file):\n"
	      "a record is its organization and id; it is added, brought up to date, or left.\n"
	      "\n"
	      "  --dry-run       check all of it and store nothing\n"
	      "  --format FORM   csv, json (records and pages of the API) or ndjson; by default\n"
	      "                  known by its beginning\n"
	      "  --rejects FILE  write what is refused to FILE, with the reason, and store the rest\n"
	      "  --help          print this text and exit\n"
	      "  --version       print the version and exit\n"
	      "\n"
	      "The database is that of the settings USAGE_RECORD_API_DB_*, see usage-record-api "
	      "--help.\n",
	      out);
}

static bool find_form(const char *name, enum reader_form *form)
{
	for (*form = 0; *form < READER_FORM_COUNT; (*form)++)
		if (strcmp(name, reader_form_names[*form]) == 0)
			return true;
	return false;
}

static int run(struct load *load, const struct settings *settings, enum reader_form form,
               char **paths, int path_count)
{
	static char standard_input[] = "-", *no_paths[] = {standard_input};
	struct sink sink = {load, take};
	struct sigaction action = {.sa_handler = on_signal};
	char probe[QUERY_SQL_SIZE];
	const char *const probes[] = {probe, NULL};
	struct database *database = database_open(&settings->database, probes);
	struct entry *entries = calloc(UPSERT_RECORDS_MAX, sizeof *entries);
	char reason[CELLS_REASON_SIZE];
	int exit_status = EXIT_FAILURE;

	query_write_probe(probe);
	if (settings->cells_file[0] != '\0' &&
	    (load->cells = cells_open(settings->cells_file, settings->cell, reason)) == NULL) {
		fprintf(stderr, "usage-record-api-load: %s\n", reason);
		goto out;
	}
	if (database == NULL || entries == NULL || (load->upsert = upsert_open(database)) == NULL) {
		fputs("usage-record-api-load: out of memory\n", stderr);
		goto out;
	}
	for (size_t i = 0; i < UPSERT_RECORDS_MAX; i++)
		load->entries[i] = &entries[i];
	/* Reading is interrupted, storing is not: the batch is finished. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (path_count == 0) {
		paths = no_paths;
		path_count = 1;
	}
	load->start_ms = load->shown_ms = clock_ms();
	for (int i = 0; i < path_count; i++)
		if (!load_file(load, &sink, paths[i], form))
			break;
	exit_status = finish(load);

out:
	for (size_t i = 0; entries != NULL && i < UPSERT_RECORDS_MAX; i++)
		growing_free(&entries[i].bytes);
	free(entries);
	upsert_close(load->upsert);
	cells_close(load->cells);
	database_close(database);
	return exit_status;
}

/* Whether the file is one that is to be loaded, which writing to it would empty. */
static bool is_loaded(const char *path, char **paths, int path_count)
{
	struct stat file, other;

	if (stat(path, &file) != 0 || !S_ISREG(file.st_mode))
		return false;
	for (int i = -1; i < path_count; i++) {
		int result = i < 0 ? fstat(STDIN_FILENO, &other) : stat(paths[i], &other);
		if (result == 0 && other.st_dev == file.st_dev && other.st_ino == file.st_ino)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"dry-run", no_argument, NULL, 'd'},       {"format", required_argument, NULL, 'f'},
	    {"rejects", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0}};
	struct load load = {.is_dry = false};
	enum reader_form form = READER_LOOK;
	struct settings settings;
	int option;

	while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			load.is_dry = true;
			break;
		case 'f':
			if (find_form(optarg, &form))
				break;
			fprintf(
			    stderr,
			    "usage-record-api-load: --format must be auto, csv, json or ndjson, not \"%s\"\n",
			    optarg);
			return 2;
		case 'r':
			load.rejects_name = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("usage-record-api-load " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("usage-record-api-load: see usage-record-api-load --help\n", stderr);
			return 2;
		}
	}
	if (!settings_read(&settings, stderr))
		return 2;
	if (settings.cells_file[0] != '\0' && settings.cell[0] == '\0') {
		fputs(
		    "usage-record-api-load: with USAGE_RECORD_API_CELLS_FILE, USAGE_RECORD_API_CELL has to "
		    "say whose database this is\n",
		    stderr);
		return 2;
	}
	settings.database.connection.option_group = "usage-record-api-load";
	settings.database.connection.is_writer = true;
	log_open(LOG_LEVEL_WARNING, LOG_TARGET_STDERR);
	if (load.rejects_name != NULL && is_loaded(load.rejects_name, argv + optind, argc - optind)) {
		fprintf(stderr,
		        "usage-record-api-load: %s is to be loaded, and cannot take what is refused\n",
		        load.rejects_name);
		return 2;
	}
	if (load.rejects_name != NULL && (load.rejects = fopen(load.rejects_name, "we")) == NULL) {
		fprintf(stderr, "usage-record-api-load: %s: %s\n", load.rejects_name, strerror(errno));
		return 2;
	}
	int exit_status = run(&load, &settings, form, argv + optind, argc - optind);
	if (load.rejects != NULL)
		fclose(load.rejects);
	return exit_status;
}

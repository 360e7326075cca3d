#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/turns.h"
#include "request/cells.h"
#include "store/hosts.h"

#define PREFIX "USAGE_RECORD_API_"

extern char **environ;

static const char *const tls_names[] = {"off", "required", "verify"};
_Static_assert(sizeof tls_names / sizeof tls_names[0] == TLS_MODE_COUNT, "a name each");

static const char *const reads_names[] = {"primary", "all"};
_Static_assert(sizeof reads_names / sizeof reads_names[0] == DATABASE_READS_COUNT, "a name each");

/* In alphabetical order, a row each. */
/* clang-format off */
static const struct setting {
	const char *name;
	enum { SETTING_TEXT, SETTING_NUMBER, SETTING_WORD } type;
	size_t offset; /* in struct settings */
	const char *value; /* the default */
	const char *help;
	unsigned min, max;        /* of a number */
	const char *const *words; /* of a word: the value is its index */
	unsigned word_count;
} table[] = {
#define AT(member) offsetof(struct settings, member)
    {"CELL", SETTING_TEXT, AT(cell), "",
     "the cell whose database this is, where CELLS_FILE is set; empty: the gate, which has none", 0,
     0, NULL, 0},
    {"CELLS_FILE", SETTING_TEXT, AT(cells_file), "",
     "file with a line \"ORGANIZATION CELL\" for each organization outside the cell \"default\"", 0,
     0, NULL, 0},
    {"DB_CONNECT_TIMEOUT_S", SETTING_NUMBER, AT(database.connection.connect_timeout_s), "1",
     "seconds that connecting to one host may take", 1, 60, NULL, 0},
    {"DB_HOST", SETTING_TEXT, AT(database.hosts), "",
     "host, host:port or [address]:port; up to 8 separated by commas, the preferred one first", 0, 0,
     NULL, 0},
    {"DB_NAME", SETTING_TEXT, AT(database.connection.name), "usage_record_api", "the database", 0, 0,
     NULL, 0},
    {"DB_OPTION_FILE", SETTING_TEXT, AT(database.connection.option_file), "",
     "MySQL option file with user and password, groups [client] and [usage-record-api]", 0, 0,
     NULL, 0},
    {"DB_PORT", SETTING_NUMBER, AT(database.port), "0",
     "port of hosts that come without one; 0: the client library's default", 0, 65535, NULL, 0},
    {"DB_READS", SETTING_WORD, AT(database.reads), "primary",
     "hosts that pages come from: the primary, or all: Galera's nodes, replicas by DB_STALENESS_S", 0,
     0, reads_names, DATABASE_READS_COUNT},
    {"DB_READ_TIMEOUT_S", SETTING_NUMBER, AT(database.connection.read_timeout_s), "7",
     "seconds of silence after which a connection counts as dead", 1, 600, NULL, 0},
    {"DB_RETURN_AFTER_S", SETTING_NUMBER, AT(database.return_after_s), "10",
     "seconds after which the choice among several hosts is looked at again", 1, 3600, NULL, 0},
    {"DB_SOCKET", SETTING_TEXT, AT(database.connection.socket), "",
     "path of the database's unix socket; DB_HOST does not count then", 0, 0, NULL, 0},
    {"DB_STALENESS_S", SETTING_NUMBER, AT(database.staleness_s), "0",
     "seconds that a replica may be behind, by the heartbeat; from 2; 0: it is not asked", 0, 3600,
     NULL, 0},
    {"DB_STATEMENT_TIMEOUT_MS", SETTING_NUMBER, AT(database.connection.statement_timeout_ms),
     "5000", "milliseconds that the database may spend on a page", 10, 600000, NULL, 0},
    {"DB_TLS", SETTING_WORD, AT(database.connection.tls), "off",
     "encrypt the connection, and verify the server's certificate and name", 0, 0, tls_names,
     TLS_MODE_COUNT},
    {"DB_TLS_CA", SETTING_TEXT, AT(database.connection.tls_ca), "",
     "PEM file of the authorities that may have signed the server's certificate", 0, 0, NULL, 0},
    {"DB_USER", SETTING_TEXT, AT(database.connection.user), "",
     "database user; empty: the option file's, else the system user's name", 0, 0, NULL, 0},
    {"KEY_MEMORY_S", SETTING_NUMBER, AT(key_memory_s), "5",
     "seconds for which an API key that was found is not asked for again", 0, 3600, NULL, 0},
    {"LOG_LEVEL", SETTING_WORD, AT(log_level), "info", "the least important lines that are logged",
     0, 0, log_level_names, LOG_LEVEL_COUNT},
    {"LOG_TARGET", SETTING_WORD, AT(log_target), "stderr", "where lines are logged to", 0, 0,
     log_target_names, LOG_TARGET_COUNT},
    {"METRICS_FILE", SETTING_TEXT, AT(metrics_file), "",
     "file in which the workers of a pool count together; empty: each by itself", 0, 0, NULL, 0},
    {"PAGE_BYTES", SETTING_NUMBER, AT(page_bytes), "16777216",
     "bytes of records that a page may have; one record is always given", 65536, 1073741824, NULL, 0},
    {"PLACES_FILE", SETTING_TEXT, AT(places_file), "",
     "file in which workers remember where pages ended, for walks by offset; empty: nowhere", 0, 0,
     NULL, 0},
    {"PLACE_MEMORY_S", SETTING_NUMBER, AT(place_memory_s), "60",
     "seconds for which the place is remembered where a page ended; 0: not at all", 0, 3600, NULL, 0},
    {"SEARCHES_AT_ONCE", SETTING_NUMBER, AT(searches_at_once), "2",
     "searches of one organization that are answered at a time; others of its own wait", 1,
     TURNS_MAX, NULL, 0},
    {"SEARCH_TIMEOUT_MS", SETTING_NUMBER, AT(search_timeout_ms), "15000",
     "milliseconds that a search may take, with all its statements", 10, 600000, NULL, 0},
    {"SLOW_MS", SETTING_NUMBER, AT(slow_ms), "1000",
     "milliseconds from which on a request is logged as slow", 0, 600000, NULL, 0},
#undef AT
};
/* clang-format on */
enum { SETTING_COUNT = sizeof table / sizeof table[0] };

static void print_accepted(const struct setting *setting, FILE *out)
{
	switch (setting->type) {
	case SETTING_TEXT:
		fputs("text", out);
		break;
	case SETTING_NUMBER:
		fprintf(out, "%u to %u", setting->min, setting->max);
		break;
	case SETTING_WORD:
		for (unsigned i = 0; i < setting->word_count; i++)
			fprintf(out, "%s%s", i > 0 ? ", " : "", setting->words[i]);
		break;
	}
}

/* Sets a member from text; false when the text is not accepted. */
static bool set(struct settings *settings, const struct setting *setting, const char *text)
{
	void *member = (char *)settings + setting->offset;
	char *end;

	switch (setting->type) {
	case SETTING_TEXT:
		*(const char **)member = text;
		return true;
	case SETTING_NUMBER:
		errno = 0;
		unsigned long number = strtoul(text, &end, 10);
		*(unsigned *)member = (unsigned)number;
		return errno == 0 && isdigit((unsigned char)text[0]) && *end == '\0' &&
		       number >= setting->min && number <= setting->max;
	case SETTING_WORD:
		for (unsigned i = 0; i < setting->word_count; i++) {
			if (strcmp(text, setting->words[i]) == 0) {
				*(unsigned *)member = i;
				return true;
			}
		}
		return false;
	}
	return false;
}

/* A misspelt variable would silently leave a default in place. */
static bool check_names(FILE *err)
{
	bool is_good = true;

	for (char **variable = environ; *variable != NULL; variable++) {
		if (strncmp(*variable, PREFIX, strlen(PREFIX)) != 0)
			continue;
		const char *name = *variable + strlen(PREFIX);
		size_t len = strcspn(name, "="), i = 0;
		while (i < SETTING_COUNT &&
		       (strlen(table[i].name) != len || strncmp(table[i].name, name, len) != 0))
			i++;
		if (i == SETTING_COUNT) {
			fprintf(err, "usage-record-api: there is no setting " PREFIX "%.*s\n", (int)len, name);
			is_good = false;
		}
	}
	return is_good;
}

/* Whether the folder of a file that is still to be made is there. */
static bool check_folder(const char *file, FILE *err)
{
	const char *slash = strrchr(file, '/');
	char folder[PATH_MAX];
	struct stat status;

	if (file[0] == '\0')
		return true;
	snprintf(folder, sizeof folder, "%.*s/", slash != NULL ? (int)(slash - file) : 1,
	         slash != NULL ? file : ".");
	if (stat(folder, &status) == 0)
		return true;
	fprintf(err, "usage-record-api: %s: %s\n", folder, strerror(errno));
	return false;
}

static bool check_cells(const struct settings *settings, FILE *err)
{
	char reason[CELLS_REASON_SIZE];

	if (settings->cells_file[0] == '\0') {
		if (settings->cell[0] == '\0')
			return true;
		fputs("usage-record-api: " PREFIX "CELL wants " PREFIX "CELLS_FILE\n", err);
		return false;
	}
	if (settings->cell[0] != '\0' && !cells_is_name(slice_of(settings->cell))) {
		fprintf(err,
		        "usage-record-api: " PREFIX
		        "CELL must be 1 to 32 of a to z, 0 to 9 and _, not \"%s\"\n",
		        settings->cell);
		return false;
	}
	struct cells *cells = cells_open(settings->cells_file, settings->cell, reason);
	if (cells == NULL)
		fprintf(err, "usage-record-api: %s\n", reason);
	cells_close(cells);
	return cells != NULL;
}

/* What each setting by itself cannot know. */
static bool check_together(const struct settings *settings, FILE *err)
{
	const struct database_options *database = &settings->database;
	const struct connection_options *connection = &database->connection;
	struct hosts hosts;
	bool is_good = true;

	if (!hosts_parse(database->hosts, database->port, &hosts)) {
		fprintf(err,
		        "usage-record-api: " PREFIX "DB_HOST must be 1 to %d of host, host:port or "
		        "[address]:port, separated by commas, not \"%s\"\n",
		        HOSTS_MAX, database->hosts);
		is_good = false;
	}
	if (connection->statement_timeout_ms >= connection->read_timeout_s * 1000) {
		fprintf(err, "usage-record-api: " PREFIX "DB_STATEMENT_TIMEOUT_MS must be less than " PREFIX
		             "DB_READ_TIMEOUT_S, or no statement would ever reach its limit\n");
		is_good = false;
	}
	if (database->staleness_s == 1) {
		fputs("usage-record-api: " PREFIX "DB_STALENESS_S must be 0 or at least 2, since the "
		      "heartbeat comes once a second\n",
		      err);
		is_good = false;
	}
	if (connection->tls == TLS_VERIFY && connection->tls_ca[0] == '\0') {
		fprintf(err, "usage-record-api: " PREFIX "DB_TLS=verify wants " PREFIX "DB_TLS_CA, the "
		             "authorities that may have signed; /etc/ssl/certs/ca-certificates.crt has the "
		             "system's\n");
		is_good = false;
	}
	const char *const files[] = {connection->option_file, connection->tls_ca};
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		if (files[i][0] != '\0' && access(files[i], R_OK) != 0) {
			fprintf(err, "usage-record-api: %s: %s\n", files[i], strerror(errno));
			is_good = false;
		}
	}
	is_good &= check_cells(settings, err);
	is_good &= check_folder(settings->metrics_file, err);
	return check_folder(settings->places_file, err) && is_good;
}

bool settings_read(struct settings *settings, FILE *err)
{
	bool is_good = check_names(err);
	char name[64];

	settings->database.connection.option_group = "usage-record-api";
	settings->database.connection.is_writer = false;
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &table[i];
		snprintf(name, sizeof name, PREFIX "%s", setting->name);
		const char *value = getenv(name);
		if (set(settings, setting, value != NULL ? value : setting->value))
			continue;
		fprintf(err, "usage-record-api: %s must be ", name);
		print_accepted(setting, err);
		fprintf(err, ", not \"%s\"\n", value);
		is_good = false;
	}
	return is_good && check_together(settings, err);
}

void settings_print(const struct settings *settings, FILE *out)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const void *member = (const char *)settings + table[i].offset;
		if (table[i].type == SETTING_TEXT && (*(const char *const *)member)[0] == '\0') {
			fprintf(out, "# " PREFIX "%s is not set\n", table[i].name);
			continue;
		}
		fprintf(out, PREFIX "%s=", table[i].name);
		switch (table[i].type) {
		case SETTING_TEXT:
			fprintf(out, "%s\n", *(const char *const *)member);
			break;
		case SETTING_NUMBER:
			fprintf(out, "%u\n", *(const unsigned *)member);
			break;
		case SETTING_WORD:
			fprintf(out, "%s\n", table[i].words[*(const unsigned *)member]);
			break;
		}
	}
}

void settings_help(FILE *out)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		fprintf(out, "  " PREFIX "%s\n      %s\n      ", table[i].name, table[i].help);
		print_accepted(&table[i], out);
		fprintf(out, " (default \"%s\")\n", table[i].value);
	}
}

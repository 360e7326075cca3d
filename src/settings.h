/*
 * settings - what an operator can set: environment variables USAGE_RECORD_API_*.
 *
 * Owns the one table of settings: names, defaults, ranges, words of help.  Secrets are
 * none of them: the database's password comes from a MySQL option file alone.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"
#include "store/database.h"

struct settings {
	struct database_options database;
	const char *cell, *cells_file;
	enum log_level log_level;
	enum log_target log_target;
	const char *metrics_file;
	unsigned key_memory_s;
	unsigned page_bytes;
	unsigned place_memory_s;
	const char *places_file;
	unsigned search_timeout_ms;
	unsigned searches_at_once;
	unsigned slow_ms;
};

/* Reads the environment.  False when a value is not accepted or a variable of ours is
 * unknown; each fault is said on its own line of err.  The texts are the environment's. */
bool settings_read(struct settings *settings, FILE *err);

/* Writes the settings in effect, NAME=value or a comment, a line each. */
void settings_print(const struct settings *settings, FILE *out);

/* Writes the table: name, accepted values, default, what it is for. */
void settings_help(FILE *out);

#endif

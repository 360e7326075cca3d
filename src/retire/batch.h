/*
 * batch - takes the oldest records of an organization out of the table, some at a time.
 *
 * Owns the statements.  Each goes along the primary key from where the last one ended, so that
 * none reads more than it was told to, and none passes over what was just deleted.
 */
#ifndef BATCH_H
#define BATCH_H

#include "base/growing.h"
#include "retire/archive.h"
#include "store/database.h"

enum { BATCH_FAULT_SIZE = 1024 };

struct batch {
	struct database *database; /* borrowed, like the next two */
	struct archive *archive;   /* NULL: none */
	const char *before;        /* the first day that stays, YYYY-MM-DD */
	bool is_dry;               /* nothing is archived or deleted */
	unsigned record_count_max;

	struct growing organization; /* at hand */
	bool is_found;               /* there is one */
	uint64_t record_count;       /* of the last batch */
	/* The last record of it; empty: none of this organization yet. */
	char creation_time[32], serial_id[32];
	char fault[BATCH_FAULT_SIZE]; /* why the last call failed */
	unsigned error;               /* of the server; 0: none */
	struct growing sql;
};

/* Goes to the next organization that has something to retire, in the order of their ids. */
enum database_status batch_find(struct batch *batch);

/* Retires a batch of it; fewer than record_count_max: there is no more. */
enum database_status batch_run(struct batch *batch);

/* Whether another try may do better: others held what this one wants. */
bool batch_may_be_repeated(const struct batch *batch);

/* Writes the question whether the last record is still there: no row when it is not. */
struct slice batch_question(struct batch *batch);

void batch_close(struct batch *batch);

#endif

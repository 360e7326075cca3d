/*
 * walk - goes through all records of a filter, in the list's order, as they were at one moment.
 *
 * Owns the way: one snapshot, and in it statements that each give a bounded part and end before
 * the next begins, so that none runs for long and none waits for whoever takes the rows.  Knows
 * no form.
 */
#ifndef WALK_H
#define WALK_H

#include "store/repository.h"

struct database;
struct rows;
struct walk;

enum walk_take {
	WALK_TAKEN,
	WALK_FULL,   /* taken, but no more in this part */
	WALK_FAILED, /* the walk is over; whoever says so has logged why, or will */
};

/* Where the rows go, one call each. */
struct walk_sink {
	void *context;
	void (*begin)(void *context); /* before the first; again when all starts anew */
	enum walk_take (*take)(void *context, const struct rows *rows);
};

/* database is borrowed until walk_close.  NULL when memory ran out. */
struct walk *walk_open(struct database *database);
void walk_close(struct walk *walk); /* NULL is fine */

/*
 * Begins a walk through the records of filter, or those of them that its limit, offset and
 * cursor name, and gives the first part of them to sink: columns, and what the filter needs.
 * filter, and what sink points to, are borrowed until walk_end.  When the connection is lost, one
 * more try is made.  At any other status than REPOSITORY_OK the walk is over.
 */
enum repository_status walk_begin(struct walk *walk, const struct filter *filter, uint32_t columns,
                                  const struct walk_sink *sink);

/* Gives the next part; sets *is_end, instead, when there is no more.  A part may be empty: none of
 * the records that were looked at counts. */
enum repository_status walk_next(struct walk *walk, bool *is_end);

/* Ends the walk, wherever it is.  No fault when there is none. */
void walk_end(struct walk *walk);

/* What the walk did so far; valid until the next begins. */
const struct repository_result *walk_result(const struct walk *walk);

#endif

/*
 * summary - counts the records of a filter, and adds their amounts up, by group.
 *
 * Owns the groups.  Sums are exact.  Counts alone are the database's to make, where an index
 * tells all they need; else the records are walked through.  Knows no form.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "base/decimal.h"
#include "store/repository.h"

enum {
	SUMMARY_GROUPS_MAX = 10000,
	/* Sums of all groups, and bytes of all names: what a worker's memory holds at the most. */
	SUMMARY_SUMS_MAX = 100000,
	SUMMARY_NAMES_MAX = 16 * 1024 * 1024,
};

struct summary_sum {
	struct slice dimension;
	struct decimal_sum sum;
};

struct summary_group {
	struct slice keys[FILTER_GROUPS_MAX]; /* in the order of the filter's groups */
	uint64_t count;                       /* records */
	uint64_t unsummed;              /* amounts that are no number, or one of too many places */
	const struct summary_sum *sums; /* by dimension, ascending */
	size_t sum_count;
};

/* Valid until the next summary is made. */
struct summary_result {
	const struct summary_group *groups; /* ascending by their keys, the first counts most */
	size_t group_count;
	struct summary_group total; /* has no keys */
	unsigned retry_count;
	uint32_t shape; /* of the last statement */
};

struct database;
struct summary;
struct walk;

/* All are borrowed until summary_close.  NULL when memory ran out. */
struct summary *summary_open(struct database *database, struct walk *walk,
                             const struct repository_limits *limits);
void summary_close(struct summary *summary); /* NULL is fine */

/* Sums up the records of filter, as they were at one moment; *result is set at REPOSITORY_OK. */
enum repository_status summary_make(struct summary *summary, const struct filter *filter,
                                    struct summary_result *result);

/* Forgets it, and gives the memory back. */
void summary_clear(struct summary *summary);

#endif

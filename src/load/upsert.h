/*
 * upsert - stores a batch of records: new ones are inserted, those that have changed are
 * updated, all in one transaction.
 *
 * A record is its organization and id.  An older lastUpdateTime never overwrites a newer
 * one; of equal times the record at hand counts.  What a record does not say stays as it
 * is, or is the table's to give: serialID the next one, times the time now.  Owns the
 * statements, and what is tried again: deadlocks, another loader's insert, lost connections.
 */
#ifndef UPSERT_H
#define UPSERT_H

#include "load/entry.h"
#include "store/database.h"

enum {
	UPSERT_RECORDS_MAX = 512, /* of a batch */
	UPSERT_BYTES_MAX = 4 << 20,
};

enum upsert_outcome {
	UPSERT_NEW,
	UPSERT_CHANGED,
	UPSERT_SAME,
	UPSERT_OLDER,   /* than what is stored */
	UPSERT_REFUSED, /* by the database: its reason is the entry's */
	UPSERT_OUTCOME_COUNT
};

struct upsert;

struct upsert *upsert_open(struct database *database); /* NULL: out of memory */
void upsert_close(struct upsert *upsert);              /* NULL is fine */

/* The record of a batch that has the same organization and id, or count. */
size_t upsert_find(struct entry *const *entries, size_t count, const struct entry *entry);

/*
 * Stores count good entries of different ids and fills outcomes.  is_dry: looks, and writes
 * nothing.  is_partial: what the database refuses is left out, else nothing at all is
 * stored then.  Returns DATABASE_OK also when some were refused; on anything else nothing
 * is stored.
 */
enum database_status upsert_store(struct upsert *upsert, struct entry **entries, size_t count,
                                  bool is_dry, bool is_partial, enum upsert_outcome *outcomes);

#endif

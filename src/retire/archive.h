/*
 * archive - the file that records go to before they are deleted: a record a line, in the form
 * that usage-record-api-load reads.
 *
 * Owns how a record is written, and that what was written can be read back: the lines of a
 * batch are on the disk, and the loader's own reader has found in them what the table has, before
 * archive_keep says so.  Knows no SQL.
 *
 * A file that is there is added to.  A line that was cut off at its end is taken away: its
 * record was never deleted.  So is nothing else, ever; a record may stand in it twice.
 */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include "load/entry.h"

struct archive;

/* Opens or makes a file for this process alone; NULL: errno says why. */
struct archive *archive_open(const char *path);
void archive_close(struct archive *archive); /* NULL is fine */

/* Begins a batch. */
void archive_begin(struct archive *archive);

/* Adds a record: a text for each of entry_columns, as the database writes it; no data: NULL. */
bool archive_add(struct archive *archive, const struct slice *columns);

/* Ends a batch.  False, like archive_add: it is not safely kept, archive_fault says why. */
bool archive_keep(struct archive *archive);
const char *archive_fault(const struct archive *archive);

#endif

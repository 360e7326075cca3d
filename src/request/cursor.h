/*
 * cursor - the opaque text by which a client names its place in a list.
 *
 * Owns the text form.  Clients get it in a Link header and give it back as the
 * parameter "cursor".  It holds no secret and no organization: it is a place in
 * the total order, not a permission.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include "base/record.h"
#include "base/slice.h"

struct cursor {
	struct record_position after; /* the last record of the page before */
	uint32_t offset;              /* how many records stand before this page, up to INT32_MAX */
	int32_t end_day;              /* the endDate of the walk, counted as in utc.h, so
	                               * that a default does not move at midnight */
};

enum { CURSOR_TEXT_SIZE = 80 }; /* room for any cursor and its NUL */

/* Writes the text form, letters, digits and "-" only, NUL-terminated. */
void cursor_write(char out[static CURSOR_TEXT_SIZE], const struct cursor *cursor);

/* Reads what cursor_write wrote; false for anything else, *cursor is then as before. */
bool cursor_parse(struct slice text, struct cursor *cursor);

#endif

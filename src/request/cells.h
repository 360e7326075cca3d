/*
 * cells - which organization lives in which cell, and whether one lives in this.
 *
 * A cell is a pool of workers with a database of its own.  The file has a line
 * "ORGANIZATION CELL" for each organization that does not live in the cell "default", the
 * organization as it may stand in a path: what is no plain character is %-escaped.  Empty
 * lines and lines from "#" on say nothing.  Organizations are compared decoded, once, so no
 * spelling leads to another cell.
 *
 * To replace the file by another (rename) is to move organizations: whoever asks next is
 * told what the new one says.  Writes no log.
 */
#ifndef CELLS_H
#define CELLS_H

#include <stdbool.h>

#include "base/slice.h"

#define CELLS_DEFAULT "default"

enum { CELLS_REASON_SIZE = 512 };

struct cells;

/*
 * Reads the file.  own: the name of this cell; "": the gate, where no organization lives.
 * Both texts are borrowed until cells_close.  NULL with a reason when the file cannot be read,
 * has another line, or names an organization twice.
 */
struct cells *cells_open(const char *path, const char *own, char reason[static CELLS_REASON_SIZE]);
void cells_close(struct cells *cells); /* NULL is fine */

/* Reads the file again when it is another than that which was read last.  False with a reason
 * when that fails, once for each such file: what was known before still counts. */
bool cells_refresh(struct cells *cells, char reason[static CELLS_REASON_SIZE]);

/* The cell in which an organization, decoded, lives; NULL when that is this one. */
const char *cells_away(const struct cells *cells, struct slice organization);

bool cells_is_gate(const struct cells *cells);

/* Whether a text may be the name of a cell: 1 to 32 of a to z, 0 to 9 and _. */
bool cells_is_name(struct slice text);

#endif

/*
 * places - where pages ended, so that a walk by nextOffset goes on behind the last record of the
 * page before, and nothing is counted.
 *
 * Owns the memory of places, which the workers share.  What shapes a list and who asks for it is
 * remembered as a digest alone, made with a key of the pool's own.
 *
 * The promise: an offset leads right behind a page that gave it as nextOffset, of the same list
 * and asked for with the same Authorization, within the time that a place is remembered.  When
 * several such pages ended at different records, walkers that cannot be told apart might get each
 * other's place: all of them count then.  So does everybody whose place is gone, for its age or
 * because PLACES_COUNT are remembered and the oldest goes.
 */
#ifndef PLACES_H
#define PLACES_H

#include "base/record.h"
#include "request/filter.h"

enum { PLACES_COUNT = 16 * 1024 };

struct places;

/*
 * Joins those who share the places in the file path, see shared.h; without a file, or at a
 * memory of 0 seconds, none are remembered.  NULL when memory ran out.
 */
struct places *places_open(const char *path, unsigned memory_s);
void places_close(struct places *places); /* NULL is fine */

/*
 * Looks for the place that filter's offset leads to.  If there is one, filter has it then, and
 * the walk's days.  authorization is that of the request; places may be NULL.
 */
void places_find(struct places *places, const char *authorization, struct filter *filter);

/* Remembers that a page of filter's list gave offset as nextOffset, and ended with last. */
void places_remember(struct places *places, const char *authorization, const struct filter *filter,
                     uint32_t offset, const struct record_position *last);

#endif

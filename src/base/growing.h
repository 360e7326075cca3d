/*
 * growing - bytes that grow at their end.
 *
 * Memory is kept for the next use.  When it runs out nothing is added and is_short says
 * so until growing_clear: whoever adds much looks once, at the end.
 */
#ifndef GROWING_H
#define GROWING_H

#include <stdint.h>

#include "base/slice.h"

struct growing {
	char *data; /* owned; NULL as long as nothing was added */
	size_t len, size;
	bool is_short;
};

/* Sees to it that more bytes fit behind the last; false when memory ran out. */
bool growing_reserve(struct growing *bytes, size_t more);

void growing_add(struct growing *bytes, struct slice slice);
#define GROWING_ADD(bytes, literal) growing_add(bytes, (struct slice){literal, sizeof(literal) - 1})

/* Adds the inside of a JSON string, see text_add_json. */
void growing_add_json(struct growing *bytes, struct slice slice);
void growing_add_integer(struct growing *bytes, uint64_t value);

/* Drops the first len bytes. */
void growing_drop(struct growing *bytes, size_t len);

/* Empties it; gives the memory back when it is more than size_kept bytes. */
void growing_clear(struct growing *bytes, size_t size_kept);
void growing_free(struct growing *bytes);

static inline struct slice growing_slice(const struct growing *bytes)
{
	return (struct slice){bytes->data, bytes->len};
}

#endif

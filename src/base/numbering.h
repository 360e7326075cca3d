/*
 * numbering - gives each of many different keys a number: 0, 1, 2, ... in the order in which they
 * come first.  A leaf.
 */
#ifndef NUMBERING_H
#define NUMBERING_H

#include <stdint.h>

#include "base/growing.h"

/* Begins as {0}. */
struct numbering {
	struct growing bytes; /* the keys, one behind the other */
	struct numbering_key {
		size_t start, len; /* in bytes */
		uint64_t hash;
	} * keys;         /* owned; by number */
	uint32_t *places; /* owned; by hash: a number + 1, or 0 */
	uint32_t count, size;
};

/* Finds a key, or adds it; false when memory ran out.  *number may be any before: a good guess is
 * quick. */
bool numbering_find(struct numbering *numbering, struct slice key, uint32_t *number);

/* The key of a number; valid until the next one is added. */
static inline struct slice numbering_key(const struct numbering *numbering, uint32_t number)
{
	const struct numbering_key *key = &numbering->keys[number];

	return (struct slice){numbering->bytes.data + key->start, key->len};
}

/* Forgets all keys, and gives their memory back. */
void numbering_clear(struct numbering *numbering);

#endif

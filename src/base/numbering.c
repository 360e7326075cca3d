#include "base/numbering.h"

#include <stdlib.h>

enum { SIZE_FIRST = 256 }; /* a power of two; at most half of the places are taken */

/* FNV-1a, eight bytes at a time, and its high bits brought down. */
static uint64_t hash_of(struct slice key)
{
	uint64_t hash = UINT64_C(14695981039346656037), word;
	size_t i = 0;

	for (; key.len - i >= sizeof word; i += sizeof word) {
		memcpy(&word, key.data + i, sizeof word);
		hash = (hash ^ word) * UINT64_C(1099511628211);
		hash ^= hash >> 32;
	}
	for (word = 0; i < key.len; i++)
		word = word << 8 | (unsigned char)key.data[i];
	hash = (hash ^ word) * UINT64_C(1099511628211);
	return hash ^ hash >> 32;
}

static bool grow(struct numbering *numbering)
{
	uint32_t size = numbering->size > 0 ? 2 * numbering->size : SIZE_FIRST;
	struct numbering_key *keys = realloc(numbering->keys, size / 2 * sizeof *keys);

	if (keys == NULL)
		return false;
	numbering->keys = keys;
	uint32_t *places = calloc(size, sizeof *places);
	if (places == NULL)
		return false;
	for (uint32_t number = 0; number < numbering->count; number++) {
		uint32_t place = (uint32_t)keys[number].hash & (size - 1);
		while (places[place] != 0)
			place = (place + 1) & (size - 1);
		places[place] = number + 1;
	}
	free(numbering->places);
	numbering->places = places;
	numbering->size = size;
	return true;
}

static bool has_key(const struct numbering *numbering, uint32_t number, struct slice key)
{
	struct slice known = numbering_key(numbering, number);

	return known.len == key.len && memcmp(known.data, key.data, key.len) == 0;
}

bool numbering_find(struct numbering *numbering, struct slice key, uint32_t *number)
{
	if (*number < numbering->count && has_key(numbering, *number, key))
		return true;
	uint64_t hash = hash_of(key);
	if (numbering->count == numbering->size / 2 && !grow(numbering))
		return false;
	uint32_t place = (uint32_t)hash & (numbering->size - 1);
	for (; numbering->places[place] != 0; place = (place + 1) & (numbering->size - 1)) {
		uint32_t known = numbering->places[place] - 1;
		if (numbering->keys[known].hash == hash && has_key(numbering, known, key)) {
			*number = known;
			return true;
		}
	}
	size_t start = numbering->bytes.len;
	growing_reserve(&numbering->bytes, key.len + 1); /* an empty key is somewhere, too */
	growing_add(&numbering->bytes, key);
	if (numbering->bytes.is_short)
		return false;
	*number = numbering->count++;
	numbering->keys[*number] = (struct numbering_key){start, key.len, hash};
	numbering->places[place] = *number + 1;
	return true;
}

void numbering_clear(struct numbering *numbering)
{
	growing_free(&numbering->bytes);
	free(numbering->keys);
	free(numbering->places);
	*numbering = (struct numbering){.count = 0};
}

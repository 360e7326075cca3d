/*
 * slice - a run of bytes that somebody else owns.
 *
 * Not terminated; may hold any byte.  Valid as long as what it points into.
 */
#ifndef SLICE_H
#define SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *data;
	size_t len;
};

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static inline bool slice_equals(struct slice slice, const char *text)
{
	return slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}

/* A number that stands for the bytes (FNV-1a), never 0.  Others may have the same one. */
static inline uint64_t slice_digest(struct slice slice)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < slice.len; i++)
		digest = (digest ^ (unsigned char)slice.data[i]) * UINT64_C(0x100000001b3);
	return digest | 1;
}

#endif

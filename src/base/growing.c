#include "base/growing.h"

#include <stdlib.h>

#include "base/text.h"

enum { SIZE_FIRST = 512 };

bool growing_reserve(struct growing *bytes, size_t more)
{
	size_t size = bytes->size > 0 ? bytes->size : SIZE_FIRST;

	if (more <= bytes->size - bytes->len)
		return true;
	while (size - bytes->len < more && size <= SIZE_MAX / 2)
		size *= 2;
	char *data = size - bytes->len >= more ? realloc(bytes->data, size) : NULL;
	if (data == NULL) {
		bytes->is_short = true;
		return false;
	}
	bytes->data = data;
	bytes->size = size;
	return true;
}

void growing_add(struct growing *bytes, struct slice slice)
{
	if (slice.len == 0 || !growing_reserve(bytes, slice.len))
		return;
	memcpy(bytes->data + bytes->len, slice.data, slice.len);
	bytes->len += slice.len;
}

/* All room behind the bytes. */
static struct text room(const struct growing *bytes)
{
	return (struct text){.data = bytes->data + bytes->len, .size = bytes->size - bytes->len};
}

void growing_add_json(struct growing *bytes, struct slice slice)
{
	if (!growing_reserve(bytes, slice.len * TEXT_JSON_EXPANSION + 1))
		return;
	struct text text = room(bytes);
	text_add_json(&text, slice);
	bytes->len += text.len;
}

void growing_add_integer(struct growing *bytes, uint64_t value)
{
	if (!growing_reserve(bytes, 20))
		return;
	struct text text = room(bytes);
	text_add_integer(&text, value);
	bytes->len += text.len;
}

void growing_drop(struct growing *bytes, size_t len)
{
	if (len == 0)
		return;
	memmove(bytes->data, bytes->data + len, bytes->len - len);
	bytes->len -= len;
}

void growing_clear(struct growing *bytes, size_t size_kept)
{
	if (bytes->size > size_kept)
		growing_free(bytes);
	bytes->len = 0;
	bytes->is_short = false;
}

void growing_free(struct growing *bytes)
{
	free(bytes->data);
	*bytes = (struct growing){.data = NULL};
}

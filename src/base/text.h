/*
 * text - puts text together in a buffer of fixed size.  A leaf.
 *
 * What does not fit is left out as a whole and is_cut says so; nothing is ever written
 * beyond the buffer.  The text is not terminated unless text_end is called.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

#include "base/slice.h"

struct text {
	char *data; /* borrowed */
	size_t size;
	size_t len;
	bool is_cut;
};

/* A text in an array. */
#define TEXT_IN(array) ((struct text){.data = (array), .size = sizeof(array)})

/* How many bytes of a JSON string one byte may become. */
enum { TEXT_JSON_EXPANSION = 6 };

static inline void text_add(struct text *text, struct slice slice)
{
	if (slice.len > text->size - text->len) {
		text->is_cut = true;
		return;
	}
	memcpy(text->data + text->len, slice.data, slice.len);
	text->len += slice.len;
}

/* Adds a string constant. */
#define TEXT_ADD(text, literal) text_add(text, (struct slice){literal, sizeof(literal) - 1})

static inline struct slice text_slice(const struct text *text)
{
	return (struct slice){text->data, text->len};
}

void text_add_integer(struct text *text, uint64_t value);

/* In lower-case hexadecimal digits, with zeros in front up to digit_count (1 to 16). */
void text_add_hex(struct text *text, uint64_t value, int digit_count);

/* Milliseconds with three decimals; negative ones count as 0. */
void text_add_ms(struct text *text, double ms);

/*
 * Adds the inside of a JSON string (RFC 8259, section 7): '"', '\' and characters below
 * U+0020 are escaped, everything else, '/' too, goes through as it is, so slice has to
 * be valid UTF-8.  What does not fit is left out byte by byte, or escape by escape.
 */
void text_add_json(struct text *text, struct slice slice);

void text_add_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Terminates the text with a NUL, in place of its last byte if the buffer is full. */
void text_end(struct text *text);

#endif

/*
 * json_text - JSON text as a flat list of nodes that point into it: what stands where, nothing
 * copied, nothing converted.
 *
 * Owns the grammar of RFC 8259, and when two strings or two numbers are equal: strings by their
 * characters, however they are spelled; numbers by their decimal value, digit by digit, never
 * as doubles.
 */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum json_kind { /* scalars first */
	             JSON_NULL,
	             JSON_FALSE,
	             JSON_TRUE,
	             JSON_NUMBER,
	             JSON_STRING,
	             JSON_ARRAY,  /* its elements follow */
	             JSON_OBJECT, /* its members follow: name, value, name, value, ... */
};

struct json_node {
	uint32_t start, len; /* of a number, or of what stands between a string's quotes */
	uint32_t next;       /* index of the node behind this one and all that it holds */
	uint8_t kind;        /* enum json_kind */
	bool has_escapes;    /* of a string */
};

/* Begins as {0}; one text after the other may be parsed into it. */
struct json_text {
	const char *data; /* borrowed */
	struct json_node *nodes;
	uint32_t count, size;
};

enum json_text_status {
	JSON_TEXT_OK,
	JSON_TEXT_NO_MEMORY,
	JSON_TEXT_MALFORMED,
	JSON_TEXT_TOO_DEEP,
	JSON_TEXT_BAD_NUMBER,
	JSON_TEXT_OPEN_STRING,
	JSON_TEXT_LONE_SURROGATE,
};

enum { JSON_TEXT_DEPTH_MAX = 128 }; /* MySQL nests documents up to 100 levels deep */

/*
 * Parses a text of less than 4 GiB with at most depth_max (up to JSON_TEXT_DEPTH_MAX) levels.
 * Half a surrogate pair is accepted unless is_strict, and equals itself alone.  Bytes from 0x80
 * on are taken as they are: whether the text is UTF-8 is its caller's to know.
 */
enum json_text_status json_text_parse(struct json_text *text, struct slice given,
                                      unsigned depth_max, bool is_strict);

/*
 * Parses what stands at an offset, behind a string: if it is a colon, the string is a name and
 * its value becomes the only node, of an array or object the bracket alone; else there is none.
 * False when the value is malformed or memory ran out.
 */
bool json_text_parse_member(struct json_text *text, struct slice given, size_t offset);

/* Frees the nodes; an empty text, or one that may be used again. */
void json_text_close(struct json_text *text);

/* Some total order of scalars, 0 when they are equal; by their first difference.  Strings are
 * ordered by their UTF-8. */
int json_text_compare(const struct json_text *a, const struct json_node *node_a,
                      const struct json_text *b, const struct json_node *node_b);

/* Writes the decoded bytes of a string, at most node->len of them; their number. */
size_t json_text_decode(const struct json_text *text, const struct json_node *node, char *out);

#endif

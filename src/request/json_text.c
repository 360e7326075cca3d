#include "request/json_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

struct parser {
	struct json_text *text;
	const char *at, *end;
	bool is_strict;
	unsigned depth_max;
};

static void skip_space(struct parser *parser)
{
	while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\n' ||
	                                    *parser->at == '\t' || *parser->at == '\r'))
		parser->at++;
}

static bool take(struct parser *parser, char c)
{
	if (parser->at == parser->end || *parser->at != c)
		return false;
	parser->at++;
	return true;
}

static bool pass_number(struct parser *parser)
{
	struct number number;
	const char *behind = number_read(parser->at, parser->end, &number);

	if (behind != NULL)
		parser->at = behind;
	return behind != NULL;
}

/* The code unit of four hexadecimal digits, or -1. */
static int read_unit(const char *at, const char *end)
{
	int unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)at[i]))
			return -1;
		unit =
		    unit * 16 + (isdigit((unsigned char)at[i]) ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	}
	return unit;
}

static bool is_high(int unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* From behind the first quote to behind the last one. */
static enum json_text_status pass_string(struct parser *parser, bool *has_escapes)
{
	bool is_behind_high = false, has_half = false, is_bad = false;

	for (; parser->at < parser->end; parser->at++) {
		unsigned char c = (unsigned char)*parser->at;
		int unit = -1;
		if (c == '"') {
			parser->at++;
			if (is_bad)
				return JSON_TEXT_MALFORMED;
			return parser->is_strict && (has_half || is_behind_high) ? JSON_TEXT_LONE_SURROGATE
			                                                         : JSON_TEXT_OK;
		}
		is_bad |= c < 0x20;
		if (c == '\\') {
			*has_escapes = true;
			if (++parser->at == parser->end)
				break;
			if (*parser->at == 'u') {
				unit = read_unit(parser->at + 1, parser->end);
				is_bad |= unit < 0;
				parser->at += unit < 0 ? 0 : 4;
			} else {
				is_bad |= memchr("\"\\/bfnrt", *parser->at, 8) == NULL;
			}
		}
		has_half |= is_behind_high != is_low(unit);
		is_behind_high = is_high(unit);
	}
	return JSON_TEXT_OPEN_STRING;
}

static bool pass_word(struct parser *parser, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(parser->end - parser->at) < len || memcmp(parser->at, word, len) != 0)
		return false;
	parser->at += len;
	return true;
}

static struct json_node *add_node(struct parser *parser)
{
	struct json_text *text = parser->text;

	if (text->count == text->size) {
		uint32_t size = text->size < 64 ? 64 : text->size * 2;
		struct json_node *nodes = size > text->size && size < UINT32_MAX / 2
		                              ? realloc(text->nodes, size * sizeof *nodes)
		                              : NULL;
		if (nodes == NULL)
			return NULL;
		text->nodes = nodes;
		text->size = size;
	}
	struct json_node *node = &text->nodes[text->count++];
	*node = (struct json_node){.start = (uint32_t)(parser->at - text->data), .next = text->count};
	return node;
}

/* Passes one value, of an array or object its opening bracket alone. */
static enum json_text_status pass_value(struct parser *parser)
{
	static const char *const words[] = {
	    [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};
	enum json_text_status status = JSON_TEXT_OK;

	if (parser->at == parser->end)
		return JSON_TEXT_MALFORMED;
	struct json_node *node = add_node(parser);
	if (node == NULL)
		return JSON_TEXT_NO_MEMORY;
	const char *start = parser->at;
	if (*start == '{' || *start == '[') {
		node->kind = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
		parser->at++;
	} else if (*start == '"') {
		node->kind = JSON_STRING;
		node->start++;
		parser->at++;
		status = pass_string(parser, &node->has_escapes);
		node->len = (uint32_t)(parser->at - start - 2);
	} else if (*start == '-' || isdigit((unsigned char)*start)) {
		node->kind = JSON_NUMBER;
		status = pass_number(parser) ? JSON_TEXT_OK : JSON_TEXT_BAD_NUMBER;
		node->len = (uint32_t)(parser->at - start);
	} else {
		for (int kind = JSON_NULL; kind <= JSON_TRUE; kind++) {
			if (pass_word(parser, words[kind])) {
				node->kind = (uint8_t)kind;
				return JSON_TEXT_OK;
			}
		}
		return JSON_TEXT_MALFORMED;
	}
	return status;
}

static enum json_text_status pass_name(struct parser *parser)
{
	skip_space(parser);
	if (parser->at == parser->end || *parser->at != '"')
		return JSON_TEXT_MALFORMED;
	enum json_text_status status = pass_value(parser);
	skip_space(parser);
	return status != JSON_TEXT_OK || take(parser, ':') ? status : JSON_TEXT_MALFORMED;
}

static enum json_text_status pass_document(struct parser *parser)
{
	struct json_text *text = parser->text;
	uint32_t open[JSON_TEXT_DEPTH_MAX]; /* the arrays and objects around the place */
	unsigned depth = 0;

	for (;;) {
		bool is_in_object = depth > 0 && text->nodes[open[depth - 1]].kind == JSON_OBJECT;
		enum json_text_status status = is_in_object ? pass_name(parser) : JSON_TEXT_OK;
		skip_space(parser);
		if (status == JSON_TEXT_OK)
			status = pass_value(parser);
		if (status != JSON_TEXT_OK)
			return status;
		skip_space(parser);
		uint32_t last = text->count - 1;
		bool is_over = true; /* the value: what is open has to go on or to end */
		if (text->nodes[last].kind >= JSON_ARRAY) {
			if (depth == parser->depth_max)
				return JSON_TEXT_TOO_DEEP;
			open[depth++] = last;
			is_over = parser->at < parser->end &&
			          *parser->at == (text->nodes[last].kind == JSON_OBJECT ? '}' : ']');
		}
		while (is_over && depth > 0) {
			struct json_node *around = &text->nodes[open[depth - 1]];
			skip_space(parser);
			if (take(parser, around->kind == JSON_OBJECT ? '}' : ']')) {
				around->next = text->count;
				depth--;
			} else if (take(parser, ',')) {
				is_over = false;
			} else {
				return JSON_TEXT_MALFORMED;
			}
		}
		if (depth == 0)
			break;
	}
	skip_space(parser);
	return parser->at == parser->end ? JSON_TEXT_OK : JSON_TEXT_MALFORMED;
}

enum json_text_status json_text_parse(struct json_text *text, struct slice given,
                                      unsigned depth_max, bool is_strict)
{
	struct parser parser = {.text = text,
	                        .at = given.data,
	                        .end = given.data + given.len,
	                        .is_strict = is_strict,
	                        .depth_max = depth_max};

	text->data = given.data;
	text->count = 0;
	if (given.len >= UINT32_MAX)
		return JSON_TEXT_NO_MEMORY;
	skip_space(&parser);
	return pass_document(&parser);
}

bool json_text_parse_member(struct json_text *text, struct slice given, size_t offset)
{
	struct parser parser = {.text = text, .at = given.data + offset, .end = given.data + given.len};

	text->data = given.data;
	text->count = 0;
	skip_space(&parser);
	if (!take(&parser, ':'))
		return true;
	skip_space(&parser);
	return pass_value(&parser) == JSON_TEXT_OK;
}

void json_text_close(struct json_text *text)
{
	free(text->nodes);
	*text = (struct json_text){.data = NULL};
}

/* The bytes of a string, one after the other, decoded. */
struct reader {
	const char *at, *end;
	unsigned char bytes[4]; /* of the escape at hand */
	unsigned count, used;
};

static struct reader reader_of(const struct json_text *text, const struct json_node *node)
{
	return (struct reader){.at = text->data + node->start,
	                       .end = text->data + node->start + node->len};
}

static void encode(struct reader *reader, unsigned code)
{
	unsigned char *out = reader->bytes;

	reader->used = 0;
	if (code < 0x80) {
		out[0] = (unsigned char)code;
		reader->count = 1;
	} else if (code < 0x800) {
		out[0] = (unsigned char)(0xc0 | code >> 6);
		reader->count = 2;
	} else if (code < 0x10000) {
		out[0] = (unsigned char)(0xe0 | code >> 12);
		reader->count = 3;
	} else {
		out[0] = (unsigned char)(0xf0 | code >> 18);
		reader->count = 4;
	}
	for (unsigned i = reader->count - 1, rest = code; i > 0; i--, rest >>= 6)
		out[i] = (unsigned char)(0x80 | (rest & 0x3f));
}

/* The next byte, or -1 behind the last. */
static int next_byte(struct reader *reader)
{
	static const char escapes[] = "bfnrt", meant[] = "\b\f\n\r\t";

	if (reader->used < reader->count)
		return reader->bytes[reader->used++];
	if (reader->at == reader->end)
		return -1;
	if (*reader->at != '\\')
		return (unsigned char)*reader->at++;
	char escape = reader->at[1];
	reader->at += 2;
	if (escape != 'u') {
		const char *found = strchr(escapes, escape);
		return (unsigned char)(found != NULL ? meant[found - escapes] : escape);
	}
	int unit = read_unit(reader->at, reader->end), low = -1;
	reader->at += 4;
	if (is_high(unit) && reader->end - reader->at >= 6 && reader->at[0] == '\\' &&
	    reader->at[1] == 'u')
		low = read_unit(reader->at + 2, reader->end);
	if (is_low(low)) {
		encode(reader, 0x10000 + (unsigned)((unit - 0xd800) << 10 | (low - 0xdc00)));
		reader->at += 6;
	} else {
		encode(reader, (unsigned)unit);
	}
	return reader->bytes[reader->used++];
}

static int compare_strings(const struct json_text *a, const struct json_node *node_a,
                           const struct json_text *b, const struct json_node *node_b)
{
	struct reader reader_a = reader_of(a, node_a), reader_b = reader_of(b, node_b);

	if (!node_a->has_escapes && !node_b->has_escapes) {
		size_t len = node_a->len < node_b->len ? node_a->len : node_b->len;
		int order = memcmp(reader_a.at, reader_b.at, len);
		return order != 0 ? order : (node_a->len > node_b->len) - (node_a->len < node_b->len);
	}
	for (;;) {
		int byte_a = next_byte(&reader_a), byte_b = next_byte(&reader_b);
		if (byte_a != byte_b || byte_a < 0)
			return byte_a - byte_b;
	}
}

/* ±0.digits × 10^exponent; the digits, a point perhaps among them, begin and end with none that
 * is 0.  No digits: 0. */
struct decimal {
	const char *digits, *end;
	int64_t exponent;
	bool is_negative;
};

static struct decimal decimal_of(const struct json_text *text, const struct json_node *node)
{
	const char *start = text->data + node->start;
	struct number number;

	number_read(start, start + node->len, &number);
	while (number.digits < number.end && (*number.digits == '0' || *number.digits == '.'))
		number.digits++;
	while (number.end > number.digits && (number.end[-1] == '0' || number.end[-1] == '.'))
		number.end--;
	if (number.digits == number.end)
		return (struct decimal){.digits = number.end, .end = number.end};
	/* How many digits stand before the point; those behind it and before the first count down. */
	return (struct decimal){
	    number.digits, number.end,
	    number.exponent + (number.digits < number.point ? number.point - number.digits
	                                                    : number.point + 1 - number.digits),
	    number.is_negative};
}

static int compare_numbers(const struct decimal *a, const struct decimal *b)
{
	const char *at_a = a->digits, *at_b = b->digits;

	if (a->is_negative != b->is_negative)
		return a->is_negative ? -1 : 1;
	if (a->exponent != b->exponent)
		return a->exponent < b->exponent ? -1 : 1;
	for (;; at_a++, at_b++) {
		at_a += at_a < a->end && *at_a == '.';
		at_b += at_b < b->end && *at_b == '.';
		if (at_a == a->end || at_b == b->end)
			return (at_a < a->end) - (at_b < b->end);
		if (*at_a != *at_b)
			return *at_a - *at_b;
	}
}

int json_text_compare(const struct json_text *a, const struct json_node *node_a,
                      const struct json_text *b, const struct json_node *node_b)
{
	if (node_a->kind != node_b->kind)
		return node_a->kind - node_b->kind;
	if (node_a->kind == JSON_STRING)
		return compare_strings(a, node_a, b, node_b);
	if (node_a->kind != JSON_NUMBER)
		return 0;
	struct decimal decimal_a = decimal_of(a, node_a), decimal_b = decimal_of(b, node_b);
	return compare_numbers(&decimal_a, &decimal_b);
}

size_t json_text_decode(const struct json_text *text, const struct json_node *node, char *out)
{
	struct reader reader = reader_of(text, node);
	size_t len = 0;

	for (int byte; (byte = next_byte(&reader)) >= 0;)
		out[len++] = (char)byte;
	return len;
}

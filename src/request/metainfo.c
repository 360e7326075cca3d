#include "request/metainfo.h"

#include <ctype.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>

/* MySQL nests documents up to 100 levels deep, MariaDB up to 32. */
enum { DOCUMENT_DEPTH_MAX = 128 };

struct metainfo {
	struct json_object *tree;
	struct json_object *tree_without_strings;
};

/*
 * What json-c lets pass though RFC 8259 does not (0.16, even when strict): numbers
 * like 1. and -01, NaN and Infinity, single quotes.  This pass looks at the tokens
 * alone and leaves their order to json-c.  It also counts the members, because
 * json-c drops all but the last of a name; and refuses a NUL in a name, where
 * json-c would cut it.
 */
struct scan {
	const char *at, *end;
	size_t member_count;
	size_t depth;
};

static bool scan_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && isdigit((unsigned char)*scan->at))
		scan->at++;
	return scan->at > start;
}

static bool scan_char(struct scan *scan, const char *accepted)
{
	if (scan->at == scan->end || strchr(accepted, *scan->at) == NULL)
		return false;
	scan->at++;
	return true;
}

static const char *scan_number(struct scan *scan)
{
	const char *start = scan->at;

	scan_char(scan, "-");
	if (!scan_char(scan, "0") && !scan_digits(scan))
		return "has a malformed number";
	if (scan_char(scan, ".") && !scan_digits(scan))
		return "has a malformed number";
	if (scan_char(scan, "eE")) {
		scan_char(scan, "+-");
		if (!scan_digits(scan))
			return "has a malformed number";
	}
	if (scan->at < scan->end && isdigit((unsigned char)*scan->at))
		return "has a malformed number";
	if (isinf(strtod(start, NULL)))
		return "has a number that does not fit a double";
	return NULL;
}

/* What a string between its quotes turned out to be. */
struct string_facts {
	bool has_end, has_nul, has_lone_surrogate;
};

/* The code unit of an escape, \u and four hexadecimal digits, whose u is at at; or -1. */
static int escaped_unit(const char *at, const char *end)
{
	int unit = 0;

	if (end - at < 5 || *at != 'u')
		return -1;
	for (int i = 1; i <= 4; i++) {
		if (!isxdigit((unsigned char)at[i]))
			return -1;
		unit =
		    unit * 16 + (isdigit((unsigned char)at[i]) ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	}
	return unit;
}

/* Passes over a string, from its first quote to behind its last. */
static const char *pass_string(const char *at, const char *end, struct string_facts *facts)
{
	bool is_behind_high = false; /* an escaped high surrogate that waits for its low one */

	*facts = (struct string_facts){.has_end = false};
	for (at++; at < end && *at != '"'; at++) {
		int unit = -1;
		if (*at == '\\') {
			if (++at == end)
				break;
			unit = escaped_unit(at, end);
		}
		bool is_low = unit >= 0xdc00 && unit < 0xe000;
		facts->has_nul |= unit == 0;
		facts->has_lone_surrogate |= is_behind_high != is_low;
		is_behind_high = unit >= 0xd800 && unit < 0xdc00;
		if (unit >= 0)
			at += 4;
	}
	facts->has_lone_surrogate |= is_behind_high;
	facts->has_end = at < end;
	return at < end ? at + 1 : end;
}

static const char *scan_string(struct scan *scan)
{
	struct string_facts facts;

	scan->at = pass_string(scan->at, scan->end, &facts);
	if (!facts.has_end)
		return "has a string without an end";
	if (facts.has_lone_surrogate)
		return "has half a surrogate pair";
	while (scan_char(scan, " \t\n\r"))
		;
	if (scan_char(scan, ":")) {
		scan->member_count++;
		if (facts.has_nul)
			return "has a NUL in a name";
	}
	return NULL;
}

static const char *scan_token(struct scan *scan)
{
	static const char *const literals[] = {"true", "false", "null"};

	if (*scan->at == '"')
		return scan_string(scan);
	if (*scan->at == '-' || isdigit((unsigned char)*scan->at))
		return scan_number(scan);
	if (scan_char(scan, "{["))
		return ++scan->depth > METAINFO_DEPTH_MAX ? "is nested too deeply" : NULL;
	if (scan_char(scan, "}]")) {
		scan->depth--; /* below 0 it wraps; json-c refuses the text later */
		return NULL;
	}
	if (scan_char(scan, ", \t\n\r"))
		return NULL;
	for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
		size_t len = strlen(literals[i]);
		if ((size_t)(scan->end - scan->at) >= len && memcmp(scan->at, literals[i], len) == 0) {
			scan->at += len;
			return NULL;
		}
	}
	return "is not JSON";
}

static size_t member_count(struct json_object *value)
{
	size_t count = 0;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, member) {
			(void)name;
			count += 1 + member_count(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			count += member_count(json_object_array_get_idx(value, i));
	}
	return count;
}

/* A copy without strings.  False when memory ran out; JSON's null is a NULL copy. */
static bool copy_without_strings(struct json_object *value, struct json_object **copy)
{
	struct json_object *item;

	if (json_object_is_type(value, json_type_object)) {
		if ((*copy = json_object_new_object()) == NULL)
			return false;
		json_object_object_foreach(value, name, member) {
			if (json_object_is_type(member, json_type_string))
				continue;
			if (!copy_without_strings(member, &item) ||
			    json_object_object_add(*copy, name, item) != 0)
				return false;
		}
	} else if (json_object_is_type(value, json_type_array)) {
		if ((*copy = json_object_new_array()) == NULL)
			return false;
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			struct json_object *element = json_object_array_get_idx(value, i);
			if (json_object_is_type(element, json_type_string))
				continue;
			if (!copy_without_strings(element, &item) || json_object_array_add(*copy, item) != 0)
				return false;
		}
	} else {
		*copy = json_object_get(value);
	}
	return true;
}

/* Whether an integer's digits are beyond int64_t, or uint64_t when it is positive. */
static bool is_beyond_64_bits(const char *digits, size_t len, bool is_negative)
{
	const char *limit = is_negative ? "9223372036854775808" : "18446744073709551615";
	size_t limit_len = strlen(limit);

	return len > limit_len || (len == limit_len && memcmp(digits, limit, len) > 0);
}

/* What json-c is given in place of a piece of a text. */
struct change {
	const char *from, *to; /* the piece; both the end of the text when there is none */
	const char *text;
};

static bool is_before_colon(const char *at, const char *end)
{
	while (at < end && memchr(" \t\n\r", *at, 4) != NULL)
		at++;
	return at < end && *at == ':';
}

/*
 * Finds the next piece of a text, from start on, outside of strings and numbers, that
 * json-c would take for something else.  An integer beyond 64 bits would become the
 * nearest one that is not: it goes on with ".0", as the servers, too, take it for a
 * double.  A name with a NUL would be cut there, and could be the name that a filter
 * wants: it becomes one that no filter has, because it is no UTF-8.
 */
static struct change find_change(const char *start, const char *end)
{
	for (const char *at = start; at < end;) {
		const char *token = at;
		if (*at == '"') {
			struct string_facts facts;
			at = pass_string(token, end, &facts);
			if (facts.has_nul && is_before_colon(at, end))
				return (struct change){token + 1, at, "\xff\""};
		} else if (isdigit((unsigned char)*at)) {
			while (at < end && isdigit((unsigned char)*at))
				at++;
			if (at < end && memchr(".eE", *at, 3) == NULL &&
			    is_beyond_64_bits(token, (size_t)(at - token), token > start && token[-1] == '-'))
				return (struct change){at, at, ".0"};
			while (at < end && (isdigit((unsigned char)*at) || memchr(".eE+-", *at, 5) != NULL))
				at++;
		} else {
			at++;
		}
	}
	return (struct change){end, end, ""};
}

/* Gives json-c a text with its changes.  Whether all of it is one value, which *tree then
 * is (NULL for null); if not, *tree may be a part of it.  The caller puts it either way. */
static bool parse_tree(struct json_tokener *tokener, const char *text, size_t len,
                       struct json_object **tree)
{
	const char *at = text, *end = text + len;

	for (;;) {
		struct change change = find_change(at, end);
		*tree = json_tokener_parse_ex(tokener, at, (int)(change.from - at));
		if (change.from == end)
			break;
		if (json_tokener_get_error(tokener) == json_tokener_continue)
			*tree = json_tokener_parse_ex(tokener, change.text, (int)strlen(change.text));
		if (json_tokener_get_error(tokener) != json_tokener_continue)
			return false;
		at = change.to;
	}
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		*tree = json_tokener_parse_ex(tokener, "", 1); /* its NUL ends a number */
	else if (json_tokener_get_parse_end(tokener) != (size_t)(end - at))
		return false;
	return json_tokener_get_error(tokener) == json_tokener_success;
}

/*
 * Parses a filter in two passes, because json-c 0.18 refuses every byte from 0x80 on if it is
 * strict: strictly with a letter in the place of each such byte, and as it is for UTF-8 and the
 * tree.  False when it is not JSON; *tree may then be a part of it.
 */
static bool parse_filter(struct json_tokener *tokener, const char *text, size_t len,
                         struct json_object **tree)
{
	char ascii[METAINFO_LEN_MAX];

	for (size_t i = 0; i < len; i++)
		ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : 'x';
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	bool is_json = parse_tree(tokener, ascii, len, tree);
	json_object_put(*tree);
	*tree = NULL;
	if (!is_json)
		return false;
	json_tokener_reset(tokener);
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	return parse_tree(tokener, text, len, tree);
}

struct metainfo *metainfo_parse(const char *text, const char **reason)
{
	size_t len = strlen(text);
	struct scan scan = {.at = text, .end = text + len};
	struct json_tokener *tokener = NULL;
	struct metainfo *filter = NULL;

	if (len > METAINFO_LEN_MAX) {
		*reason = "is too long";
		return NULL;
	}
	*reason = NULL;
	while (scan.at < scan.end)
		if ((*reason = scan_token(&scan)) != NULL)
			return NULL;

	if ((filter = calloc(1, sizeof *filter)) == NULL ||
	    (tokener = json_tokener_new_ex(METAINFO_DEPTH_MAX + 2)) == NULL)
		goto fail;
	if (!parse_filter(tokener, text, len, &filter->tree))
		*reason = "is not JSON";
	else if (!json_object_is_type(filter->tree, json_type_object))
		*reason = "is not an object";
	else if (member_count(filter->tree) != scan.member_count)
		*reason = "names a member twice";
	if (*reason != NULL || !copy_without_strings(filter->tree, &filter->tree_without_strings))
		goto fail;
	json_tokener_free(tokener);
	return filter;

fail:
	if (tokener != NULL)
		json_tokener_free(tokener);
	metainfo_free(filter);
	return NULL;
}

void metainfo_free(struct metainfo *filter)
{
	if (filter == NULL)
		return;
	json_object_put(filter->tree);
	json_object_put(filter->tree_without_strings);
	free(filter);
}

bool metainfo_is_empty(const struct metainfo *filter)
{
	return json_object_object_length(filter->tree) == 0;
}

static struct slice tree_text(struct json_object *tree)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
	    tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	return (struct slice){text, len};
}

struct slice metainfo_text(const struct metainfo *filter)
{
	return tree_text(filter->tree);
}

struct slice metainfo_text_without_strings(const struct metainfo *filter)
{
	return tree_text(filter->tree_without_strings);
}

static size_t collect_strings(struct json_object *value, struct slice *strings, size_t max)
{
	size_t count = 0;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, member) {
			(void)name;
			count += collect_strings(member, strings + count, max - count);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			count +=
			    collect_strings(json_object_array_get_idx(value, i), strings + count, max - count);
	} else if (json_object_is_type(value, json_type_string) && max > 0) {
		struct slice text = {json_object_get_string(value),
		                     (size_t)json_object_get_string_len(value)};
		if (memchr(text.data, '\0', text.len) == NULL)
			strings[count++] = text;
	}
	return count;
}

size_t metainfo_strings(const struct metainfo *filter, struct slice *strings, size_t max)
{
	return collect_strings(filter->tree, strings, max);
}

/* An integer above INT64_MAX reads as INT64_MAX when asked for as int64. */
static bool integers_equal(struct json_object *a, struct json_object *b)
{
	int64_t signed_a = json_object_get_int64(a), signed_b = json_object_get_int64(b);

	return signed_a == signed_b &&
	       (signed_a < 0 || json_object_get_uint64(a) == json_object_get_uint64(b));
}

/* Exact for every mix of 64-bit integers and doubles where long double has 64 bits
 * of mantissa; elsewhere integers beyond 2^53 compare with doubles as doubles. */
static long double number(struct json_object *value)
{
	if (json_object_is_type(value, json_type_double))
		return json_object_get_double(value);
	int64_t integer = json_object_get_int64(value);
	return integer < 0 ? (long double)integer : (long double)json_object_get_uint64(value);
}

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) ||
	       json_object_is_type(value, json_type_double);
}

static bool scalars_equal(struct json_object *a, struct json_object *b)
{
	if (json_object_is_type(a, json_type_int) && json_object_is_type(b, json_type_int))
		return integers_equal(a, b);
	if (is_number(a) && is_number(b))
		return number(a) == number(b);
	if (json_object_get_type(a) != json_object_get_type(b))
		return false;
	switch (json_object_get_type(a)) {
	case json_type_null:
		return true;
	case json_type_boolean:
		return json_object_get_boolean(a) == json_object_get_boolean(b);
	case json_type_string:
		return json_object_get_string_len(a) == json_object_get_string_len(b) &&
		       memcmp(json_object_get_string(a), json_object_get_string(b),
		              (size_t)json_object_get_string_len(a)) == 0;
	default:
		return false;
	}
}

static bool contains(struct json_object *document, struct json_object *filter)
{
	struct json_object *member;

	switch (json_object_get_type(document)) {
	case json_type_object:
		if (!json_object_is_type(filter, json_type_object))
			return false;
		json_object_object_foreach(filter, name, wanted) {
			if (!json_object_object_get_ex(document, name, &member) || !contains(member, wanted))
				return false;
		}
		return true;
	case json_type_array:
		if (json_object_is_type(filter, json_type_array)) {
			for (size_t i = 0; i < json_object_array_length(filter); i++) {
				bool found = false;
				for (size_t j = 0; j < json_object_array_length(document) && !found; j++)
					found = contains(json_object_array_get_idx(document, j),
					                 json_object_array_get_idx(filter, i));
				if (!found)
					return false;
			}
			return true;
		}
		for (size_t j = 0; j < json_object_array_length(document); j++)
			if (contains(json_object_array_get_idx(document, j), filter))
				return true;
		return false;
	default:
		return scalars_equal(document, filter);
	}
}

enum metainfo_match metainfo_match(const struct metainfo *filter, struct slice document)
{
	enum metainfo_match match = METAINFO_UNREADABLE;
	struct json_object *tree;

	if (document.len == 0)
		return METAINFO_LACKS;
	/* A new one each time: json_tokener_reset keeps half a surrogate pair. */
	struct json_tokener *tokener = json_tokener_new_ex(DOCUMENT_DEPTH_MAX);
	if (tokener == NULL)
		return METAINFO_UNREADABLE;
	if (parse_tree(tokener, document.data, document.len, &tree))
		match = contains(tree, filter->tree) ? METAINFO_CONTAINS : METAINFO_LACKS;
	json_object_put(tree);
	json_tokener_free(tokener);
	return match;
}

#include "request/metainfo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "request/json_text.h"

enum {
	NEEDLES_MAX = 4,
	/* Nodes of a long document beyond this are given back. */
	NODES_KEPT = 65536,
	ABSENT = UINT32_MAX,
};

/* A string that a document has byte by byte, unless it spells it differently, if it contains the
 * filter. */
struct needle {
	struct slice string; /* decoded */
	uint32_t value;      /* of a name, the node of its value if that is a scalar; else 0 */
	size_t weight;       /* the more, the fewer documents have it */
	bool is_plain;       /* in a document it is spelled differently with \u00XX alone */
};

struct metainfo {
	struct json_text text;
	char *written; /* what text.data was made from, see metainfo_text */
	size_t written_len;
	/*
	 * Of each array and object, the indices of its elements or of its members' names, in
	 * ascending order, objects and arrays last: sorted_count of them from sorted[first] on.
	 */
	uint32_t *sorted; /* owned; the other three stand behind it */
	uint32_t *first;
	uint32_t *sorted_count;
	/* Of each name and element, during a match: the value found for it, ABSENT for none. */
	uint32_t *found;
	char *strings; /* decoded, one after the other */
	struct needle needles[NEEDLES_MAX];
	size_t needle_count;
	struct json_text document;
	uint64_t steps; /* of the match at hand */
};

static const struct json_node *node_at(const struct metainfo *filter, uint32_t index)
{
	return &filter->text.nodes[index];
}

static int compare_indices(const void *a, const void *b, void *context)
{
	const struct json_text *text = context;
	uint32_t index_a = *(const uint32_t *)a, index_b = *(const uint32_t *)b;
	int order = json_text_compare(text, &text->nodes[index_a], text, &text->nodes[index_b]);

	return order != 0 ? order : (index_a > index_b) - (index_a < index_b);
}

/* Sorts what an array or object holds, to sorted[first] and behind.  False: a member is named
 * twice. */
static bool sort_children(struct metainfo *filter, uint32_t index, uint32_t first)
{
	const struct json_node *node = node_at(filter, index);
	bool is_object = node->kind == JSON_OBJECT;
	uint32_t *sorted = filter->sorted + first, count = 0;

	for (uint32_t at = index + 1; at < node->next;) {
		sorted[count++] = at;
		at = node_at(filter, is_object ? at + 1 : at)->next;
	}
	filter->first[index] = first;
	filter->sorted_count[index] = count;
	qsort_r(sorted, count, sizeof *sorted, compare_indices, &filter->text);
	for (uint32_t i = 1; is_object && i < count; i++)
		if (json_text_compare(&filter->text, node_at(filter, sorted[i - 1]), &filter->text,
		                      node_at(filter, sorted[i])) == 0)
			return false;
	return true;
}

static bool is_name(const struct metainfo *filter, uint32_t index)
{
	/* Names alone are followed by their value with nothing but a colon between. */
	const struct json_node *node = node_at(filter, index);
	const char *at = filter->text.data + node->start + node->len + 1;

	return node->kind == JSON_STRING && at[strspn(at, " \t\n\r")] == ':';
}

static bool is_plain(struct slice string)
{
	for (size_t i = 0; i < string.len; i++) {
		unsigned char c = (unsigned char)string.data[i];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '/')
			return false;
	}
	return true;
}

/* Of each string one, and of all of them the heaviest.  A string that is the value of a name comes
 * with the name. */
static void add_needle(struct metainfo *filter, struct slice string, uint32_t index)
{
	struct needle needle = {.string = string, .weight = string.len, .is_plain = is_plain(string)};

	if (string.len == 0)
		return;
	if (is_name(filter, index) && node_at(filter, index + 1)->kind < JSON_ARRAY) {
		needle.value = index + 1;
		needle.weight += node_at(filter, index + 1)->len;
	}
	for (size_t i = 0; i < filter->needle_count; i++)
		if (filter->needles[i].string.len == string.len &&
		    memcmp(filter->needles[i].string.data, string.data, string.len) == 0)
			return;
	size_t at = filter->needle_count;
	if (at == NEEDLES_MAX) {
		at = NEEDLES_MAX - 1;
		if (needle.weight <= filter->needles[at].weight)
			return;
	} else {
		filter->needle_count++;
	}
	for (; at > 0 && filter->needles[at - 1].weight < needle.weight; at--)
		filter->needles[at] = filter->needles[at - 1];
	filter->needles[at] = needle;
}

/* What the grammar allows and a filter does not. */
static const char *find_fault(struct metainfo *filter)
{
	char *strings = filter->strings;
	uint32_t first = 0;

	if (node_at(filter, 0)->kind != JSON_OBJECT)
		return "is not an object";
	for (uint32_t index = 0; index < filter->text.count; index++) {
		const struct json_node *node = node_at(filter, index);
		if (node->kind == JSON_STRING) {
			struct slice string = {strings, json_text_decode(&filter->text, node, strings)};
			strings += string.len;
			if (is_name(filter, index) && memchr(string.data, '\0', string.len) != NULL)
				return "has a NUL in a name";
			if (!is_name(filter, index - 1))
				add_needle(filter, string, index);
		} else if (node->kind == JSON_NUMBER) {
			if (isinf(strtod(filter->text.data + node->start, NULL)))
				return "has a number that does not fit a double";
		} else if (node->kind >= JSON_ARRAY) {
			if (!sort_children(filter, index, first))
				return "names a member twice";
			first += filter->sorted_count[index];
		}
	}
	return NULL;
}

static size_t write_string(char *out, struct slice string)
{
	static const char hex[] = "0123456789abcdef", short_escapes[] = "\b\f\n\r\t",
	                  letters[] = "bfnrt";
	char *start = out;

	*out++ = '"';
	for (size_t i = 0; i < string.len; i++) {
		unsigned char c = (unsigned char)string.data[i];
		const char *found = c != '\0' && c < 0x20 ? strchr(short_escapes, c) : NULL;
		if (c >= 0x20 && c != '"' && c != '\\') {
			*out++ = (char)c;
			continue;
		}
		*out++ = '\\';
		if (c >= 0x20) {
			*out++ = (char)c;
		} else if (found != NULL) {
			*out++ = letters[found - short_escapes];
		} else {
			memcpy(out, "u00", 3);
			out[3] = hex[c >> 4];
			out[4] = hex[c & 0xf];
			out += 5;
		}
	}
	*out++ = '"';
	return (size_t)(out - start);
}

/* Makes filter->written from the text: strings decoded and escaped again, white space left out.
 * It is never longer than the text. */
static void write_text(struct metainfo *filter, const char *text)
{
	char *out = filter->written, decoded[METAINFO_LEN_MAX];
	uint32_t index = 0;

	for (const char *at = text; *at != '\0';) {
		if (*at == '"') {
			while (node_at(filter, index)->kind != JSON_STRING)
				index++;
			const struct json_node *node = node_at(filter, index++);
			size_t len = json_text_decode(&filter->text, node, decoded);
			out += write_string(out, (struct slice){decoded, len});
			at = text + node->start + node->len + 1;
		} else if (strchr(" \t\n\r", *at) != NULL) {
			at++;
		} else {
			*out++ = *at++;
		}
	}
	filter->written_len = (size_t)(out - filter->written);
}

static const char *const reasons[] = {
    [JSON_TEXT_MALFORMED] = "is not JSON",
    [JSON_TEXT_TOO_DEEP] = "is nested too deeply",
    [JSON_TEXT_BAD_NUMBER] = "has a malformed number",
    [JSON_TEXT_OPEN_STRING] = "has a string without an end",
    [JSON_TEXT_LONE_SURROGATE] = "has half a surrogate pair",
};

struct metainfo *metainfo_parse(const char *text, const char **reason)
{
	size_t len = strlen(text);
	struct metainfo *filter = NULL;

	*reason = NULL;
	if (len > METAINFO_LEN_MAX) {
		*reason = "is too long";
		return NULL;
	}
	/* The text is kept behind what is written from it. */
	if ((filter = calloc(1, sizeof *filter)) == NULL ||
	    (filter->written = malloc(2 * (len + 1))) == NULL ||
	    (filter->strings = malloc(len + 1)) == NULL)
		goto fail;
	char *kept = memcpy(filter->written + len + 1, text, len + 1);
	enum json_text_status status =
	    json_text_parse(&filter->text, (struct slice){kept, len}, METAINFO_DEPTH_MAX, true);
	if (status != JSON_TEXT_OK) {
		*reason = reasons[status]; /* NULL for no memory */
		goto fail;
	}
	if ((filter->sorted = calloc(4 * (size_t)filter->text.count, sizeof *filter->sorted)) == NULL)
		goto fail;
	filter->first = filter->sorted + filter->text.count;
	filter->sorted_count = filter->first + filter->text.count;
	filter->found = filter->sorted_count + filter->text.count;
	if ((*reason = find_fault(filter)) != NULL)
		goto fail;
	write_text(filter, kept);
	return filter;

fail:
	metainfo_free(filter);
	return NULL;
}

void metainfo_free(struct metainfo *filter)
{
	if (filter == NULL)
		return;
	json_text_close(&filter->text);
	json_text_close(&filter->document);
	free(filter->written);
	free(filter->strings);
	free(filter->sorted);
	free(filter);
}

bool metainfo_is_empty(const struct metainfo *filter)
{
	return filter->text.count == 1;
}

struct slice metainfo_text(const struct metainfo *filter)
{
	return (struct slice){filter->written, filter->written_len};
}

bool metainfo_member(const struct metainfo *filter, const char *name, struct slice *value)
{
	const char *strings = filter->strings; /* decoded, in the order of the nodes */
	bool is_wanted = false;
	uint32_t depth_end = 0;

	for (uint32_t index = 1; index < filter->text.count; index++) {
		const struct json_node *node = node_at(filter, index);
		char decoded[METAINFO_LEN_MAX];
		if (node->kind >= JSON_ARRAY && index >= depth_end)
			depth_end = node->next;
		if (node->kind != JSON_STRING) {
			is_wanted = false;
			continue;
		}
		struct slice string = {strings, json_text_decode(&filter->text, node, decoded)};
		strings += string.len;
		if (index < depth_end)
			continue;
		if (is_wanted) {
			*value = string;
			return true;
		}
		is_wanted = is_name(filter, index) && slice_equals(string, name);
	}
	return false;
}

static bool take_step(struct metainfo *filter)
{
	return filter->steps > 0 && filter->steps-- > 0;
}

/* The first of an array's or object's sorted children that is not less than a scalar of the
 * document; the number of all when there is none. */
static uint32_t find_place(const struct metainfo *filter, uint32_t parent,
                           const struct json_node *scalar)
{
	const uint32_t *sorted = filter->sorted + filter->first[parent];
	uint32_t low = 0, high = filter->sorted_count[parent];

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (json_text_compare(&filter->text, node_at(filter, sorted[middle]), &filter->document,
		                      scalar) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool equals(const struct metainfo *filter, uint32_t index, const struct json_node *scalar)
{
	const struct json_node *wanted = node_at(filter, index);

	return wanted->kind < JSON_ARRAY && scalar->kind == wanted->kind &&
	       json_text_compare(&filter->text, wanted, &filter->document, scalar) == 0;
}

static void forget_found(struct metainfo *filter, uint32_t parent)
{
	const uint32_t *sorted = filter->sorted + filter->first[parent];

	for (uint32_t i = 0; i < filter->sorted_count[parent]; i++)
		filter->found[sorted[i]] = ABSENT;
}

static bool contains(struct metainfo *filter, uint32_t document, uint32_t wanted);

/* Each member of the document is looked up among the sorted ones of the filter; the last of a
 * name stays. */
static bool object_contains(struct metainfo *filter, uint32_t document, uint32_t wanted)
{
	const struct json_node *nodes = filter->document.nodes;
	const uint32_t *sorted = filter->sorted + filter->first[wanted];
	uint32_t count = filter->sorted_count[wanted];

	forget_found(filter, wanted);
	for (uint32_t name = document + 1; name < nodes[document].next; name = nodes[name + 1].next) {
		if (!take_step(filter))
			return false;
		uint32_t place = find_place(filter, wanted, &nodes[name]);
		if (place < count && equals(filter, sorted[place], &nodes[name]))
			filter->found[sorted[place]] = name + 1;
	}
	for (uint32_t i = 0; i < count; i++)
		if (filter->found[sorted[i]] == ABSENT)
			return false;
	for (uint32_t i = 0; i < count; i++)
		if (!contains(filter, filter->found[sorted[i]], sorted[i] + 1))
			return false;
	return true;
}

/* Finds the filter's scalars among all that the document's array holds, in arrays within it
 * too: an array contains a scalar when one of its elements does. */
static void find_scalars(struct metainfo *filter, uint32_t document, uint32_t wanted)
{
	const struct json_node *nodes = filter->document.nodes;
	const uint32_t *sorted = filter->sorted + filter->first[wanted];

	for (uint32_t at = document + 1; at < nodes[document].next && take_step(filter);) {
		if (nodes[at].kind == JSON_ARRAY) {
			at++; /* into it */
			continue;
		}
		if (nodes[at].kind < JSON_ARRAY)
			for (uint32_t place = find_place(filter, wanted, &nodes[at]);
			     place < filter->sorted_count[wanted] && equals(filter, sorted[place], &nodes[at]);
			     place++)
				filter->found[sorted[place]] = at;
		at = nodes[at].next;
	}
}

static bool any_contains(struct metainfo *filter, uint32_t document, uint32_t wanted)
{
	const struct json_node *nodes = filter->document.nodes;

	for (uint32_t at = document + 1; at < nodes[document].next; at = nodes[at].next)
		if (contains(filter, at, wanted))
			return true;
	return false;
}

static bool array_contains(struct metainfo *filter, uint32_t document, uint32_t wanted)
{
	const uint32_t *sorted = filter->sorted + filter->first[wanted];

	forget_found(filter, wanted);
	find_scalars(filter, document, wanted);
	for (uint32_t i = 0; i < filter->sorted_count[wanted]; i++) {
		bool is_scalar = node_at(filter, sorted[i])->kind < JSON_ARRAY;
		if (is_scalar ? filter->found[sorted[i]] == ABSENT
		              : !any_contains(filter, document, sorted[i]))
			return false;
	}
	return true;
}

/* Indices are of nodes.  False, too, when no steps are left. */
static bool contains(struct metainfo *filter, uint32_t document, uint32_t wanted)
{
	const struct json_node *node = &filter->document.nodes[document];
	unsigned wanted_kind = node_at(filter, wanted)->kind;

	if (!take_step(filter))
		return false;
	if (node->kind == JSON_ARRAY)
		return wanted_kind == JSON_ARRAY ? array_contains(filter, document, wanted)
		                                 : any_contains(filter, document, wanted);
	if (node->kind == JSON_OBJECT)
		return wanted_kind == JSON_OBJECT && object_contains(filter, document, wanted);
	return equals(filter, wanted, node);
}

/* Whether what goes on at an offset, behind a string that is a name in the filter, has no value
 * that contains the filter's scalar: it is neither an array nor equal. */
static bool is_other_value(struct metainfo *filter, struct slice document, size_t offset,
                           uint32_t wanted)
{
	if (!json_text_parse_member(&filter->document, document, offset))
		return false; /* the whole has to be parsed to tell */
	if (filter->document.count == 0)
		return true;
	const struct json_node *value = &filter->document.nodes[0];
	return value->kind != JSON_ARRAY && !equals(filter, wanted, value);
}

static bool lacks_needle(struct metainfo *filter, struct slice document,
                         const struct needle *needle)
{
	const char *end = document.data + document.len, *at = document.data;
	struct slice string = needle->string;

	while ((at = memmem(at, (size_t)(end - at), string.data, string.len)) != NULL) {
		size_t offset = (size_t)(at - document.data) + string.len;
		if (needle->value == 0)
			return false;
		/* A name stands between quotes. */
		at++;
		if (offset == string.len || at[-2] != '"' || offset == document.len ||
		    document.data[offset] != '"')
			continue;
		if (!is_other_value(filter, document, offset + 1, needle->value))
			return false;
	}
	return true;
}

/* Whether the document may have a needle in another spelling. */
static bool may_spell(const struct needle *needle, struct slice document)
{
	const char *at = document.data, *end = at + document.len;

	at = memchr(at, '\\', document.len);
	if (at == NULL || !needle->is_plain)
		return at != NULL;
	for (; (at = memmem(at, (size_t)(end - at), "\\u00", 4)) != NULL; at += 4)
		if (end - at > 4 && at[4] < '8')
			return true;
	return false;
}

/* Whether the bytes alone say that the document lacks something of the filter. */
static bool lacks_any(struct metainfo *filter, struct slice document)
{
	for (size_t i = 0; i < filter->needle_count; i++)
		if (lacks_needle(filter, document, &filter->needles[i]))
			return !may_spell(&filter->needles[i], document);
	return false;
}

enum metainfo_match metainfo_match(struct metainfo *filter, struct slice document)
{
	bool is_found;

	if (document.len == 0 || lacks_any(filter, document))
		return METAINFO_LACKS;
	switch (json_text_parse(&filter->document, document, JSON_TEXT_DEPTH_MAX, false)) {
	case JSON_TEXT_OK:
		break;
	case JSON_TEXT_NO_MEMORY:
		return METAINFO_NO_MEMORY;
	default:
		return METAINFO_UNREADABLE;
	}
	filter->steps = METAINFO_STEPS_MAX;
	is_found = contains(filter, 0, 0);
	if (filter->document.size > NODES_KEPT)
		json_text_close(&filter->document);
	if (!is_found && filter->steps == 0)
		return METAINFO_TOO_COSTLY;
	return is_found ? METAINFO_CONTAINS : METAINFO_LACKS;
}

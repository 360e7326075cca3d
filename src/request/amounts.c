#include "request/amounts.h"

#include <stdlib.h>

/* From so many members on, doubles are looked for by sorting. */
enum { FEW = 16 };

/* Room for one more; NULL when memory ran out. */
static struct amount *add(struct amounts *amounts)
{
	if (amounts->count == amounts->size) {
		size_t size = amounts->size > 0 ? 2 * amounts->size : FEW;
		struct amount *list = realloc(amounts->list, size * sizeof *list);
		if (list == NULL)
			return NULL;
		amounts->list = list;
		amounts->size = size;
	}
	return &amounts->list[amounts->count++];
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	return at;
}

/* Nearly all documents: names without escapes, and numbers.  False for any other, and when memory
 * ran out. */
static bool parse_plain(struct amounts *amounts, const char *at, const char *end)
{
	at = skip_space(at, end);
	if (at == end || *at++ != '{')
		return false;
	at = skip_space(at, end);
	if (at < end && *at == '}')
		return skip_space(at + 1, end) == end;
	for (;;) {
		at = skip_space(at, end);
		if (at == end || *at++ != '"')
			return false;
		const char *name = at;
		while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
			at++;
		if (at == end || *at != '"')
			return false;
		struct amount *amount = add(amounts);
		if (amount == NULL)
			return false;
		amount->dimension = (struct slice){name, (size_t)(at - name)};
		at = skip_space(at + 1, end);
		if (at == end || *at++ != ':')
			return false;
		amount->value.data = at = skip_space(at, end);
		amount->is_number = true;
		at = number_read(at, end, &amount->number);
		if (at == NULL)
			return false;
		amount->value.len = (size_t)(at - amount->value.data);
		at = skip_space(at, end);
		if (at == end || (*at != ',' && *at != '}'))
			return false;
		if (*at++ == '}')
			return skip_space(at, end) == end;
	}
}

/* The text of a node that ends somewhere before end. */
static struct slice value_text(const struct json_text *text, const struct json_node *node,
                               const char *end)
{
	const char *at = text->data + node->start - (node->kind == JSON_STRING);

	while (strchr(" \n\t\r,", end[-1]) != NULL)
		end--;
	return (struct slice){at, (size_t)(end - at)};
}

static enum amounts_status parse_any(struct amounts *amounts, struct slice document)
{
	struct json_text *text = &amounts->text;
	bool is_raw = false;
	enum json_text_status status = json_text_parse(text, document, JSON_TEXT_DEPTH_MAX, true);

	/* Half a surrogate pair is no character: such names stay as they are spelled. */
	if (status == JSON_TEXT_LONE_SURROGATE) {
		is_raw = true;
		status = json_text_parse(text, document, JSON_TEXT_DEPTH_MAX, false);
	}
	if (status == JSON_TEXT_NO_MEMORY || !growing_reserve(&amounts->names, document.len))
		return AMOUNTS_NO_MEMORY;
	if (status != JSON_TEXT_OK || text->nodes[0].kind != JSON_OBJECT)
		return AMOUNTS_UNREADABLE;
	const char *brace = document.data + document.len;
	while (*--brace != '}')
		;
	for (uint32_t i = 1, next; i < text->count; i = next) {
		const struct json_node *name = &text->nodes[i], *value = name + 1;
		struct slice dimension = {text->data + name->start, name->len};
		next = value->next;
		if (name->has_escapes && !is_raw) {
			char *decoded = amounts->names.data + amounts->names.len;
			dimension = (struct slice){decoded, json_text_decode(text, name, decoded)};
			amounts->names.len += dimension.len;
		}
		const char *end = next < text->count ? text->data + text->nodes[next].start - 1 : brace;
		struct amount *amount = add(amounts);
		if (amount == NULL)
			return AMOUNTS_NO_MEMORY;
		*amount = (struct amount){
		    dimension, value_text(text, value, end), value->kind == JSON_NUMBER, {0}};
		if (amount->is_number)
			number_read(amount->value.data, end, &amount->number);
	}
	return AMOUNTS_OK;
}

static int compare(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return memcmp(a.data, b.data, a.len);
}

static int compare_places(const void *a, const void *b)
{
	const struct amount *const *amount_a = a, *const *amount_b = b;
	int order = compare((*amount_a)->dimension, (*amount_b)->dimension);

	return order != 0 ? order : (*amount_a > *amount_b) - (*amount_a < *amount_b);
}

/* Marks the members behind which another one of the same name comes. */
static bool mark_doubles(struct amounts *amounts)
{
	struct amount *list = amounts->list, **sorted;
	size_t count = amounts->count;

	if (count <= FEW) {
		for (size_t i = 0; i < count; i++)
			for (size_t j = i + 1; j < count && list[i].value.data != NULL; j++)
				if (compare(list[i].dimension, list[j].dimension) == 0)
					list[i].value.data = NULL;
		return true;
	}
	if ((sorted = malloc(count * sizeof *sorted)) == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &list[i];
	qsort(sorted, count, sizeof *sorted, compare_places);
	for (size_t i = 0; i + 1 < count; i++)
		if (compare(sorted[i]->dimension, sorted[i + 1]->dimension) == 0)
			sorted[i]->value.data = NULL;
	free(sorted);
	return true;
}

enum amounts_status amounts_parse(struct amounts *amounts, struct slice document)
{
	enum amounts_status status = AMOUNTS_OK;
	size_t kept = 0;

	amounts->count = 0;
	growing_clear(&amounts->names, 64 * 1024);
	if (document.len == 0)
		return AMOUNTS_OK;
	if (!parse_plain(amounts, document.data, document.data + document.len)) {
		amounts->count = 0;
		status = parse_any(amounts, document);
	}
	if (status != AMOUNTS_OK || amounts->count < 2)
		return status;
	if (!mark_doubles(amounts))
		return AMOUNTS_NO_MEMORY;
	for (size_t i = 0; i < amounts->count; i++)
		if (amounts->list[i].value.data != NULL)
			amounts->list[kept++] = amounts->list[i];
	amounts->count = kept;
	return AMOUNTS_OK;
}

void amounts_close(struct amounts *amounts)
{
	free(amounts->list);
	growing_free(&amounts->names);
	json_text_close(&amounts->text);
}

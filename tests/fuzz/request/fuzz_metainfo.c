/*
 * The metaInfo filter: the input is a filter, and behind a NUL a document that it is
 * held against.
 */
#include "fuzz.h"

#include <string.h>

#include "request/json_text.h"
#include "request/metainfo.h"

/* What containment is, each held against each; metainfo looks things up instead. */
static bool contains(const struct json_text *document, uint32_t at, const struct json_text *filter,
                     uint32_t wanted)
{
	const struct json_node *in = &document->nodes[at], *want = &filter->nodes[wanted];

	if (in->kind == JSON_ARRAY && want->kind != JSON_ARRAY) {
		for (uint32_t i = at + 1; i < in->next; i = document->nodes[i].next)
			if (contains(document, i, filter, wanted))
				return true;
		return false;
	}
	if (in->kind != want->kind || in->kind < JSON_ARRAY)
		return in->kind == want->kind && json_text_compare(document, in, filter, want) == 0;
	for (uint32_t w = wanted + 1; w < want->next;) {
		bool is_object = in->kind == JSON_OBJECT, is_found = false;
		for (uint32_t i = at + 1; i < in->next;) {
			if (!is_object)
				is_found |= contains(document, i, filter, w);
			else if (json_text_compare(document, &document->nodes[i], filter, &filter->nodes[w]) ==
			         0)
				is_found = contains(document, i + 1, filter, w + 1); /* the last of a name */
			i = document->nodes[is_object ? i + 1 : i].next;
		}
		if (!is_found)
			return false;
		w = filter->nodes[is_object ? w + 1 : w].next;
	}
	return true;
}

/* What metainfo_match has to say, but for a document that it need not parse. */
static void check_match(enum metainfo_match match, const char *text, struct slice document)
{
	struct json_text in = {.data = NULL}, want = {.data = NULL};

	MUST(json_text_parse(&want, slice_of(text), METAINFO_DEPTH_MAX, true) == JSON_TEXT_OK);
	if (json_text_parse(&in, document, JSON_TEXT_DEPTH_MAX, false) != JSON_TEXT_OK)
		MUST(match == METAINFO_UNREADABLE || match == METAINFO_LACKS);
	else
		MUST(match == (contains(&in, 0, &want, 0) ? METAINFO_CONTAINS : METAINFO_LACKS));
	json_text_close(&in);
	json_text_close(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	size_t len = strlen(text);
	struct slice document = {text + len, size - len};
	const char *reason = NULL;
	struct metainfo *filter = metainfo_parse(text, &reason);

	MUST(filter == NULL || reason == NULL);
	if (document.len > 0) { /* the NUL itself */
		document.data++;
		document.len--;
	}
	if (filter != NULL) {
		char *canonical = strndup(metainfo_text(filter).data, metainfo_text(filter).len);
		struct metainfo *again = metainfo_parse(canonical, &reason);

		MUST(len <= METAINFO_LEN_MAX);
		check_match(metainfo_match(filter, document), text, document);
		MUST(metainfo_match(filter, slice_of(text)) == METAINFO_CONTAINS);
		MUST(metainfo_match(filter, slice_of(canonical)) == METAINFO_CONTAINS);
		MUST(strlen(canonical) <= len && again != NULL);
		MUST(metainfo_match(again, slice_of(text)) == METAINFO_CONTAINS);
		MUST(slice_equals(metainfo_text(again), canonical));
		struct slice value;
		if (metainfo_member(filter, "source", &value))
			MUST(value.len < len);
		metainfo_free(again);
		free(canonical);
	}
	metainfo_free(filter);
	free(text);
	return 0;
}

/*
 * The metaInfo filter: the input is a filter, and behind a NUL a document that it is
 * held against.
 */
#include "fuzz.h"

#include <string.h>

#include "request/metainfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	size_t len = strlen(text);
	struct slice document = {text + len, size - len}, strings[4];
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
		metainfo_match(filter, document);
		MUST(metainfo_match(filter, slice_of(text)) == METAINFO_CONTAINS);
		MUST(metainfo_match(filter, slice_of(canonical)) == METAINFO_CONTAINS);
		/* An escaped text may be longer than its source and then too long. */
		MUST(again != NULL || strlen(canonical) > METAINFO_LEN_MAX);
		if (again != NULL)
			MUST(metainfo_match(again, slice_of(text)) == METAINFO_CONTAINS);
		MUST(metainfo_strings(filter, strings, 4) <= 4);
		MUST(metainfo_text_without_strings(filter).len >= 2);
		metainfo_free(again);
		free(canonical);
	}
	metainfo_free(filter);
	free(text);
	return 0;
}

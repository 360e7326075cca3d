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
		metainfo_match(filter, document);
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

/*
 * Accept and Accept-Encoding: whatever a client sends, the choice is one of the offers or
 * none, and saying everything twice changes nothing.
 */
#include "fuzz.h"

#include <string.h>

#include "serve/accept.h"

static const char *const media[] = {"application/json", "application/x-ndjson", "text/csv"};
static const char *const codings[] = {"gzip", "identity"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *twice = malloc(2 * size + 2);
	struct slice header = {text, size};
	int form = accept_media(header, media, 3), coding = accept_encoding(header, codings, 2);

	MUST(form >= -1 && form < 3);
	MUST(coding >= -1 && coding < 2);
	MUST(twice != NULL);
	if (memchr(text, '"', size) == NULL) {
		memcpy(twice, text, size);
		twice[size] = ',';
		memcpy(twice + size + 1, text, size);
		header = (struct slice){twice, 2 * size + 1};
		MUST(accept_media(header, media, 3) == form);
		MUST(accept_encoding(header, codings, 2) == coding);
	}
	free(twice);
	free(text);
	return 0;
}

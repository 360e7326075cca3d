/*
 * Records in CSV, read line by line as the reader does.
 */
#include "check.h"

#include "load/csv_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check check = {0};
	struct sink sink = {&check, check_take};
	struct csv_form *form = csv_form_open(&sink);
	enum form_status status = FORM_OK;
	char *text = fuzz_text(data, size);
	uint64_t line;

	for (size_t at = 0; at < size && status == FORM_OK;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t len = end != NULL ? (size_t)(end - text) + 1 - at : size - at;
		char *copy = fuzz_text(data + at, len);
		status = csv_form_read(form, (struct slice){copy, len});
		free(copy);
		at += len;
	}
	if (status == FORM_OK)
		status = csv_form_end(form);
	MUST(status != FORM_BROKEN || csv_form_fault(form, &line)[0] != '\0');
	csv_form_close(form);
	free(text);
	return 0;
}

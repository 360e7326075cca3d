/*
 * Records in JSON: read as a whole, and in two pieces, which must come to the same.
 */
#include "check.h"

#include "load/json_form.h"

static struct check read_parts(const uint8_t *data, size_t size, size_t first_len,
                               enum form_status *status)
{
	struct check check = {0};
	struct sink sink = {&check, check_take};
	struct json_form *form = json_form_open(&sink);
	char *first = fuzz_text(data, first_len),
	     *second = fuzz_text(data + first_len, size - first_len);

	MUST(json_form_begin(form, 1));
	*status = json_form_read(form, (struct slice){first, first_len});
	if (*status == FORM_OK)
		*status = json_form_read(form, (struct slice){second, size - first_len});
	if (*status == FORM_OK)
		*status = json_form_end(form);
	/* Whatever happened, the next text is read anew. */
	MUST(json_form_begin(form, 1));
	MUST(json_form_read(form, slice_of("{\"id\":\"1\"}")) == FORM_OK);
	check.refused_count--;
	json_form_close(form);
	free(first);
	free(second);
	return check;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum form_status whole_status, parts_status;

	if (size == 0)
		return 0;
	struct check whole = read_parts(data + 1, size - 1, size - 1, &whole_status);
	struct check parts = read_parts(data + 1, size - 1, data[0] % size, &parts_status);
	MUST(whole_status == parts_status);
	MUST(whole.good_count == parts.good_count && whole.refused_count == parts.refused_count);
	return 0;
}

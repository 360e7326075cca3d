#include "serve/summing.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/call.h"
#include "serve/csv.h"
#include "serve/json.h"
#include "serve/response.h"
#include "store/summary.h"

/* What the writers get. */
struct writer {
	struct growing *body;
	const struct filter *filter;
	const struct summary_result *result;
};

/* ,"count":1,"amounts":{...},"unsummed":0} of a group or of all. */
static void write_json_sums(const struct writer *writer, const struct summary_group *group)
{
	struct growing *body = writer->body;

	GROWING_ADD(body, "\"count\":");
	growing_add_integer(body, group->count);
	if (writer->filter->has_amounts) {
		GROWING_ADD(body, ",\"amounts\":{");
		for (size_t i = 0; i < group->sum_count; i++) {
			growing_add(body, slice_of(i == 0 ? "\"" : ",\""));
			growing_add_json(body, group->sums[i].dimension);
			GROWING_ADD(body, "\":");
			decimal_write(&group->sums[i].sum, body);
		}
		GROWING_ADD(body, "},\"unsummed\":");
		growing_add_integer(body, group->unsummed);
	}
	GROWING_ADD(body, "}");
}

static void write_json_group(const struct writer *writer, const struct summary_group *group)
{
	struct growing *body = writer->body;

	GROWING_ADD(body, "{");
	for (size_t i = 0; i < writer->filter->group_count; i++) {
		GROWING_ADD(body, "\"");
		growing_add(body, slice_of(filter_group_names[writer->filter->groups[i]]));
		GROWING_ADD(body, "\":\"");
		growing_add_json(body, group->keys[i]);
		GROWING_ADD(body, "\",");
	}
	write_json_sums(writer, group);
}

static void write_json(const struct writer *writer)
{
	GROWING_ADD(writer->body, "{\"groups\":[");
	for (size_t i = 0; i < writer->result->group_count; i++) {
		if (i > 0)
			GROWING_ADD(writer->body, ",");
		write_json_group(writer, &writer->result->groups[i]);
	}
	GROWING_ADD(writer->body, "],");
	write_json_sums(writer, &writer->result->total);
}

static void write_ndjson(const struct writer *writer)
{
	for (size_t i = 0; i < writer->result->group_count; i++) {
		write_json_group(writer, &writer->result->groups[i]);
		GROWING_ADD(writer->body, "\n");
	}
}

/* One sum of a group, or NULL: what it is without any. */
static void write_csv_line(const struct writer *writer, const struct summary_group *group,
                           const struct summary_sum *sum, bool is_first)
{
	const struct filter *filter = writer->filter;
	struct growing *body = writer->body;
	char digits[24];
	struct text number = TEXT_IN(digits);
	bool is_dimension = false;

	for (size_t i = 0; i < filter->group_count; i++) {
		is_dimension |= filter->groups[i] == FILTER_DIMENSION;
		csv_add_text(body, group->keys[i]);
	}
	/* On the first line of a group alone, so that a column adds up. */
	text_add_integer(&number, is_first ? group->count : 0);
	csv_add_plain(body, text_slice(&number));
	if (filter->has_amounts) {
		number.len = 0;
		text_add_integer(&number, is_first ? group->unsummed : 0);
		csv_add_plain(body, text_slice(&number));
		if (!is_dimension)
			csv_add_text(body, sum != NULL ? sum->dimension : (struct slice){"", 0});
		if (sum != NULL)
			decimal_write(&sum->sum, body);
		GROWING_ADD(body, ",");
	}
	csv_end_line(body);
}

static void write_csv(const struct writer *writer)
{
	const struct filter *filter = writer->filter;
	bool is_dimension = false;

	for (size_t i = 0; i < filter->group_count; i++) {
		is_dimension |= filter->groups[i] == FILTER_DIMENSION;
		csv_add_plain(writer->body, slice_of(filter_group_names[filter->groups[i]]));
	}
	csv_add_plain(writer->body, slice_of("count"));
	if (filter->has_amounts) {
		csv_add_plain(writer->body, slice_of("unsummed"));
		if (!is_dimension)
			csv_add_plain(writer->body, slice_of("dimension"));
		csv_add_plain(writer->body, slice_of("quantity"));
	}
	csv_end_line(writer->body);
	for (size_t i = 0; i < writer->result->group_count; i++) {
		const struct summary_group *group = &writer->result->groups[i];
		size_t sum_count = filter->has_amounts ? group->sum_count : 0;
		if (sum_count == 0)
			write_csv_line(writer, group, NULL, true);
		for (size_t j = 0; j < sum_count; j++)
			write_csv_line(writer, group, &group->sums[j], j == 0);
	}
}

static const char *const media[] = {"application/json", "application/x-ndjson", "text/csv"};

static const struct form {
	const char *content_type;
	const char *ending; /* of a file; NULL: it is none */
	void (*write)(const struct writer *writer);
} forms[] = {
    {"application/json", NULL, write_json},
    {"application/x-ndjson", "ndjson", write_ndjson},
    {"text/csv; charset=utf-8; header=present", "csv", write_csv},
};

/* What is asked for is too much; how to ask for less. */
static const char *const refusals[REPOSITORY_STATUS_COUNT] = {
    [REPOSITORY_TOO_LONG] =
        "the summary takes too long: give fewer days (startDate, endDate) or more filters",
    [REPOSITORY_TOO_COSTLY] = CALL_TOO_COSTLY,
    [REPOSITORY_TOO_MANY_GROUPS] = "groupBy gives more than 10000 groups: give fewer days "
                                   "(startDate, endDate), more filters or "
                                   "another groupBy",
};
_Static_assert(SUMMARY_GROUPS_MAX == 10000, "as the refusal says");

static void respond(struct call *call, const struct filter *filter, const struct form *form)
{
	struct summary_result result;
	double start_ms = clock_ms();
	enum repository_status status = summary_make(call->summary, filter, &result);

	call->response->db_ms = clock_ms() - start_ms;
	if (refusals[status] != NULL) {
		response_end_message(call->response, call->json, 400, refusals[status]);
		return;
	}
	if (status != REPOSITORY_OK) {
		response_end_failed(call->response, call->json);
		return;
	}
	call->is_found = true;
	call->found = (struct repository_result){.row_count = (uint32_t)result.total.count,
	                                         .retry_count = result.retry_count,
	                                         .shape = result.shape};
	start_ms = clock_ms();
	struct writer writer = {call->body, filter, &result};
	form->write(&writer);
	call->response->json_ms = clock_ms() - start_ms;
	if (call->body->is_short) {
		log_message(LOG_LEVEL_ERROR, "out of memory for the body of a summary");
		response_end_failed(call->response, call->json);
	} else {
		if (form->ending != NULL)
			call_name_file(call, filter, "summary", form->ending);
		response_end_as(call->response, 200, form->content_type, growing_slice(call->body));
	}
}

void summing_respond(struct call *call)
{
	struct filter filter;
	size_t form;

	if (!call_parse(call, &filter))
		return;
	if (call_choose(call, media, sizeof media / sizeof media[0], &form) &&
	    !call_put_off_search(call)) {
		respond(call, &filter, &forms[form]);
		summary_clear(call->summary);
	}
	filter_close(&filter);
}

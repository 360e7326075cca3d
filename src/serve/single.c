#include "serve/single.h"

#include "serve/call.h"
#include "serve/json.h"
#include "serve/response.h"

void single_respond(struct call *call)
{
	static const char *const media[] = {"application/json"};
	enum repository_status status;
	struct filter filter;
	size_t form;

	if (!call_parse(call, &filter))
		return;
	bool is_here = call_choose(call, media, 1, &form) &&
	               call_find(call, &filter, &status); /* else the answer is complete */
	if (is_here && status != REPOSITORY_OK)
		response_end_failed(call->response, call->json);
	else if (is_here && call->found.row_count == 0)
		response_end_message(call->response, call->json, 404,
		                     "this organization has no usage record group of that id");
	else if (is_here)
		response_end(call->response, 200, json_records(call->json));
	filter_close(&filter);
}

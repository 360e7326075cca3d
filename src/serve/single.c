#include "serve/single.h"

#include "serve/call.h"
#include "serve/json.h"
#include "serve/response.h"

void single_respond(struct call *call)
{
	enum repository_status status;
	struct filter filter;

	if (!call_parse(call, &filter))
		return;
	bool is_here = call_find(call, &filter, &status); /* else it was passed on */
	if (is_here && status != REPOSITORY_OK)
		response_end_failed(call->response, call->json);
	else if (is_here && call->found.row_count == 0)
		response_end_message(call->response, call->json, 404,
		                     "this organization has no usage record group of that id");
	else if (is_here)
		response_end(call->response, 200, json_end_record(call->json));
	filter_close(&filter);
}

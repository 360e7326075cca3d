/*
 * listing - answers GET /org/{orgId}/usageRecordGroup: filter to records to page, with
 * nextOffset and the Link to the next one.
 */
#ifndef LISTING_H
#define LISTING_H

#include "base/http.h"
#include "store/repository.h"

struct json;

/* What an answer came from, for the log. */
struct listing_result {
	bool is_found; /* the rest is set: the database was asked */
	struct repository_result found;
};

/*
 * Answers with a page, a 400 or a 500.  organization is a segment of path, both still
 * encoded.  The body lies in json.  A search may be passed on, see response.h.
 */
void listing_respond(struct repository *repository, struct json *json,
                     const struct http_request *request, struct slice path,
                     struct slice organization, struct slice query, struct http_response *response,
                     struct listing_result *result);

#endif

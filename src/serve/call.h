/*
 * call - a request whose route was found, on its way to an answer: what a call gets, what
 * all calls do, and what they leave behind for the log.
 */
#ifndef CALL_H
#define CALL_H

#include "base/growing.h"
#include "base/http.h"
#include "request/filter.h"
#include "store/places.h"
#include "store/repository.h"

struct export;
struct json;
struct summary;

struct call {
	/* Borrowed until the request is finished. */
	struct repository *repository;
	struct summary *summary;
	struct places *places; /* NULL: none */
	struct export *export;
	struct json *json;    /* where pages and messages lie */
	struct growing *body; /* where other bodies lie; empty at first */
	const struct http_request *request;
	struct http_response *response;
	uint64_t organization;       /* a number of its own, for its turns; not 0 */
	struct slice path;           /* of the target, still encoded */
	struct filter_request given; /* the same taken apart, and the query */
	/* Set by the call: */
	bool is_found; /* found is set: the database was asked */
	struct repository_result found;
};

/*
 * To be asked by whoever is about to begin a search.  True when another pool has to, or when the
 * organization has its share of those that search, and this one waits: the answer is complete.
 */
bool call_put_off_search(struct call *call);

/* Fills *filter, to be closed; false when the answer is complete instead, a 400 or a 500. */
bool call_parse(struct call *call, struct filter *filter);

/* Chooses among count media types, the first of which counts most, by what the client accepts:
 * *form is its number; false when it accepts none of them, and the answer is complete, a 406. */
bool call_choose(struct call *call, const char *const *media, size_t count, size_t *form);

/* Has a browser keep the answer as a file, and names it usage-WHAT_organization_first day_last
 * day.ENDING, of characters that any system takes. */
void call_name_file(struct call *call, const struct filter *filter, const char *what,
                    const char *ending);

/* What a 400 says to REPOSITORY_TOO_COSTLY. */
#define CALL_TOO_COSTLY                                                                            \
	"metaInfo must be simpler: one record's metaInfo is too long to be held against it"

/*
 * Writes the records of filter's page to the call's json, which is still to be ended.  False when
 * the answer is complete instead: the page is so long that it was passed on.
 */
bool call_find(struct call *call, const struct filter *filter, enum repository_status *status);

#endif

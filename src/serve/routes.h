/*
 * routes - the paths of the calls.
 *
 * Owns the table of routes: a call is a row of it.  Knows no method and no role.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include "base/slice.h"
#include "request/filter.h"

struct call;

struct route {
	const char *name; /* in the log */
	const char *path; /* as in doc/openapi.yaml: "{name}" is a parameter in the path */
	enum filter_call call;
	void (*respond)(struct call *call);
};

enum routes_status {
	ROUTES_FOUND,
	ROUTES_UNKNOWN,
	ROUTES_REFUSED, /* a segment that is empty, "." or ".." */
};

/*
 * Finds the route of a target's path, still encoded, which is split before it is decoded:
 * "a%2Fb" is one segment, "%6Frg" means "org".  *organization is the segment that names whose
 * path it is, "" when there is none, or when dots could make it another one.  At ROUTES_FOUND
 * *route is set, and in *given the call and what the path gives; the query is as it was.
 */
enum routes_status routes_find(struct slice path, struct slice *organization,
                               const struct route **route, struct filter_request *given);

#endif

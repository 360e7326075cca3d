/*
 * search - which requests are searches: those that may look at many more records than they
 * give.  All others, called pages, cost what they give.
 *
 * Searches have workers of their own where the site has two pools, so that they wait for
 * each other and never a page for them.  The worker decides, on the parsed request: no
 * spelling of a query leads around it.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdbool.h>

#include "request/filter.h"

enum {
	/* Passing over this many entries of an index takes as long as giving a full page. */
	SEARCH_OFFSET_MIN = 10000,
	/* A page of more bytes takes as long as a search, and is one as soon as that is seen; 1000
	 * usual records have a fifth of this. */
	SEARCH_BYTES_MIN = 4 * 1024 * 1024,
};

bool search_is_needed(const struct filter *filter);

#endif

/*
 * link - the Link header that leads to the next page (RFC 8288).
 *
 * Owns its form: a reference relative to the address that was asked, so that it survives a
 * prefix in front of the service, or an absolute one where the site says how that is called.
 * Each value is written anew, with no escape and no white space that it can do without, because
 * web servers in front hold headers in buffers of a few kilobytes.
 */
#ifndef LINK_H
#define LINK_H

#include "base/http.h"
#include "request/filter.h"

/*
 * Adds the header that leads to the page at cursor of the same list.  base_url is "" for a
 * relative reference; path and query are those of the request, still encoded, and filter what
 * they were parsed to.
 */
void link_add_next(struct text *headers, const char *base_url, struct slice path,
                   struct slice query, const struct filter *filter, const struct cursor *cursor);

#endif

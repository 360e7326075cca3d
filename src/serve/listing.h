/*
 * listing - answers the lists: a page of records, with nextOffset and the Link to the next one,
 * or all of them as export has it.
 */
#ifndef LISTING_H
#define LISTING_H

struct call;

/* Answers with a page or an export, a 400, a 406 or a 500.  A search may be passed on, see
 * response.h. */
void listing_respond(struct call *call);

#endif

/*
 * summing - answers GET /org/{orgId}/usageRecordSummary: counts and sums by group.
 */
#ifndef SUMMING_H
#define SUMMING_H

struct call;

/* Answers with a summary, in the form that the client wants, a 400, a 406 or a 500.  It may be
 * passed on, see response.h. */
void summing_respond(struct call *call);

#endif

/*
 * single - answers GET /org/{orgId}/usageRecordGroup/{usageRecordGroupId}: one record as an
 * object, or a 404.
 */
#ifndef SINGLE_H
#define SINGLE_H

struct call;

/* Answers with a record, a 400, a 404 or a 500. */
void single_respond(struct call *call);

#endif

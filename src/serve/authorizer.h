/*
 * authorizer - who may read: API keys that are bound to an organization, given as
 * "Authorization: Key <secret>" or "Authorization: Bearer <secret>", which mean the same.
 *
 * Owns the header's form, the hashing and a small memory of keys that were found, so
 * that a page costs no second question to the database.  A key that was revoked is
 * honoured until it is forgotten.  Secrets are hashed at once and never stored or logged.
 */
#ifndef AUTHORIZER_H
#define AUTHORIZER_H

#include "base/slice.h"

enum authorizer_status {
	AUTHORIZER_ALLOWED,
	AUTHORIZER_NO_KEY,    /* none, not in that form, or unknown: 401 */
	AUTHORIZER_FORBIDDEN, /* a key of another organization: 403 */
	AUTHORIZER_FAILED,    /* the database could not be asked: 500 */
};

struct authorizer;
struct database;

/* memory_s: for how many seconds a key that was found is not asked for again; 0: never
 * remembered.  database is borrowed until authorizer_close.  NULL when memory ran out. */
struct authorizer *authorizer_open(struct database *database, unsigned memory_s);
void authorizer_close(struct authorizer *authorizer); /* NULL is fine */

/* Whether the value of an Authorization header lets its bearer read what belongs to
 * organization, a decoded id; an empty one belongs to nobody. */
enum authorizer_status authorizer_check(struct authorizer *authorizer, struct slice authorization,
                                        struct slice organization);

#endif

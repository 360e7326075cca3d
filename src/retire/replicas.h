/*
 * replicas - the other hosts of the database, which have to keep up with what is deleted.
 *
 * Whether one has is asked of its table, which neither needs a privilege of its own nor depends
 * on how it is replicated.  A host that cannot be reached is left out, and tried again later.
 */
#ifndef REPLICAS_H
#define REPLICAS_H

#include "base/slice.h"
#include "store/database.h"

enum { REPLICAS_WAIT_S = 60 };

struct replicas;

/* options are borrowed until replicas_close.  NULL when memory ran out. */
struct replicas *replicas_open(const struct database_options *options);
void replicas_close(struct replicas *replicas); /* NULL is fine */

/* Waits until question has no row on any host, or go_on says no.  False: a host did not come to
 * that within REPLICAS_WAIT_S; *name is it. */
bool replicas_wait(struct replicas *replicas, struct slice question, bool (*go_on)(void),
                   const char **name);

#endif

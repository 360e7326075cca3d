/*
 * sink - where the forms of files hand over what they read.  A leaf.
 */
#ifndef SINK_H
#define SINK_H

#include "load/entry.h"

struct sink {
	void *context;
	/* A record, good or with a reason, and its own text in the file.  Both are the
	 * form's until this returns; the entry may be swapped for another.  False: no more. */
	bool (*take)(void *context, struct entry *entry, struct slice text);
};

enum form_status {
	FORM_OK,
	FORM_ENDED,  /* the sink wants no more */
	FORM_BROKEN, /* the file cannot be read on: see line and reason */
};

#endif

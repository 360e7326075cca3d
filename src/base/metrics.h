/*
 * metrics - numbers of the whole pool, whichever worker is asked: counters in memory
 * that all workers share, written as Prometheus text.
 *
 * Owns names, types and what lies in the shared memory.  A worker that is killed takes
 * nothing with it: what it counted stays, and it no longer counts as one.
 */
#ifndef METRICS_H
#define METRICS_H

#include "base/http.h"

enum metrics_counter {
	METRICS_RECORDS,          /* records in answers */
	METRICS_BYTES,            /* bytes of bodies as sent */
	METRICS_RETRIES,          /* pages that took a second try */
	METRICS_CONNECTS,         /* connections made to the database */
	METRICS_CONNECT_FAILURES, /* and those that failed */
	METRICS_SLOW_REQUESTS,
	METRICS_SEARCHES,
	METRICS_LOST_ANSWERS, /* whose peer left before their end */
	METRICS_COUNTER_COUNT
};

/* What a look at a host of the database found; in words in metrics.c. */
enum metrics_host_state {
	METRICS_HOST_UNKNOWN, /* nobody has looked yet */
	METRICS_HOST_PRIMARY, /* writable */
	METRICS_HOST_REPLICA, /* read-only, and not behind for longer than it may be */
	METRICS_HOST_STALE,   /* read-only, and longer, or it does not say */
	METRICS_HOST_UNFIT,   /* it was reached, but does not do */
	METRICS_HOST_DOWN,    /* it was not reached, or said no more */
	METRICS_HOST_STATE_COUNT
};

enum { METRICS_TEXT_SIZE = 32 * 1024 }; /* room for all that metrics_write adds */

/*
 * Joins the pool whose numbers are in the file path, see shared.h; "" for a pool of this
 * worker only.  False when the file cannot be used, the log says why; counting then goes on
 * for this worker only.
 */
bool metrics_open(const char *path);

/* The least number from 0 on that no other worker of those who share a listening socket has; its
 * own while it lives, then the next one's.  -1 when there is no file to agree in. */
int metrics_take_number(uint64_t socket_id);

void metrics_count(enum metrics_counter counter, uint64_t count);

/* Has a host of the database be known by its name, once metrics_open was called; its number, from
 * 1 on.  0: one too many, and it is not counted. */
unsigned metrics_add_host(const char *name);

/* Notes what a look at a host found, with how far behind it was; negative: it is not known.
 * Whether the state is another than that of the pool's last look. */
bool metrics_note_host(unsigned number, enum metrics_host_state state, double lag_ms);

/* Tells which host this worker is connected to; 0: none. */
void metrics_use_host(unsigned number);

/* A request begins and ends; in between it is in flight.  Durations are those of calls
 * alone.  A status that is not counted apart counts as 500. */
void metrics_begin_request(void);
void metrics_end_request(enum http_role role, enum http_work work, int status, double total_ms);

/* Ends one that another worker answers, and counts. */
void metrics_leave_request(void);

/* Adds all metrics in the text format of Prometheus, version 0.0.4. */
void metrics_write(struct text *text);

#endif

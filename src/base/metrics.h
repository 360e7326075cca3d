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

enum { METRICS_TEXT_SIZE = 16 * 1024 };

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

/* A request begins and ends; in between it is in flight.  Durations are those of calls
 * alone.  A status that is not counted apart counts as 500. */
void metrics_begin_request(void);
void metrics_end_request(enum http_role role, enum http_work work, int status, double total_ms);

/* Ends one that another worker answers, and counts. */
void metrics_leave_request(void);

/* Adds all metrics in the text format of Prometheus, version 0.0.4. */
void metrics_write(struct text *text);

#endif

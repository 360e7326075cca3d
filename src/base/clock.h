/*
 * clock - time that only moves forward, for durations.  A leaf.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

/* Milliseconds since some fixed instant. */
static inline double clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

#endif

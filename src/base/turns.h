/*
 * turns - how many workers of a machine may be at the same thing at a time, and who is next.
 *
 * A thing is a number, such as an organization's for its searches.  Whoever is at it holds one of
 * its turns, which the system gives back when a process ends, see seats.h.  Who waits says so in
 * memory that all share, and the one that has waited longest is next.  Knows neither organizations
 * nor requests.
 */
#ifndef TURNS_H
#define TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/seats.h"

/*
 * Joins those who share turns under the name path, see shared.h, count of them (1 to TURNS_MAX)
 * for each thing; "" or a file that cannot be used, which is false: there are turns for everybody.
 */
enum { TURNS_MAX = SEATS_MAX };
bool turns_open(const char *path, unsigned count);

/*
 * Takes a turn for whoever wants it since since_ms (clock_ms); true as well when this worker has
 * one already, which is its only one.  False: all are taken, or somebody idle wants it for longer.
 */
bool turns_take(uint64_t thing, double since_ms);
void turns_give_back(void); /* no fault when there is none */

/* Says what this worker has wanted for longest, and since when; 0: nothing.  Others respect it
 * while the worker is idle, and so able to take its turn. */
void turns_want(uint64_t thing, double since_ms, bool is_idle);

#endif

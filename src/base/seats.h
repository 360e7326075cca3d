/*
 * seats - numbers that workers take, each for one of them alone, from a file that all have open.
 *
 * A seat is a lock on a byte of the file, so that the system gives back what a process had that
 * ends, however it ends.  Seats of different groups have nothing to do with each other.
 */
#ifndef SEATS_H
#define SEATS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SEATS_MAX = 512,   /* of a group; they count from 0 */
	SEATS_WORKERS = 0, /* the group of the workers' own numbers */
};

/* Takes the least of a group's first count seats that nobody else has; -1: there is none, or fd is
 * no file. */
int seats_take(int fd, uint64_t group, unsigned count);
void seats_give_back(int fd, uint64_t group, int seat);

/* Whether another worker that has this number is alive. */
bool seats_has_worker(int fd, int number);

#endif

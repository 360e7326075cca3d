/*
 * shared - memory that the workers of a machine share through a file.
 *
 * Owns the file and what can befall it.  Whatever does, memory stays memory: a file that
 * cannot be made, or on a disk without room, gives memory of this worker alone; one that
 * is cut short later, which would be a SIGBUS at the next access, has memory of this
 * worker alone put in its place.  Either is one line in the log.
 */
#ifndef SHARED_H
#define SHARED_H

#include <stdbool.h>
#include <stddef.h>

struct shared {
	void *memory; /* size bytes, zero at first; NULL when memory ran out */
	size_t size;
	int fd; /* the file, open until the process ends; -1: the memory is this worker's alone */
};

/*
 * Joins those who share size bytes under the name path, whose file is made if it is missing
 * and is its user's alone; "" for memory of this worker only.  At most SHARED_MAX a process.
 * False when the file cannot be used; the log says why.
 */
enum { SHARED_MAX = 32 };
bool shared_open(struct shared *shared, const char *path, size_t size);

/* Says in the log what was lost since the last call.  A signal handler could not. */
void shared_report(void);

#endif

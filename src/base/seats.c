#include "base/seats.h"

#include <fcntl.h>

/* Does something about the lock on a seat's byte; the byte may lie behind the file's end. */
static bool act(int fd, uint64_t group, int seat, int command, struct flock *lock)
{
	const uint64_t group_count = UINT64_C(1) << 50;
	uint64_t place = group == SEATS_WORKERS ? 0 : 1 + group % group_count;

	lock->l_whence = SEEK_SET;
	lock->l_start = (off_t)(place * SEATS_MAX) + seat;
	lock->l_len = 1;
	return fd >= 0 && fcntl(fd, command, lock) == 0;
}

int seats_take(int fd, uint64_t group, unsigned count)
{
	for (int seat = 0; seat < (int)count; seat++)
		if (act(fd, group, seat, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK}))
			return seat;
	return -1;
}

void seats_give_back(int fd, uint64_t group, int seat)
{
	act(fd, group, seat, F_OFD_SETLK, &(struct flock){.l_type = F_UNLCK});
}

bool seats_has_worker(int fd, int number)
{
	struct flock found = {.l_type = F_WRLCK};

	return act(fd, SEATS_WORKERS, number, F_OFD_GETLK, &found) && found.l_type != F_UNLCK;
}

#include "base/turns.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/shared.h"
#include "base/text.h"

enum { WORKERS_MAX = 512 };

/* The file's contents: what each worker wants that is idle; only what is alive counts.  A worker is
 * alive as long as it keeps the lock on the byte of its number in the file. */
struct want {
	_Atomic uint64_t thing, since_us;
};

static struct want own; /* and what this one wants, idle or not */

static struct want *wants; /* of WORKERS_MAX workers; NULL: nobody shares turns with us */
static int turns_fd = -1;
static int worker_number; /* -1: there was none left */
static unsigned turn_count;
static off_t turn_place = -1; /* the byte of the turn at hand; -1: none */

static bool lock(short type, off_t place)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1};

	return fcntl(turns_fd, F_OFD_SETLK, &lock) == 0;
}

static bool is_alive(int number)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};

	return fcntl(turns_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool turns_open(const char *path, unsigned count)
{
	char name[1024];
	struct text text = TEXT_IN(name);
	struct shared shared;

	if (path[0] == '\0')
		return true;
	text_add_format(&text, "%s-turns", path);
	text_end(&text);
	if (!shared_open(&shared, name, WORKERS_MAX * sizeof *wants))
		return false;
	wants = shared.memory;
	turns_fd = shared.fd;
	turn_count = count;
	worker_number = 0;
	while (worker_number < WORKERS_MAX && !lock(F_WRLCK, worker_number))
		worker_number++;
	if (worker_number == WORKERS_MAX)
		worker_number = -1;
	turns_want(0, 0, true);
	return true;
}

static void set(struct want *want, uint64_t thing, uint64_t since_us)
{
	atomic_store_explicit(&want->since_us, since_us, memory_order_relaxed);
	atomic_store_explicit(&want->thing, thing, memory_order_relaxed);
}

void turns_want(uint64_t thing, double since_ms, bool is_idle)
{
	uint64_t since_us = (uint64_t)(since_ms * 1e3);

	set(&own, thing, since_us);
	if (wants != NULL && worker_number >= 0)
		set(&wants[worker_number], is_idle ? thing : 0, since_us);
}

static bool is_longer(struct want *want, uint64_t thing, uint64_t since_us)
{
	return atomic_load_explicit(&want->thing, memory_order_relaxed) == thing &&
	       atomic_load_explicit(&want->since_us, memory_order_relaxed) < since_us;
}

/* Whether somebody has wanted it for longer. */
static bool is_wanted(uint64_t thing, uint64_t since_us)
{
	bool is_found = is_longer(&own, thing, since_us);

	for (int number = 0; number < WORKERS_MAX && !is_found; number++)
		is_found = number != worker_number && is_longer(&wants[number], thing, since_us) &&
		           is_alive(number);
	return is_found;
}

bool turns_take(uint64_t thing, double since_ms)
{
	/* The turns of a thing lie side by side, behind the bytes of the workers. */
	const uint64_t thing_count = UINT64_C(1) << 50;
	off_t place = (off_t)((1 + thing % thing_count) * TURNS_MAX);

	if (wants == NULL || turn_place >= 0)
		return true;
	if (is_wanted(thing, (uint64_t)(since_ms * 1e3)))
		return false;
	for (unsigned i = 0; i < turn_count; i++) {
		if (!lock(F_WRLCK, place + i))
			continue;
		turn_place = place + i;
		return true;
	}
	return false;
}

void turns_give_back(void)
{
	if (turn_place >= 0)
		lock(F_UNLCK, turn_place);
	turn_place = -1;
}

#include "base/turns.h"

#include <stdatomic.h>
#include <string.h>

#include "base/seats.h"
#include "base/shared.h"
#include "base/text.h"

/* The file's contents: what each worker wants that is idle; only who is alive counts. */
struct want {
	_Atomic uint64_t thing, since_us;
};

static struct want own; /* and what this one wants, idle or not */

static struct want *wants; /* of SEATS_MAX workers; NULL: nobody shares turns with us */
static int turns_fd = -1;
static int worker_number; /* -1: there was none left */
static unsigned turn_count;
static int turn = -1; /* the one at hand, of turn_thing; -1: none */
static uint64_t turn_thing;

bool turns_open(const char *path, unsigned count)
{
	char name[1024];
	struct text text = TEXT_IN(name);
	struct shared shared;

	if (path[0] == '\0')
		return true;
	text_add_format(&text, "%s-turns", path);
	text_end(&text);
	if (!shared_open(&shared, name, SEATS_MAX * sizeof *wants))
		return false;
	wants = shared.memory;
	turns_fd = shared.fd;
	turn_count = count;
	worker_number = seats_take(turns_fd, SEATS_WORKERS, SEATS_MAX);
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

	for (int number = 0; number < SEATS_MAX && !is_found; number++)
		is_found = number != worker_number && is_longer(&wants[number], thing, since_us) &&
		           seats_has_worker(turns_fd, number);
	return is_found;
}

bool turns_take(uint64_t thing, double since_ms)
{
	if (wants == NULL || turn >= 0)
		return true;
	if (is_wanted(thing, (uint64_t)(since_ms * 1e3)))
		return false;
	turn_thing = thing;
	turn = seats_take(turns_fd, thing, turn_count);
	return turn >= 0;
}

void turns_give_back(void)
{
	if (turn >= 0)
		seats_give_back(turns_fd, turn_thing, turn);
	turn = -1;
}

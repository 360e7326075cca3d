#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

/* What is mapped from files; only added to. */
static struct {
	void *memory;
	size_t size;
	volatile sig_atomic_t is_lost;
} areas[SHARED_MAX];
static size_t area_count;
static volatile sig_atomic_t is_any_lost;

static void *map(size_t size, int flags, int fd, void *address)
{
	return mmap(address, size, PROT_READ | PROT_WRITE, flags, fd, 0);
}

/* The access that found no file behind its page is done again when this returns: on memory
 * that is there, or, if the fault was another, to the end of the process as ever. */
static void replace_lost(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	int saved_errno = errno;

	(void)context;
	for (size_t i = 0; i < area_count; i++) {
		uintptr_t begin = (uintptr_t)areas[i].memory;
		if (address < begin || address - begin >= areas[i].size)
			continue;
		if (map(areas[i].size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, areas[i].memory) ==
		    MAP_FAILED)
			break;
		areas[i].is_lost = is_any_lost = 1;
		errno = saved_errno;
		return;
	}
	signal(number, SIG_DFL);
	raise(number);
}

static bool guard(void *memory, size_t size)
{
	struct sigaction action = {.sa_sigaction = replace_lost, .sa_flags = SA_SIGINFO | SA_RESTART};

	if (area_count == SHARED_MAX) {
		errno = ENFILE;
		return false;
	}
	areas[area_count].memory = memory;
	areas[area_count].size = size;
	area_count++;
	return sigaction(SIGBUS, &action, NULL) == 0;
}

/* The file's memory; NULL: errno says why not. */
static void *map_file(int fd, size_t size)
{
	/* Room is taken now: ftruncate would succeed on a full disk, and each access fail.  All of it
	 * is touched now, too, so that what a worker has in memory does not grow with what it sees. */
	int error = posix_fallocate(fd, 0, (off_t)size);
	void *memory = error == 0 ? map(size, MAP_SHARED | MAP_POPULATE, fd, NULL) : MAP_FAILED;

	if (error != 0)
		errno = error;
	return memory != MAP_FAILED && guard(memory, size) ? memory : NULL;
}

bool shared_open(struct shared *shared, const char *path, size_t size)
{
	char name[1024];
	struct text text = TEXT_IN(name);
	void *memory = NULL;

	*shared = (struct shared){.size = size, .fd = -1};
	if (path[0] != '\0') {
		/* A version with another layout has another size and so another file. */
		text_add_format(&text, "%s.%zu", path, size);
		text_end(&text);
		shared->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (shared->fd >= 0)
			memory = map_file(shared->fd, size);
		if (memory != NULL) {
			shared->memory = memory;
			return true;
		}
		log_message(LOG_LEVEL_WARNING, "%s cannot be used, this worker does without: %s", name,
		            strerror(errno));
		if (shared->fd >= 0)
			close(shared->fd);
		shared->fd = -1;
	}
	memory = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1, NULL);
	if (memory != MAP_FAILED)
		shared->memory = memory;
	return path[0] == '\0';
}

void shared_report(void)
{
	if (!is_any_lost)
		return;
	is_any_lost = 0;
	for (size_t i = 0; i < area_count; i++) {
		if (!areas[i].is_lost)
			continue;
		areas[i].is_lost = 0;
		log_message(
		    LOG_LEVEL_WARNING,
		    "a shared file of %zu bytes was cut short, this worker goes on without it until "
		    "it is started anew",
		    areas[i].size);
	}
}

/*
 * workers - processes that share a file with a test, and the file's path.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = "/tmp/test-workers-XXXXXX";

static void make_path(void)
{
	close(mkstemp(path));
}

/* With all files whose names begin so. */
static int remove_path(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -f %s*", path);
	return system(command);
}

/* Joins and works in a process of its own; its pid, once it has done that and waits. */
static pid_t start_worker(void (*join)(void), void (*work)(void))
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		join();
		work();
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void kill_worker(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif

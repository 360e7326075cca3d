#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shared.h"

enum { SIZE = 3 * 4096 + 100 };

static char folder[] = "/tmp/test-shared-XXXXXX";
static char path[64], file[96];

/* What a child wrote to its standard error while it ran work; it has to end well. */
static const char *run_apart(void (*work)(void))
{
	static char said[4096];
	size_t len = 0;
	ssize_t count;
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		work();
		log_flush();
		_exit(0);
	}
	close(ends[1]);
	while ((count = read(ends[0], said + len, sizeof said - 1 - len)) > 0)
		len += (size_t)count;
	said[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (status != 0)
		fail_msg("ended with %#x after\n%s", (unsigned)status, said);
	return said;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

/* For children: what does not hold ends them. */
#define MUST(condition)                                                                            \
	do {                                                                                           \
		if (!(condition)) {                                                                        \
			dprintf(STDERR_FILENO, "%d: %s does not hold\n", __LINE__, #condition);                \
			_exit(1);                                                                              \
		}                                                                                          \
	} while (0)

static bool is_zero(const char *bytes, size_t len)
{
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	return len == 0;
}

static void test_shared_open_without_a_name(void **state)
{
	struct shared shared;

	(void)state;
	assert_true(shared_open(&shared, "", SIZE));
	assert_int_equal(shared.fd, -1);
	assert_true(is_zero(shared.memory, SIZE));
	memset(shared.memory, 1, SIZE);
}

static void test_shared_open_is_shared_by_name_and_size(void **state)
{
	struct shared one, same, other;

	(void)state;
	assert_true(shared_open(&one, path, SIZE));
	assert_true(one.fd >= 0 && is_zero(one.memory, SIZE));
	((char *)one.memory)[SIZE - 1] = 42;
	assert_true(shared_open(&same, path, SIZE));
	assert_int_equal(((char *)same.memory)[SIZE - 1], 42);
	assert_true(shared_open(&other, path, SIZE - 1));
	assert_true(is_zero(other.memory, SIZE - 1));

	struct stat status;
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_size, SIZE);
}

static void use_file_that_cannot_be(void)
{
	struct shared shared;

	MUST(!shared_open(&shared, "/no/such/folder/file", SIZE));
	MUST(shared.fd == -1 && is_zero(shared.memory, SIZE));
	memset(shared.memory, 1, SIZE);
}

static void test_shared_open_of_a_file_that_cannot_be(void **state)
{
	(void)state;
	const char *said = run_apart(use_file_that_cannot_be);
	assert_int_equal(count_lines(said), 1);
	assert_non_null(strstr(said, "/no/such/folder/file"));
}

static bool write_line(const char *name, const char *line)
{
	int fd = open(name, O_WRONLY);
	bool is_written = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);

	close(fd);
	return is_written;
}

/* Root may mount; others in a user namespace of their own, where the system allows these and they
 * are known by a number, without which no file is theirs. */
static bool may_mount(void)
{
	char user[64], group[64];

	snprintf(user, sizeof user, "0 %u 1", (unsigned)geteuid());
	snprintf(group, sizeof group, "0 %u 1", (unsigned)getegid());
	return unshare(CLONE_NEWNS) == 0 ||
	       (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	        write_line("/proc/self/setgroups", "deny") && write_line("/proc/self/uid_map", user) &&
	        write_line("/proc/self/gid_map", group));
}

/* A small file system of the child's own that has no room. */
static void use_full_disk(void)
{
	struct shared shared;
	char filler[128], block[4096] = {1};

	if (!may_mount() || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("test", folder, "tmpfs", 0, "size=8k") != 0)
		_exit(77);
	snprintf(filler, sizeof filler, "%s/filler", folder);
	int fd = open(filler, O_WRONLY | O_CREAT, 0600);
	MUST(fd >= 0 && write(fd, block, sizeof block) == sizeof block);
	MUST(!shared_open(&shared, path, SIZE));
	MUST(shared.fd == -1 && is_zero(shared.memory, SIZE));
	memset(shared.memory, 1, SIZE);
}

static void test_shared_open_on_a_full_disk(void **state)
{
	(void)state;
	const char *said = run_apart(use_full_disk);
	assert_int_equal(count_lines(said), 1);
	assert_non_null(strstr(said, "No space left on device"));
}

static void outlive_truncation(void)
{
	struct shared shared;
	const size_t lengths[] = {0, 4096, SIZE / 2};

	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		MUST(shared_open(&shared, path, SIZE));
		volatile char *bytes = shared.memory;
		bytes[SIZE - 1] = 1;
		MUST(truncate(file, (off_t)lengths[i]) == 0);
		bytes[SIZE - 1] = 2;
		MUST(bytes[SIZE - 1] == 2);
		bytes[0] = 3;
		MUST(bytes[0] == 3);
		shared_report();
		shared_report();
		bytes[SIZE - 1] = 4;
		/* Whoever joins later is not alone. */
		MUST(truncate(file, 0) == 0);
	}
}

static void test_shared_memory_outlives_truncation(void **state)
{
	(void)state;
	const char *said = run_apart(outlive_truncation);
	assert_int_equal(count_lines(said), 3);
	assert_non_null(strstr(said, "cut short"));
}

static void fault_elsewhere(void)
{
	struct shared shared;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		shared_open(&shared, path, SIZE);
		raise(SIGBUS);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(status != 0);
}

static void test_shared_leaves_other_faults_alone(void **state)
{
	(void)state;
	run_apart(fault_elsewhere);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shared_open_without_a_name),
	    cmocka_unit_test(test_shared_open_is_shared_by_name_and_size),
	    cmocka_unit_test(test_shared_open_of_a_file_that_cannot_be),
	    cmocka_unit_test(test_shared_open_on_a_full_disk),
	    cmocka_unit_test(test_shared_memory_outlives_truncation),
	    cmocka_unit_test(test_shared_leaves_other_faults_alone),
	};
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof path, "%s/memory", folder);
	snprintf(file, sizeof file, "%s.%d", path, SIZE);
	return cmocka_run_group_tests(tests, NULL, tear_down);
}

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

static int saved_stderr, pipe_fds[2];

/* What was written to standard error since the last call, NUL-terminated. */
static const char *logged(void)
{
	static char text[16 * 1024];

	log_flush();
	fprintf(stderr, "\n"); /* something to read, always */
	ssize_t len = read(pipe_fds[0], text, sizeof text - 1);
	text[len > 0 ? len - 1 : 0] = '\0';
	return text;
}

static void test_log_line(void **state)
{
	(void)state;
	log_begin(LOG_LEVEL_INFO, "request");
	log_text("target", slice_of("/a\"b\\c\nd\x01\x7f\xff"));
	log_integer("rows", 18446744073709551615u);
	log_duration("ms", 1.5);
	log_end();
	const char *line = logged();
	assert_int_equal(strspn(line, "{"), 1);
	assert_memory_equal(line, "{\"time\":\"20", 11);
	assert_non_null(strstr(line, "Z\",\"level\":\"info\",\"event\":\"request\",\"pid\":"));
	assert_non_null(strstr(line, ",\"target\":\"/a\\\"b\\\\c\\u000ad\\u0001\\u007f\\u00ff\","
	                             "\"rows\":18446744073709551615,\"ms\":1.500}\n"));
	assert_null(strstr(line, "request_id"));
}

static void test_log_request_id_is_in_every_line(void **state)
{
	(void)state;
	log_set_request("abc-1");
	log_message(LOG_LEVEL_INFO, "one %d", 1);
	log_message(LOG_LEVEL_ERROR, "two");
	log_set_request("");
	log_message(LOG_LEVEL_INFO, "three");
	const char *lines = logged();
	assert_non_null(strstr(lines, "\"request_id\":\"abc-1\",\"message\":\"one 1\"}\n"));
	assert_non_null(strstr(lines, "\"request_id\":\"abc-1\",\"message\":\"two\"}\n"));
	assert_null(strstr(strstr(lines, "two"), "request_id"));
}

static void test_log_drops_what_is_above_its_level(void **state)
{
	(void)state;
	log_message(LOG_LEVEL_DEBUG, "debug");
	assert_string_equal(logged(), "");
	log_open(LOG_LEVEL_ERROR, LOG_TARGET_STDERR);
	log_message(LOG_LEVEL_WARNING, "warning");
	log_begin(LOG_LEVEL_INFO, "request");
	log_end();
	assert_string_equal(logged(), "");
	log_open(LOG_LEVEL_INFO, LOG_TARGET_STDERR);
}

/* However long the text: one line, whole, and no longer than a pipe takes at once. */
static void test_log_cuts_long_text(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 1, sizeof text - 1);
	text[sizeof text - 1] = '\0';
	log_begin(LOG_LEVEL_INFO, "request");
	log_text("a", slice_of(text));
	log_text("b", slice_of(text));
	log_end();
	const char *line = logged();
	assert_true(strlen(line) <= 4096);
	assert_int_equal(strchr(line, '\n') - line, strlen(line) - 1);
	assert_memory_equal(line + strlen(line) - 2, "}\n", 2);
}

/* Nor do escapes push out what stands behind them. */
static void test_log_keeps_the_members_behind_long_text(void **state)
{
	char text[512];

	(void)state;
	for (size_t len = 0; len <= sizeof text; len++) {
		memset(text, 0xff, len);
		log_begin(LOG_LEVEL_INFO, "request");
		log_text("a", (struct slice){text, len});
		log_text("b", (struct slice){text, len});
		log_text("c", (struct slice){text, len});
		log_integer("rows", 18446744073709551615u);
		log_end();
		assert_non_null(strstr(logged(), "\",\"rows\":18446744073709551615}\n"));
	}
}

static void test_log_gathers_info_and_writes_errors_at_once(void **state)
{
	char byte;

	(void)state;
	log_message(LOG_LEVEL_INFO, "waits");
	log_message(LOG_LEVEL_ERROR, "comes at once");
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1); /* would hang if it had not come */
	const char *lines = logged();
	assert_non_null(strstr(lines, "waits"));
	assert_non_null(strstr(lines, "comes at once"));
}

static int listen_as_syslog(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* A daemon that reads nothing costs lines; the test would hang if it cost more. */
static void test_log_never_waits_for_syslog(void **state)
{
	char folder[] = "/tmp/test_log.XXXXXX", path[64], line[8192];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/log", folder);
	log_syslog_path = path;
	log_open(LOG_LEVEL_INFO, LOG_TARGET_SYSLOG);
	log_message(LOG_LEVEL_INFO, "to nobody");

	for (int daemon = 0; daemon < 2; daemon++) { /* the second is the first, restarted */
		int fd = listen_as_syslog(path);
		for (int i = 0; i < 10000; i++)
			log_message(LOG_LEVEL_ERROR, "line %d of %d", i, daemon);
		ssize_t len = recv(fd, line, sizeof line - 1, 0);
		assert_true(len > 0);
		line[len] = '\0';
		assert_memory_equal(line, "<27>usage-record-api[", 21);
		assert_non_null(strstr(line, "]: {\"time\":\""));
		char expected[64];
		snprintf(expected, sizeof expected, "\"line 0 of %d\"}", daemon);
		assert_non_null(strstr(line, expected));
		close(fd);
		unlink(path);
	}
	log_open(LOG_LEVEL_INFO, LOG_TARGET_STDERR);
	rmdir(folder);
}

static int set_up(void **state)
{
	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	return pipe(pipe_fds) != 0 || dup2(pipe_fds[1], STDERR_FILENO) < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return dup2(saved_stderr, STDERR_FILENO) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log_line),
	    cmocka_unit_test(test_log_request_id_is_in_every_line),
	    cmocka_unit_test(test_log_drops_what_is_above_its_level),
	    cmocka_unit_test(test_log_cuts_long_text),
	    cmocka_unit_test(test_log_keeps_the_members_behind_long_text),
	    cmocka_unit_test(test_log_gathers_info_and_writes_errors_at_once),
	    cmocka_unit_test(test_log_never_waits_for_syslog),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

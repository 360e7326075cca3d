#include "test.h"

#include "base/log.h"
#include "base/metrics.h"
#include "workers.h"

static const char *written(void)
{
	static char data[METRICS_TEXT_SIZE];
	struct text text = TEXT_IN(data);

	metrics_write(&text);
	assert_false(text.is_cut);
	text_end(&text);
	return data;
}

static void assert_line(const char *line)
{
	char expected[256];

	snprintf(expected, sizeof expected, "\nusage_record_api_%s\n", line);
	if (strstr(written(), expected) == NULL)
		fail_msg("there is no line %s in\n%s", expected + 1, written());
}

static void join(void)
{
	metrics_open(path);
}

static void serve_some(void)
{
	for (int i = 0; i < 10; i++) {
		metrics_begin_request();
		metrics_count(METRICS_RECORDS, 100);
		metrics_end_request(HTTP_CALL, HTTP_PAGE, i < 7 ? 200 : 500, i);
	}
}

static void be_busy(void)
{
	metrics_begin_request();
}

static void test_metrics_of_one_worker(void **state)
{
	(void)state;
	metrics_begin_request();
	metrics_end_request(HTTP_CALL, HTTP_PAGE, 200, 1.5);
	metrics_begin_request();
	metrics_end_request(HTTP_CALL, HTTP_SEARCH, 418, 20000); /* not counted apart */
	metrics_begin_request();
	metrics_end_request(HTTP_AUTHORIZER, HTTP_PAGE, 401, 7);
	metrics_begin_request();
	metrics_leave_request();
	metrics_count(METRICS_RETRIES, 2);
	assert_line("requests_total{role=\"call\",status=\"200\"} 1");
	assert_line("requests_total{role=\"call\",status=\"500\"} 1");
	assert_line("requests_total{role=\"authorizer\",status=\"401\"} 1");
	assert_line("request_duration_seconds_bucket{work=\"page\",le=\"0.001\"} 0");
	assert_line("request_duration_seconds_bucket{work=\"page\",le=\"0.0025\"} 1");
	assert_line("request_duration_seconds_bucket{work=\"page\",le=\"+Inf\"} 1");
	assert_line("request_duration_seconds_sum{work=\"page\"} 0.001500");
	assert_line("request_duration_seconds_count{work=\"page\"} 1");
	assert_line("request_duration_seconds_bucket{work=\"search\",le=\"10\"} 0");
	assert_line("request_duration_seconds_bucket{work=\"search\",le=\"+Inf\"} 1");
	assert_line("request_duration_seconds_sum{work=\"search\"} 20.000000");
	assert_line("database_retries_total 2");
	assert_line("workers 1");
	assert_line("requests_in_flight 1");
}

static void test_metrics_of_a_pool_outlive_its_workers(void **state)
{
	pid_t pids[3];

	(void)state;
	assert_true(metrics_open(path));
	assert_line("requests_total{role=\"call\",status=\"200\"} 0");
	for (int i = 0; i < 3; i++)
		pids[i] = start_worker(join, serve_some);
	assert_line("requests_total{role=\"call\",status=\"200\"} 21");
	assert_line("requests_total{role=\"call\",status=\"500\"} 9");
	assert_line("records_total 3000");
	assert_line("workers 4");
	assert_line("requests_in_flight 1");

	pid_t busy = start_worker(join, be_busy), other = start_worker(join, be_busy);
	assert_line("workers 6");
	assert_line("requests_in_flight 3");
	kill_worker(busy); /* in the middle of its request */
	assert_line("workers 5");
	assert_line("requests_in_flight 2");
	pid_t successor = start_worker(join, serve_some); /* takes its place, idle */
	assert_line("requests_in_flight 2");
	kill_worker(other);
	kill_worker(successor);
	for (int i = 0; i < 3; i++)
		kill_worker(pids[i]);
	assert_line("workers 1");
	assert_line("requests_in_flight 1");
	assert_line("requests_total{role=\"call\",status=\"200\"} 28");
}

static void be_at_the_second(void)
{
	metrics_add_host("b:1");
	metrics_use_host(metrics_add_host("a"));
}

static void test_metrics_of_hosts(void **state)
{
	unsigned a = metrics_add_host("a"), b = metrics_add_host("b:1");

	(void)state;
	assert_int_equal(metrics_add_host("a"), a);
	assert_line("database_host_state{host=\"a\",state=\"unknown\"} 1");
	assert_line("database_host_workers{host=\"a\"} 0");
	assert_null(strstr(written(), "host_lag_seconds{"));
	assert_null(strstr(written(), "host_unseen_seconds{"));
	assert_true(metrics_note_host(a, METRICS_HOST_PRIMARY, -1));
	assert_true(metrics_note_host(b, METRICS_HOST_REPLICA, 1250));
	assert_false(metrics_note_host(b, METRICS_HOST_REPLICA, 1500));
	assert_line("database_host_state{host=\"a\",state=\"primary\"} 1");
	assert_line("database_host_lag_seconds{host=\"b:1\"} 1.500");
	assert_line("database_host_refusals_total{host=\"b:1\"} 0");
	assert_true(metrics_note_host(b, METRICS_HOST_STALE, -1));
	assert_false(metrics_note_host(b, METRICS_HOST_STALE, 70000));
	assert_line("database_host_state{host=\"b:1\",state=\"stale\"} 1");
	assert_line("database_host_lag_seconds{host=\"b:1\"} 70.000");
	assert_line("database_host_refusals_total{host=\"b:1\"} 2");

	metrics_use_host(b);
	pid_t other = start_worker(join, be_at_the_second); /* in an order of its own */
	assert_line("database_host_workers{host=\"a\"} 1");
	assert_line("database_host_workers{host=\"b:1\"} 1");
	kill_worker(other);
	assert_line("database_host_workers{host=\"a\"} 0");
	metrics_use_host(0);
	assert_line("database_host_workers{host=\"b:1\"} 0");

	assert_false(metrics_note_host(0, METRICS_HOST_DOWN, -1));
	for (int i = 2; i < 8; i++) { /* the longest names leave room for all else */
		char name[272];
		memset(name, 'a' + i, sizeof name);
		name[sizeof name - 1] = '\0';
		assert_true(metrics_note_host(metrics_add_host(name), METRICS_HOST_STALE, 1e6));
	}
	assert_int_equal(metrics_add_host("one too many"), 0);
	written();
}

static void test_metrics_of_a_file_that_cannot_be(void **state)
{
	(void)state;
	log_open(LOG_LEVEL_ERROR, LOG_TARGET_STDERR);
	assert_false(metrics_open("/no/such/folder/metrics"));
	assert_true(strlen(written()) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_metrics_of_one_worker),
	    cmocka_unit_test(test_metrics_of_a_pool_outlive_its_workers),
	    cmocka_unit_test(test_metrics_of_hosts),
	    cmocka_unit_test(test_metrics_of_a_file_that_cannot_be),
	};
	make_path();
	return cmocka_run_group_tests(tests, NULL, remove_path);
}

#include "base/metrics.h"

#include <fcntl.h>
#include <stdatomic.h>

#include "base/shared.h"

enum { WORKERS_MAX = 512 };

static const struct {
	const char *name, *help;
} counters[METRICS_COUNTER_COUNT] = {
    [METRICS_RECORDS] = {"records_total", "Records in answers."},
    [METRICS_BYTES] = {"response_bytes_total", "Bytes of bodies as they were sent."},
    [METRICS_RETRIES] = {"database_retries_total", "Pages that took a second try."},
    [METRICS_CONNECTS] = {"database_connects_total", "Connections made to the database."},
    [METRICS_CONNECT_FAILURES] = {"database_connect_failures_total",
                                  "Connections to the database that could not be made."},
    [METRICS_SLOW_REQUESTS] = {"slow_requests_total", "Requests that took SLOW_MS or longer."},
    [METRICS_SEARCHES] = {"searches_total", "Requests that may have looked at many records."},
    [METRICS_LOST_ANSWERS] = {"lost_answers_total", "Answers whose peer left before their end."},
};

static const int statuses[] = {200, 400, 401, 403, 404, 405, 406, 503, 500};
enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0], STATUS_LAST = STATUS_COUNT - 1 };

/* Upper bounds of the histogram's buckets. */
static const struct {
	double ms;
	const char *seconds;
} buckets[] = {{1, "0.001"},  {2.5, "0.0025"}, {5, "0.005"},  {10, "0.01"}, {25, "0.025"},
               {50, "0.05"},  {100, "0.1"},    {250, "0.25"}, {500, "0.5"}, {1000, "1"},
               {2500, "2.5"}, {5000, "5"},     {10000, "10"}};
enum { BUCKET_COUNT = sizeof buckets / sizeof buckets[0] + 1 }; /* the last is +Inf */

/* The file's contents.  All are counters that only grow but is_busy, which holds for a
 * worker as long as it keeps the lock on the byte of its number in the file. */
struct pool {
	_Atomic uint64_t counters[METRICS_COUNTER_COUNT];
	_Atomic uint64_t requests[HTTP_ROLE_COUNT][STATUS_COUNT];
	struct {
		_Atomic uint64_t buckets[BUCKET_COUNT];
		_Atomic uint64_t sum_us;
	} durations[HTTP_WORK_COUNT];
	_Atomic uint8_t is_busy[WORKERS_MAX];
};

static struct pool own; /* until there is a file */
static struct pool *pool = &own;
static int pool_fd = -1;
static int worker_number; /* this worker's place in is_busy; -1: there was none left */

/* Whether some other process has the lock on a worker's byte. */
static bool is_worker_alive(int number)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};

	return fcntl(pool_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* The system gives the lock back when the process ends, however it ends. */
static int take_number(off_t place)
{
	for (int number = 0; number < WORKERS_MAX; number++) {
		struct flock lock = {
		    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place + number, .l_len = 1};
		if (fcntl(pool_fd, F_OFD_SETLK, &lock) == 0)
			return number;
	}
	return -1;
}

bool metrics_open(const char *path)
{
	struct shared shared;
	bool is_good = shared_open(&shared, path, sizeof *pool);

	if (shared.memory == NULL)
		return false;
	pool = shared.memory;
	pool_fd = shared.fd;
	worker_number = pool_fd >= 0 ? take_number(0) : 0;
	if (worker_number >= 0)
		atomic_store(&pool->is_busy[worker_number], 0);
	return is_good;
}

static void add(_Atomic uint64_t *number, uint64_t count)
{
	atomic_fetch_add_explicit(number, count, memory_order_relaxed);
}

int metrics_take_number(uint64_t socket_id)
{
	enum { SOCKETS_MAX = 1 << 16 };

	return pool_fd >= 0 ? take_number((off_t)(1 + socket_id % SOCKETS_MAX) * WORKERS_MAX) : -1;
}

void metrics_count(enum metrics_counter counter, uint64_t count)
{
	add(&pool->counters[counter], count);
}

static void set_busy(uint8_t is_busy)
{
	if (worker_number >= 0)
		atomic_store_explicit(&pool->is_busy[worker_number], is_busy, memory_order_relaxed);
}

void metrics_begin_request(void)
{
	set_busy(1);
}

static void count_duration(enum http_work work, double ms)
{
	int bucket = 0;

	while (bucket < BUCKET_COUNT - 1 && ms > buckets[bucket].ms)
		bucket++;
	add(&pool->durations[work].buckets[bucket], 1);
	add(&pool->durations[work].sum_us, ms > 0 ? (uint64_t)(ms * 1e3) : 0);
}

void metrics_end_request(enum http_role role, enum http_work work, int status, double total_ms)
{
	int index = 0;

	while (index < STATUS_LAST && statuses[index] != status)
		index++;
	if (role < HTTP_ROLE_COUNT)
		add(&pool->requests[role][index], 1);
	if (role == HTTP_CALL)
		count_duration(work, total_ms);
	metrics_leave_request();
}

void metrics_leave_request(void)
{
	set_busy(0);
	shared_report();
}

static void write_head(struct text *text, const char *name, const char *type, const char *help)
{
	text_add_format(text, "# HELP usage_record_api_%s %s\n# TYPE usage_record_api_%s %s\n", name,
	                help, name, type);
}

static void write_value(struct text *text, const char *name, uint64_t value)
{
	text_add_format(text, "usage_record_api_%s %llu\n", name, (unsigned long long)value);
}

static void write_durations_of(struct text *text, enum http_work work)
{
	const char *name = http_work_names[work];
	uint64_t sum_us = atomic_load(&pool->durations[work].sum_us), count = 0;

	for (int i = 0; i < BUCKET_COUNT; i++) {
		count += atomic_load(&pool->durations[work].buckets[i]);
		text_add_format(text,
		                "usage_record_api_request_duration_seconds_bucket{work=\"%s\",le=\"%s\"} "
		                "%llu\n",
		                name, i < BUCKET_COUNT - 1 ? buckets[i].seconds : "+Inf",
		                (unsigned long long)count);
	}
	text_add_format(
	    text, "usage_record_api_request_duration_seconds_sum{work=\"%s\"} %llu.%06llu\n", name,
	    (unsigned long long)(sum_us / 1000000), (unsigned long long)(sum_us % 1000000));
	text_add_format(text, "usage_record_api_request_duration_seconds_count{work=\"%s\"} %llu\n",
	                name, (unsigned long long)count);
}

static void write_durations(struct text *text)
{
	write_head(text, "request_duration_seconds", "histogram",
	           "Seconds from a request's arrival at a worker to the end of its answer.");
	for (int work = 0; work < HTTP_WORK_COUNT; work++)
		write_durations_of(text, (enum http_work)work);
}

static void write_workers(struct text *text)
{
	uint64_t worker_count = 1, busy_count = 1; /* this one: it answers */

	for (int number = 0; pool_fd >= 0 && number < WORKERS_MAX; number++) {
		if (number == worker_number || !is_worker_alive(number))
			continue;
		worker_count++;
		busy_count += atomic_load(&pool->is_busy[number]);
	}
	write_head(text, "workers", "gauge", "Workers of the pool that are alive.");
	write_value(text, "workers", worker_count);
	write_head(text, "requests_in_flight", "gauge", "Requests that workers are at, this one too.");
	write_value(text, "requests_in_flight", busy_count);
}

void metrics_write(struct text *text)
{
	write_head(text, "requests_total", "counter", "Requests by role and status.");
	for (int role = 0; role < HTTP_ROLE_COUNT; role++)
		for (int i = 0; i < STATUS_COUNT; i++)
			text_add_format(text,
			                "usage_record_api_requests_total{role=\"%s\",status=\"%d\"} %llu\n",
			                http_role_names[role], statuses[i],
			                (unsigned long long)atomic_load(&pool->requests[role][i]));
	write_durations(text);
	for (int i = 0; i < METRICS_COUNTER_COUNT; i++) {
		write_head(text, counters[i].name, "counter", counters[i].help);
		write_value(text, counters[i].name, atomic_load(&pool->counters[i]));
	}
	write_workers(text);
}

#include "base/metrics.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/seats.h"
#include "base/shared.h"

enum {
	HOSTS_SHARED_MAX = 64, /* as long as the file is there, whatever hosts it has seen */
	HOSTS_OWN_MAX = 8,
	HOST_NAME_SIZE = 272,
};

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

static const char *const host_states[METRICS_HOST_STATE_COUNT] = {
    [METRICS_HOST_UNKNOWN] = "unknown", [METRICS_HOST_PRIMARY] = "primary",
    [METRICS_HOST_REPLICA] = "replica", [METRICS_HOST_STALE] = "stale",
    [METRICS_HOST_UNFIT] = "unfit",     [METRICS_HOST_DOWN] = "down"};

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

/* The file's contents.  Of a worker holds what is at its number, is_busy and host, as long as it is
 * alive.  A host has the place that its name's digest has taken first.  All else are counters that
 * only grow. */
struct pool {
	_Atomic uint64_t counters[METRICS_COUNTER_COUNT];
	_Atomic uint64_t requests[HTTP_ROLE_COUNT][STATUS_COUNT];
	struct {
		_Atomic uint64_t buckets[BUCKET_COUNT];
		_Atomic uint64_t sum_us;
	} durations[HTTP_WORK_COUNT];
	struct {
		_Atomic uint64_t digest; /* 0: free */
		_Atomic uint64_t state, refusals;
		_Atomic int64_t lag_ms;  /* negative: not known */
		_Atomic int64_t seen_ms; /* by clock_ms, which is the machine's */
	} hosts[HOSTS_SHARED_MAX];
	_Atomic uint8_t is_busy[SEATS_MAX];
	_Atomic uint8_t host[SEATS_MAX]; /* to which it is connected: its place + 1; 0: none */
};

static struct pool own; /* until there is a file */
static struct pool *pool = &own;
static int pool_fd = -1;
static int worker_number; /* this worker's place in is_busy; -1: there was none left */

/* The hosts of this worker, in its order. */
static struct {
	char name[HOST_NAME_SIZE];
	size_t place; /* in the pool's */
} hosts[HOSTS_OWN_MAX];
static unsigned host_count;

bool metrics_open(const char *path)
{
	struct shared shared;
	bool is_good = shared_open(&shared, path, sizeof *pool);

	if (shared.memory == NULL)
		return false;
	pool = shared.memory;
	pool_fd = shared.fd;
	worker_number = pool_fd >= 0 ? seats_take(pool_fd, SEATS_WORKERS, SEATS_MAX) : 0;
	if (worker_number >= 0)
		atomic_store(&pool->is_busy[worker_number], 0);
	metrics_use_host(0);
	return is_good;
}

static void add(_Atomic uint64_t *number, uint64_t count)
{
	atomic_fetch_add_explicit(number, count, memory_order_relaxed);
}

int metrics_take_number(uint64_t socket_id)
{
	return seats_take(pool_fd, socket_id, SEATS_MAX);
}

void metrics_count(enum metrics_counter counter, uint64_t count)
{
	add(&pool->counters[counter], count);
}

unsigned metrics_add_host(const char *name)
{
	uint64_t digest = slice_digest(slice_of(name));

	for (unsigned i = 0; i < host_count; i++)
		if (strcmp(hosts[i].name, name) == 0)
			return i + 1; /* it is in the list twice */
	if (host_count == HOSTS_OWN_MAX)
		return 0;
	for (size_t i = 0; i < HOSTS_SHARED_MAX; i++) {
		size_t place = (digest + i) % HOSTS_SHARED_MAX;
		uint64_t found = 0;
		if (!atomic_compare_exchange_strong(&pool->hosts[place].digest, &found, digest) &&
		    found != digest)
			continue;
		struct text text = TEXT_IN(hosts[host_count].name);
		text_add(&text, slice_of(name));
		text_end(&text);
		hosts[host_count++].place = place;
		return host_count;
	}
	return 0;
}

bool metrics_note_host(unsigned number, enum metrics_host_state state, double lag_ms)
{
	if (number == 0)
		return false;
	size_t place = hosts[number - 1].place;
	atomic_store(&pool->hosts[place].lag_ms, lag_ms >= 0 ? (int64_t)lag_ms : -1);
	atomic_store(&pool->hosts[place].seen_ms, (int64_t)clock_ms());
	if (state == METRICS_HOST_STALE)
		add(&pool->hosts[place].refusals, 1);
	return atomic_exchange(&pool->hosts[place].state, state) != state;
}

void metrics_use_host(unsigned number)
{
	if (worker_number >= 0)
		atomic_store(&pool->host[worker_number],
		             (uint8_t)(number > 0 ? hosts[number - 1].place + 1 : 0));
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

/* Who is alive, and at what. */
struct census {
	uint64_t workers, busy;
	uint64_t on_host[HOSTS_SHARED_MAX + 1]; /* by place + 1 */
};

static struct census take_census(void)
{
	struct census census = {.workers = 1, .busy = 1}; /* this one: it answers */

	for (int number = 0; number < SEATS_MAX; number++) {
		bool is_other = number != worker_number;
		if (is_other && !seats_has_worker(pool_fd, number))
			continue;
		census.workers += is_other;
		census.busy += is_other ? atomic_load(&pool->is_busy[number]) : 0;
		census.on_host[atomic_load(&pool->host[number])]++;
	}
	return census;
}

static void write_workers(struct text *text, const struct census *census)
{
	write_head(text, "workers", "gauge", "Workers of the pool that are alive.");
	write_value(text, "workers", census->workers);
	write_head(text, "requests_in_flight", "gauge", "Requests that workers are at, this one too.");
	write_value(text, "requests_in_flight", census->busy);
}

/* What is told of each host; a negative number is not known, and left out. */
enum host_number { HOST_STATE, HOST_LAG, HOST_UNSEEN, HOST_WORKERS, HOST_REFUSALS };
static const struct {
	const char *name, *type, *help;
} host_numbers[] = {
    [HOST_STATE] = {"state", "gauge", "1 for what the last look at the host found."},
    [HOST_LAG] = {"lag_seconds", "gauge", "How old the data of a replica was at the last look."},
    [HOST_UNSEEN] = {"unseen_seconds", "gauge", "Seconds since the last look at the host."},
    [HOST_WORKERS] = {"workers", "gauge", "Workers that are connected to the host."},
    [HOST_REFUSALS] = {"refusals_total", "counter",
                       "Looks at a replica that was too far behind, or did not say."},
};

static double host_number_of(enum host_number number, size_t place, const struct census *census)
{
	uint64_t state = atomic_load(&pool->hosts[place].state);

	switch (number) {
	case HOST_STATE:
		return 1;
	case HOST_LAG:
		return state == METRICS_HOST_REPLICA || state == METRICS_HOST_STALE
		           ? (double)atomic_load(&pool->hosts[place].lag_ms) / 1e3
		           : -1;
	case HOST_UNSEEN:
		return state == METRICS_HOST_UNKNOWN
		           ? -1
		           : clock_ms() / 1e3 - (double)atomic_load(&pool->hosts[place].seen_ms) / 1e3;
	case HOST_WORKERS:
		return (double)census->on_host[place + 1];
	case HOST_REFUSALS:
		return (double)atomic_load(&pool->hosts[place].refusals);
	}
	return -1;
}

static void write_hosts(struct text *text, const struct census *census)
{
	char name[64];

	for (size_t i = 0; i < sizeof host_numbers / sizeof host_numbers[0]; i++) {
		snprintf(name, sizeof name, "database_host_%s", host_numbers[i].name);
		write_head(text, name, host_numbers[i].type, host_numbers[i].help);
		for (unsigned host = 0; host < host_count; host++) {
			size_t place = hosts[host].place;
			double value = host_number_of((enum host_number)i, place, census);
			if (value < 0)
				continue;
			text_add_format(text, "usage_record_api_%s{host=\"%s\"", name, hosts[host].name);
			if (i == HOST_STATE)
				text_add_format(text, ",state=\"%s\"",
				                host_states[atomic_load(&pool->hosts[place].state)]);
			text_add_format(text, "} %.*f\n", i == HOST_LAG || i == HOST_UNSEEN ? 3 : 0, value);
		}
	}
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
	struct census census = take_census();
	write_workers(text, &census);
	write_hosts(text, &census);
}

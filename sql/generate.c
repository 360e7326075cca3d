/*
 * generate - believable usage record groups, as lines for LOAD DATA or as NDJSON.
 *
 * Row r of a data set depends on the arguments and on r alone: the same
 * arguments give the same bytes, and a range of rows (--from, --to) can be
 * made and loaded by itself, beside others.  Rows come in the order of the
 * table's primary key.  The columns are those that sql/load-sample names.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"

#define ARRAY_COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { DAY_MS = 86400000 };

struct options {
	int64_t row_count;
	int64_t from, to; /* the rows [from, to) are written */
	int64_t organization_count;
	int64_t day_count;
	int64_t end_ms; /* no record is created at or after this instant */
	uint64_t seed;
};

/* NDJSON, as usage-record-api-load reads it, instead of lines for LOAD DATA. */
static bool is_ndjson;

/* A value and how often it comes, in thousandths; the weights add up to 1000. */
struct weighted {
	const char *text; /* NULL: the column is NULL, or the key is left out */
	int weight;
};

static const struct weighted partners[] = {{"AWS", 580}, {"AZURE", 290}, {"GCP", 130}};

static const struct weighted statuses[] = {{"REPORTED", 880}, {"REPORT_FAILED", 40},
                                           {"INVALID", 30},   {"REPORT_PENDING", 20},
                                           {"CREATED", 20},   {"DELETED", 10}};

static const struct weighted sources[] = {{"API", 620},     {"METRONOME", 200}, {"ORB", 100},
                                          {"INTERNAL", 50}, {"", 10},           {NULL, 20}};

static const struct weighted metrics[] = {{"compute_hours", 250}, {"storage_gb_month", 250},
                                          {"api_calls", 200},     {"egress_gb", 150},
                                          {"seats", 100},         {"tokens_in", 50}};

static const struct weighted regions[] = {
    {"us-east-1", 400}, {"eu-west-1", 300}, {"ap-northeast-1", 200}, {"sa-east-1", 100}};

/* The same names as they are, and as PHP's json_encode writes them. */
static const char *const customers[][2] = {
    {"Northwind Traders", "Northwind Traders"},
    {"Café Zürich AG", "Caf\\u00e9 Z\\u00fcrich AG"},
    {"Łódź Logistyka sp. z o.o.", "\\u0141\\u00f3d\\u017a Logistyka sp. z o.o."},
    {"株式会社さくら", "\\u682a\\u5f0f\\u4f1a\\u793e\\u3055\\u304f\\u3089"},
    {"O'Neill & Søn A/S", "O'Neill & S\\u00f8n A\\/S"},
    {"Пример ООО", "\\u041f\\u0440\\u0438\\u043c\\u0435\\u0440 \\u041e\\u041e\\u041e"},
    {"\\\"Quoted\\\" Holdings", "\\\"Quoted\\\" Holdings"},
    {"Rocket 🚀 Labs", "Rocket \\ud83d\\ude80 Labs"},
};

/* SplitMix64 (Steele, Lea, Flood 2014): a well mixed number for each input. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* The next number of a row's own sequence. */
static uint64_t draw(uint64_t *state)
{
	return mix((*state)++);
}

static const char *pick(uint64_t *state, const struct weighted *table)
{
	int left = (int)(draw(state) % 1000);

	while (left >= table->weight)
		left -= table++->weight;
	return table->text;
}

/* Nine letters and digits that stand for (kind, number), the same each time. */
static const char *identifier(char text[static 10], uint64_t seed, char kind, uint64_t number)
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint64_t bits = mix(mix(seed + (unsigned char)kind) + number);

	for (int i = 0; i < 9; i++, bits /= 62)
		text[i] = alphabet[bits % 62];
	text[9] = '\0';
	return text;
}

/* The first row of an organization: the first one owns half of all rows, the
 * next a quarter, an eighth, ...; from the seventh on they share what is left. */
static int64_t first_row(const struct options *options, int64_t organization)
{
	int64_t count = options->organization_count, rows = options->row_count, first = 0;
	int64_t skewed = count - 1 < 6 ? count - 1 : 6;

	for (int64_t i = 0; i < organization && i < skewed; i++)
		first += (rows - first) / 2;
	if (organization > skewed)
		first += (rows - first) * (organization - skewed) / (count - skewed);
	return first;
}

/* What stands before a member, the first one of a record without a comma or tab. */
static void begin_member(const char *name)
{
	bool is_first = strcmp(name, "serialID") == 0;

	if (is_ndjson)
		printf("%s\"%s\":", is_first ? "{" : ",", name);
	else if (!is_first)
		putchar('\t');
}

/* A member that is plain text; NULL: it has none. */
static void write_text(const char *name, const char *text)
{
	if (is_ndjson && text == NULL)
		return;
	begin_member(name);
	printf(is_ndjson ? "\"%s\"" : "%s", text != NULL ? text : "\\N");
}

static void write_time(const char *name, int64_t ms)
{
	struct utc_time time = utc_from_ms(ms);
	char text[UTC_TEXT_LEN + 1] = {0};

	utc_write(text, &time);
	if (!is_ndjson) {
		text[10] = ' ';
		text[UTC_TEXT_LEN - 1] = '\0';
	}
	write_text(name, text);
}

/* Writes JSON text: LOAD DATA takes a backslash as its own escape. */
static void write_json_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' && !is_ndjson)
			putchar('\\');
		putchar(*text);
	}
}

/* An amount with as many digits as billing systems send: up to 19 decimals. */
static void write_amount(uint64_t *state)
{
	uint64_t whole = draw(state) % 100000, part = draw(state);

	switch (draw(state) % 4) {
	case 0:
		printf("%" PRIu64, whole);
		break;
	case 1:
		printf("%" PRIu64 ".%02u", whole, (unsigned)(part % 100));
		break;
	case 2:
		printf("%" PRIu64 ".%06u", whole % 100, (unsigned)(part % 1000000));
		break;
	default:
		printf("%" PRIu64 ".%019" PRIu64, whole % 10, part % UINT64_C(10000000000000000000));
	}
}

static void write_meta_info(uint64_t *state, const char *source, int64_t created_ms)
{
	uint64_t style = draw(state);
	int billable_count = 1 + (int)(draw(state) % 3);

	begin_member("metaInfo");
	printf("{\"SkipValidation\":%s,\"billableRecords\":[", style % 16 == 0 ? "true" : "false");
	for (int i = 0; i < billable_count; i++) {
		printf("%s{\"key\":\"%s\",\"properties\":{\"region\":\"%s\",\"cluster\":\"c-%04u\"},"
		       "\"quantity\":",
		       i > 0 ? "," : "", pick(state, metrics), pick(state, regions),
		       (unsigned)(draw(state) % 2000));
		write_amount(state);
		putchar('}');
	}
	printf("],\"customer\":\"");
	write_json_text(customers[(style >> 8) % ARRAY_COUNT(customers)][(style >> 4) % 4 == 0]);
	printf("\",\"metronomeDailyCostAmount\":");
	write_amount(state);
	printf(",\"metronomeMonthlyInvoiceAmount\":");
	write_amount(state);
	printf(",\"originRecords\":{\"%s\":", pick(state, metrics));
	write_amount(state);
	putchar('}');
	if (source != NULL)
		printf(",\"source\":\"%s\"", source);
	printf(",\"timestamp\":\"");
	created_ms -= (int64_t)(draw(state) % 60000);
	struct utc_time time = utc_from_ms(created_ms);
	char text[UTC_TEXT_LEN];
	utc_write(text, &time);
	printf("%.19sZ\"}", text);
}

static void write_records(uint64_t *state)
{
	int count = 1 + (int)(draw(state) % 3);
	uint64_t first = draw(state) % (ARRAY_COUNT(metrics) - 2);

	begin_member("records");
	putchar('{');
	for (int i = 0; i < count; i++) {
		printf("%s\"%s\":", i > 0 ? "," : "", metrics[first + (uint64_t)i].text);
		write_amount(state);
	}
	putchar('}');
}

/* When row k of an organization's n was created.  The rows are spread evenly;
 * of four neighbours a third of the time all share one instant, as the records
 * of one report do. */
static int64_t creation_ms(const struct options *options, uint64_t organization_seed, int64_t k,
                           int64_t n)
{
	int64_t span_ms = options->day_count * DAY_MS;
	int64_t slot = mix(organization_seed + (uint64_t)(k / 4)) % 3 == 0 ? k / 4 * 4 : k;
	int64_t begin = slot * span_ms / n, end = (slot + 1) * span_ms / n;
	int64_t width = end > begin ? end - begin : 1;

	return options->end_ms - span_ms + begin +
	       (int64_t)(mix(organization_seed ^ (uint64_t)slot << 20) % (uint64_t)width);
}

static void write_row(const struct options *options, int64_t row, int64_t organization, int64_t k,
                      int64_t n)
{
	uint64_t state = mix(options->seed) ^ mix((uint64_t)row) << 1;
	uint64_t organization_seed = mix(options->seed + 1 + (uint64_t)organization);
	int64_t created_ms = creation_ms(options, organization_seed, k, n);
	uint64_t buyer_count = (uint64_t)n / 400 + 2, product_count = 8;
	uint64_t buyer = draw(&state) % buyer_count;
	const char *partner = pick(&state, partners), *status = pick(&state, statuses);
	const char *source = pick(&state, sources);
	uint64_t a = draw(&state), b = draw(&state), gaps = draw(&state);
	char id[10], record_id[37];

	begin_member("serialID");
	printf("%" PRId64, row + 1);
	snprintf(record_id, sizeof record_id, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(a >> 32),
	         (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
	         (unsigned)(b >> 48 & 0x3fff) | 0x8000, b & 0xffffffffffff);
	write_text("id", record_id);
	write_text("organizationID", identifier(id, options->seed, 'o', (uint64_t)organization));
	write_text("partner", partner);
	write_text("buyerID", gaps % 32 == 0 ? NULL : identifier(id, organization_seed, 'b', buyer));
	write_text("entitlementID",
	           gaps % 64 < 3 ? NULL : identifier(id, organization_seed, 'e', buyer * 2 + (a & 1)));
	write_text("productID",
	           gaps % 128 == 5 ? NULL : identifier(id, organization_seed, 'p', b % product_count));
	write_text("status", status);
	if (gaps % 256 == 7)
		write_text("metaInfo", NULL);
	else
		write_meta_info(&state, source, created_ms);
	write_records(&state);
	write_text("usageRecordReportID",
	           strcmp(status, "CREATED") == 0 || strcmp(status, "INVALID") == 0
	               ? NULL
	               : identifier(id, organization_seed, 'r', (uint64_t)k));
	write_time("creationTime", created_ms);
	write_time("lastUpdateTime", created_ms + (int64_t)(draw(&state) % 90000));
	puts(is_ndjson ? "}" : "");
}

static void usage(FILE *out)
{
	fputs("usage: generate --rows N --end YYYY-MM-DD [--organizations N] [--days N]\n"
	      "                [--seed N] [--from ROW] [--to ROW] [--ndjson]\n"
	      "       generate --largest [--seed N]\n"
	      "Writes usage record groups as lines for LOAD DATA to standard output:\n"
	      "  --rows           rows in the whole data set\n"
	      "  --end            the day before which the newest record was created (UTC)\n"
	      "  --organizations  how many share them, the first owns half   (default 50)\n"
	      "  --days           how many days they spread over             (default 90)\n"
	      "  --seed           another number makes another data set      (default 1)\n"
	      "  --from, --to     only rows FROM (from 0) to TO (excluded)\n"
	      "  --ndjson         as records of the API's shape, a line each\n"
	      "  --largest        write the id of the largest organization instead\n",
	      out);
}

static int64_t integer(const char *name, const char *text, int64_t min)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min) {
		fprintf(stderr, "generate: %s must be an integer from %" PRId64 ", not \"%s\"\n", name, min,
		        text);
		exit(2);
	}
	return value;
}

static int64_t day_ms(const char *text)
{
	int32_t day;

	if (!utc_parse_day(slice_of(text), &day)) {
		fprintf(stderr, "generate: --end must be a day YYYY-MM-DD, not \"%s\"\n", text);
		exit(2);
	}
	return day * UTC_DAY_MS;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"rows", required_argument, NULL, 'r'},
	                                      {"end", required_argument, NULL, 'e'},
	                                      {"organizations", required_argument, NULL, 'o'},
	                                      {"days", required_argument, NULL, 'd'},
	                                      {"seed", required_argument, NULL, 's'},
	                                      {"from", required_argument, NULL, 'f'},
	                                      {"to", required_argument, NULL, 't'},
	                                      {"ndjson", no_argument, NULL, 'n'},
	                                      {"largest", no_argument, NULL, 'l'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	struct options options = {
	    .organization_count = 50, .day_count = 90, .seed = 1, .to = INT64_MAX, .end_ms = -1};
	bool largest = false;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'r':
			options.row_count = integer("--rows", optarg, 1);
			break;
		case 'e':
			options.end_ms = day_ms(optarg);
			break;
		case 'o':
			options.organization_count = integer("--organizations", optarg, 1);
			break;
		case 'd':
			options.day_count = integer("--days", optarg, 1);
			break;
		case 's':
			options.seed = (uint64_t)integer("--seed", optarg, 0);
			break;
		case 'f':
			options.from = integer("--from", optarg, 0);
			break;
		case 't':
			options.to = integer("--to", optarg, 0);
			break;
		case 'n':
			is_ndjson = true;
			break;
		case 'l':
			largest = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (largest) {
		char id[10];
		puts(identifier(id, options.seed, 'o', 0));
		return 0;
	}
	if (optind < argc || options.row_count == 0 || options.end_ms == -1) {
		usage(stderr);
		return 2;
	}

	for (int64_t i = 0; i < options.organization_count; i++) {
		int64_t first = first_row(&options, i), n = first_row(&options, i + 1) - first;
		if (i == options.organization_count - 1)
			n = options.row_count - first;
		int64_t from = options.from > first ? options.from : first;
		int64_t to = options.to < first + n ? options.to : first + n;
		for (int64_t row = from; row < to; row++)
			write_row(&options, row, i, row - first, n);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("generate: standard output");
		return 1;
	}
	return 0;
}

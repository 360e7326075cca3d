#include "serve/routes.h"

#include "base/url.h"
#include "serve/listing.h"
#include "serve/single.h"
#include "serve/summing.h"

static const struct route routes[] = {
    {"list", "/org/{orgId}/usageRecordGroup", FILTER_LIST, listing_respond},
    {"record", "/org/{orgId}/usageRecordGroup/{usageRecordGroupId}", FILTER_RECORD, single_respond},
    {"entitlement", "/org/{orgId}/entitlement/{entitlementId}/usageRecordGroup", FILTER_LIST,
     listing_respond},
    {"summary", "/org/{orgId}/usageRecordSummary", FILTER_SUMMARY, summing_respond},
    {"product", "/org/{orgId}/product/{productId}/usageRecordGroup", FILTER_LIST, listing_respond},
};

/* The decoded text of a segment; "" for what is no text of that size. */
static const char *decode(struct slice segment, char *text, size_t size)
{
	size_t len;

	if (url_decode(segment, URL_PATH, text, size, &len) != URL_OK)
		text[0] = '\0';
	return text;
}

/* Whether each segment may stand in a path; the second of them is the organization. */
static bool check_segments(struct slice path, struct slice *organization)
{
	static const struct slice none = {"", 0};
	struct slice segment;
	bool is_good = true;
	char text[4];

	*organization = none;
	for (int number = 1; url_next_segment(&path, &segment); number++) {
		decode(segment, text, sizeof text);
		if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
			*organization = none;
			return false;
		}
		is_good = is_good && segment.len > 0;
		if (is_good && number == 2)
			*organization = segment;
	}
	return is_good && path.len == 0; /* else it does not start with a slash */
}

static bool matches(const struct route *route, struct slice path, struct filter_request *given)
{
	struct slice pattern = slice_of(route->path), name, segment;
	char text[32];
	size_t count = 0;

	while (url_next_segment(&pattern, &name)) {
		if (!url_next_segment(&path, &segment))
			return false;
		if (name.data[0] == '{') {
			given->path[count].name = (struct slice){name.data + 1, name.len - 2};
			given->path[count++].value = segment;
		} else if (strlen(decode(segment, text, sizeof text)) != name.len ||
		           memcmp(text, name.data, name.len) != 0) {
			return false;
		}
	}
	given->path_count = count;
	return path.len == 0;
}

enum routes_status routes_find(struct slice path, struct slice *organization,
                               const struct route **route, struct filter_request *given)
{
	if (!check_segments(path, organization))
		return ROUTES_REFUSED;
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (matches(&routes[i], path, given)) {
			given->call = routes[i].call;
			*route = &routes[i];
			return ROUTES_FOUND;
		}
	}
	return ROUTES_UNKNOWN;
}

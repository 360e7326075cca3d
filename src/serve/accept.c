#include "serve/accept.h"

#include <strings.h>

/* A quality value in thousandths. */
enum { QUALITY_MAX = 1000 };

struct element {
	struct slice name;
	int quality;
	bool has_parameters; /* other than q */
};

static struct slice trim(struct slice slice)
{
	while (slice.len > 0 && (slice.data[0] == ' ' || slice.data[0] == '\t'))
		slice = (struct slice){slice.data + 1, slice.len - 1};
	while (slice.len > 0 && (slice.data[slice.len - 1] == ' ' || slice.data[slice.len - 1] == '\t'))
		slice.len--;
	return slice;
}

/* Takes what stands in front of the next separator outside of quotes, without the white
 * space around it; false at the end. */
static bool next_part(struct slice *rest, char separator, struct slice *part)
{
	bool is_quoted = false;
	size_t len = 0;

	if (rest->data == NULL)
		return false;
	for (; len < rest->len && (is_quoted || rest->data[len] != separator); len++) {
		if (rest->data[len] == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && rest->data[len] == '\\' && len + 1 < rest->len)
			len++;
	}
	*part = trim((struct slice){rest->data, len});
	*rest = len < rest->len ? (struct slice){rest->data + len + 1, rest->len - len - 1}
	                        : (struct slice){NULL, 0};
	return true;
}

/* "1", "0.25", ".2", "0.12345": more digits than RFC 9110 allows count, too.  -1: malformed. */
static int read_quality(struct slice text)
{
	int quality = 0, unit = QUALITY_MAX;
	bool has_digit = false, has_point = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c == '.' && !has_point) {
			has_point = true;
			continue;
		}
		if (c < '0' || c > '9' || (!has_point && has_digit))
			return -1;
		has_digit = true;
		if (has_point)
			unit /= 10;
		/* The smallest quality is still one. */
		if (unit == 0 && quality == 0 && c != '0')
			quality = 1;
		quality += (c - '0') * unit;
	}
	return has_digit && quality <= QUALITY_MAX ? quality : -1;
}

static bool is_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] == '"' || name.data[i] == '\x7f')
			return false;
	return name.len > 0;
}

static bool read_element(struct slice text, struct element *element)
{
	struct slice parameter;

	*element = (struct element){.quality = QUALITY_MAX};
	next_part(&text, ';', &element->name);
	while (next_part(&text, ';', &parameter)) {
		if (parameter.len >= 2 && (parameter.data[0] | 0x20) == 'q' && parameter.data[1] == '=')
			element->quality = read_quality((struct slice){parameter.data + 2, parameter.len - 2});
		else if (parameter.len > 0)
			element->has_parameters = true;
	}
	return is_name(element->name) && element->quality >= 0;
}

/* The next well-formed element of a header; false at its end. */
static bool next_element(struct slice *header, struct element *element)
{
	struct slice text;

	while (next_part(header, ',', &text))
		if (read_element(text, element))
			return true;
	return false;
}

static bool is_same(struct slice name, const char *other)
{
	return name.len == strlen(other) && strncasecmp(name.data, other, name.len) == 0;
}

/* How closely an element means an offer; 0: not at all. */
typedef int closeness(const struct element *element, const char *offer);

static int media_closeness(const struct element *element, const char *offer)
{
	size_t type_len = (size_t)(strchr(offer, '/') - offer) + 1;

	if (is_same(element->name, offer))
		return element->has_parameters ? 3 : 4;
	if (element->name.len == type_len + 1 && element->name.data[type_len] == '*' &&
	    strncasecmp(element->name.data, offer, type_len) == 0)
		return 2;
	return is_same(element->name, "*/*") || is_same(element->name, "*") ? 1 : 0;
}

static int coding_closeness(const struct element *element, const char *offer)
{
	if (is_same(element->name, offer) ||
	    (is_same(element->name, "x-gzip") && strcmp(offer, "gzip") == 0))
		return 2;
	return is_same(element->name, "*") ? 1 : 0;
}

/* The quality that a header gives an offer: that of the element that means it most
 * closely; -1: none means it. */
static int quality_of(struct slice header, const char *offer, closeness *closeness_to)
{
	struct element element;
	int closest = 0, quality = -1;

	while (next_element(&header, &element)) {
		int closeness = closeness_to(&element, offer);
		if (closeness > closest || (closeness == closest && element.quality > quality)) {
			if (closeness == 0)
				continue;
			closest = closeness;
			quality = element.quality;
		}
	}
	return quality;
}

/* The offer of the highest quality, the first of several; -1: all have 0 or none. */
static int choose(struct slice header, const char *const *offers, size_t count,
                  closeness *closeness_to)
{
	int best = -1, best_quality = 0;

	for (size_t i = 0; i < count; i++) {
		int quality = quality_of(header, offers[i], closeness_to);
		if (quality > best_quality) {
			best_quality = quality;
			best = (int)i;
		}
	}
	return best;
}

static bool has_element(struct slice header)
{
	struct element element;

	return next_element(&header, &element);
}

int accept_media(struct slice header, const char *const *offers, size_t count)
{
	return has_element(header) ? choose(header, offers, count, media_closeness) : 0;
}

int accept_encoding(struct slice header, const char *const *offers, size_t count)
{
	int best = has_element(header) ? choose(header, offers, count, coding_closeness) : -1;

	/* Acceptable unless it is refused, and the last choice unless it is named. */
	for (size_t i = 0; best < 0 && i < count; i++)
		if (strcmp(offers[i], "identity") == 0 &&
		    quality_of(header, offers[i], coding_closeness) < 0)
			best = (int)i;
	return best;
}

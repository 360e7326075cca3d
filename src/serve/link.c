#include "serve/link.h"

#include "base/url.h"

/* What else may stand between "<" and ">". */
static const char in_path[] = "-._~!$&'()*+,;=:@/%";
static const char in_value[] = "-._~!$'()*,;:@/?=";

/* Adds text; what is neither a letter nor a digit, nor one of others, is escaped. */
static void add_escaped(struct text *headers, struct slice text, const char *others)
{
	size_t done = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool is_plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		                (c != '\0' && strchr(others, c) != NULL);
		if (is_plain)
			continue;
		text_add(headers, (struct slice){text.data + done, i - done});
		text_add_format(headers, c == ' ' ? "+" : "%%%02X", c);
		done = i + 1;
	}
	text_add(headers, (struct slice){text.data + done, text.len - done});
}

/* Decodes a name or a value, which was accepted. */
static struct slice decode(struct slice encoded, char *text, size_t size)
{
	size_t len = 0;

	url_decode(encoded, URL_QUERY, text, size, &len);
	return (struct slice){text, len};
}

static void add_pair(struct text *headers, struct slice name, struct slice value)
{
	text_add(headers, name);
	TEXT_ADD(headers, "=");
	add_escaped(headers, value, in_value);
	TEXT_ADD(headers, "&");
}

static void add_query(struct text *headers, struct slice query, const struct filter *filter)
{
	char name_text[32], value_text[METAINFO_LEN_MAX + 1];
	struct slice name, value;

	while (url_next_pair(&query, &name, &value)) {
		name = decode(name, name_text, sizeof name_text);
		if (slice_equals(name, "cursor") || slice_equals(name, "offset"))
			continue;
		if (!slice_equals(name, "metaInfo"))
			add_pair(headers, name, decode(value, value_text, sizeof value_text));
		else if (filter->meta_info != NULL)
			add_pair(headers, name, metainfo_text(filter->meta_info));
	}
}

/* The site's own name of the address; the path begins with the slash between them. */
static void add_base(struct text *headers, struct slice base_url, struct slice path)
{
	if (base_url.len == 0)
		return;
	if (base_url.data[base_url.len - 1] == '/')
		base_url.len--;
	add_escaped(headers, base_url, in_path);
	add_escaped(headers, path, in_path);
}

void link_add_next(struct text *headers, const char *base_url, struct slice path,
                   struct slice query, const struct filter *filter, const struct cursor *cursor)
{
	char text[CURSOR_TEXT_SIZE];

	cursor_write(text, cursor);
	TEXT_ADD(headers, "Link: <");
	add_base(headers, slice_of(base_url), path);
	TEXT_ADD(headers, "?");
	add_query(headers, query, filter);
	TEXT_ADD(headers, "cursor=");
	text_add(headers, slice_of(text));
	TEXT_ADD(headers, ">; rel=\"next\"\r\n");
}

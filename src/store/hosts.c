#include "store/hosts.h"

#include <string.h>

enum { PORT_MAX = 65535 };

/* Of names and addresses, with the zone of an IPv6 one: no quote, no white space. */
static const char name_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%";

/* A port up to the end of text. */
static bool parse_port(const char *text, const char *end, unsigned *port)
{
	*port = 0;
	for (; text < end && *port <= PORT_MAX; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*port = *port * 10 + (unsigned)(*text - '0');
	}
	return *port > 0 && *port <= PORT_MAX;
}

static bool parse_host(const char *text, size_t len, struct host *host)
{
	const char *end = text + len, *name_end = memchr(text, ':', len), *port = name_end;

	if (len > 0 && text[0] == '[') {
		text++;
		name_end = memchr(text, ']', len - 1);
		if (name_end == NULL)
			return false;
		port = name_end + 1 < end ? name_end + 1 : NULL;
	} else if (port != NULL && memchr(port + 1, ':', (size_t)(end - port) - 1) != NULL) {
		name_end = port = NULL; /* a bare IPv6 address */
	}
	if (name_end == NULL)
		name_end = end;
	size_t name_len = (size_t)(name_end - text);
	if (name_len == 0 || name_len >= sizeof host->name || strspn(text, name_characters) < name_len)
		return false;
	memcpy(host->name, text, name_len);
	host->name[name_len] = '\0';
	return port == NULL || (*port == ':' && parse_port(port + 1, end, &host->port));
}

bool hosts_parse(const char *list, unsigned default_port, struct hosts *hosts)
{
	*hosts = (struct hosts){.count = 0};
	for (bool is_end = false; !is_end; list++) {
		size_t len = strcspn(list, ",");
		if (hosts->count == HOSTS_MAX)
			return false;
		struct host *host = &hosts->hosts[hosts->count++];
		host->port = default_port;
		is_end = list[len] == '\0';
		if (is_end && len == 0 && hosts->count == 1)
			return true;
		if (!parse_host(list, len, host))
			return false;
		list += len;
	}
	return true;
}

void hosts_spread(struct hosts *hosts, unsigned worker_number)
{
	struct hosts before = *hosts;
	unsigned count = (unsigned)hosts->count, first = worker_number % count;
	unsigned turn = worker_number / count;

	hosts->hosts[0] = before.hosts[first];
	for (unsigned i = 1; i < count; i++)
		hosts->hosts[i] = before.hosts[(first + 1 + (turn + i - 1) % (count - 1)) % count];
}

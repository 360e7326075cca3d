/*
 * hosts - the list of database hosts as an operator writes it.  Pure.
 *
 * "db1,db2:3307,[2001:db8::1]:3306": names or addresses separated by commas, each with a
 * port of its own or not; an IPv6 address that has one stands in brackets.
 */
#ifndef HOSTS_H
#define HOSTS_H

#include <stdbool.h>
#include <stddef.h>

enum { HOSTS_MAX = 8, HOSTS_NAME_SIZE = 256 };

struct host {
	char name[HOSTS_NAME_SIZE]; /* empty: the client library's default */
	unsigned port;              /* 0: likewise */
};

struct hosts {
	size_t count; /* 1 to HOSTS_MAX */
	struct host hosts[HOSTS_MAX];
};

/* Reads a list; "" stands for one host with an empty name.  default_port is for hosts
 * that come without one.  False when it is not of that form; *hosts is undefined then. */
bool hosts_parse(const char *list, unsigned default_port, struct hosts *hosts);

/* Puts hosts into the order that a worker prefers by its number: of several workers one after the
 * other prefers each host, and those of one host prefer different ones next. */
void hosts_spread(struct hosts *hosts, unsigned worker_number);

#endif

#include "config.h"
#include "store/wire.h"

#if HAVE_MYSQL_NET_READ_PACKET && HAVE_MARIADB_STMT_FETCH_FIELDS

#include <ma_pvio.h>

const MYSQL_FIELD *wire_fields(MYSQL_STMT *handle)
{
	return mariadb_stmt_fetch_fields(handle);
}

/*
 * Takes the next row from what the library has read ahead, if all of it is there, which spares a
 * copy.  All else is left to the library: what it has not read yet, what is longer than its buffer
 * (16 KB), ends and errors.
 */
static bool take_ahead(MYSQL *connection, struct slice *packet)
{
	enum { HEADER_LEN = 4, ROW_MARK = 0 };
	NET *net = &connection->net;
	MARIADB_PVIO *pvio = net->pvio;

	if (pvio == NULL || pvio->cache == NULL || net->compress)
		return false;
	const unsigned char *data = pvio->cache_pos, *end = pvio->cache + pvio->cache_size;
	if (end - data <= HEADER_LEN)
		return false;
	size_t len = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
	if (len == 0 || len > (size_t)(end - data) - HEADER_LEN || data[HEADER_LEN] != ROW_MARK)
		return false;
	net->pkt_nr = net->compress_pkt_nr = data[3] + 1u;
	pvio->cache_pos += HEADER_LEN + len;
	*packet = (struct slice){(const char *)data + HEADER_LEN, len};
	return true;
}

int wire_next(MYSQL_STMT *handle, struct slice *packet)
{
	enum { END_MARK = 0xfe, END_LEN_MAX = 8 };
	MYSQL *connection = handle->mysql;

	if (take_ahead(connection, packet))
		return 0;
	unsigned long len = mysql_net_read_packet(connection);
	const unsigned char *data = connection->net.read_pos;
	bool is_error = len == packet_error;
	if (!is_error && !(len > 0 && len <= END_LEN_MAX && data[0] == END_MARK)) {
		*packet = (struct slice){(const char *)data, len};
		return 0;
	}
	/* As mysql_stmt_fetch leaves it when there are no more rows. */
	handle->state = MYSQL_STMT_FETCH_DONE;
	connection->status = MYSQL_STATUS_READY;
	return is_error ? 1 : MYSQL_NO_DATA;
}

#else

const MYSQL_FIELD *wire_fields(MYSQL_STMT *handle)
{
	(void)handle;
	return NULL;
}

int wire_next(MYSQL_STMT *handle, struct slice *packet)
{
	(void)handle, (void)packet;
	return MYSQL_NO_DATA;
}

#endif

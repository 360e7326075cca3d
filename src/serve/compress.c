#include "config.h"
#include "serve/compress.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/growing.h"

#ifdef HAVE_ISA_L_IGZIP_LIB_H
#include <isa-l/igzip_lib.h>
#else
#include <zlib.h>
#endif

enum {
	LEVEL = 1,
	/* What is left of a page is a fifth to a quarter of it; more room is made as it is needed. */
	ROOM_SHARE = 4,
	ROOM_MIN = 4096,
	/* A page of 1000 records leaves 180 KB. */
	BUFFER_SIZE_KEPT = 1024 * 1024,
	/* Both libraries count a part in 32 bits. */
	PART_LEN_MAX = 1 << 30,
};

/* The two libraries, whose streams have the same form. */
#ifdef HAVE_ISA_L_IGZIP_LIB_H

struct compress {
	struct isal_zstream stream;
	uint8_t work[ISAL_DEF_LVL1_MEDIUM];
	struct growing out;
};

static bool open_stream(struct compress *compress)
{
	isal_deflate_init(&compress->stream);
	return true;
}

static void close_stream(struct compress *compress)
{
	(void)compress;
}

static void begin_stream(struct compress *compress)
{
	struct isal_zstream *stream = &compress->stream;

	isal_deflate_init(stream);
	stream->level = LEVEL;
	stream->level_buf = compress->work;
	stream->level_buf_size = sizeof compress->work;
	stream->gzip_flag = IGZIP_GZIP;
}

static bool step(struct compress *compress, bool is_end)
{
	compress->stream.end_of_stream = is_end;
	return isal_deflate(&compress->stream) == COMP_OK;
}

#else

struct compress {
	z_stream stream;
	struct growing out;
};

enum { GZIP_WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 };

static bool open_stream(struct compress *compress)
{
	return deflateInit2(&compress->stream, LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
	                    Z_DEFAULT_STRATEGY) == Z_OK;
}

static void close_stream(struct compress *compress)
{
	deflateEnd(&compress->stream);
}

static void begin_stream(struct compress *compress)
{
	deflateReset(&compress->stream);
}

static bool step(struct compress *compress, bool is_end)
{
	int status = deflate(&compress->stream, is_end ? Z_FINISH : Z_NO_FLUSH);

	return status != Z_STREAM_ERROR;
}

#endif

struct compress *compress_open(void)
{
	struct compress *compress = calloc(1, sizeof *compress);

	if (compress != NULL && !open_stream(compress)) {
		free(compress);
		return NULL;
	}
	return compress;
}

void compress_close(struct compress *compress)
{
	if (compress == NULL)
		return;
	close_stream(compress);
	growing_free(&compress->out);
	free(compress);
}

void compress_begin(struct compress *compress)
{
	begin_stream(compress);
}

/* Gives the stream all of the part that it has at hand, and takes what comes out. */
static bool run(struct compress *compress, bool is_end)
{
	struct growing *out = &compress->out;
	size_t room;

	/* The library leaves room when it has nothing more to say. */
	do {
		if (!growing_reserve(out, ROOM_MIN))
			return false;
		room = out->size - out->len;
		if (room > PART_LEN_MAX)
			room = PART_LEN_MAX;
		compress->stream.next_out = (unsigned char *)out->data + out->len;
		compress->stream.avail_out = (uint32_t)room;
		if (!step(compress, is_end))
			return false;
		out->len += room - compress->stream.avail_out;
	} while (compress->stream.avail_out == 0);
	return true;
}

bool compress_add(struct compress *compress, struct slice part, bool is_end, struct slice *out)
{
	growing_clear(&compress->out, SIZE_MAX);
	if (!growing_reserve(&compress->out, part.len / ROOM_SHARE + ROOM_MIN))
		return false;
	do {
		size_t len = part.len < PART_LEN_MAX ? part.len : PART_LEN_MAX;
		compress->stream.next_in = (unsigned char *)part.data;
		compress->stream.avail_in = (uint32_t)len;
		part = (struct slice){part.data + len, part.len - len};
		if (!run(compress, is_end && part.len == 0))
			return false;
	} while (part.len > 0);
	*out = growing_slice(&compress->out);
	return true;
}

void compress_trim(struct compress *compress)
{
	growing_clear(&compress->out, BUFFER_SIZE_KEPT);
}

#include "request/cells.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/record.h"
#include "base/url.h"

enum { NAME_LEN_MAX = 32 };

struct place {
	struct slice organization; /* decoded */
	const char *cell;
};

struct cells {
	const char *path, *own;
	char *text;           /* the file, in which the places lie */
	struct place *places; /* in the order of compare */
	size_t count;
	struct stat seen; /* the file that was looked at last */
};

/* What a file says. */
struct reading {
	char *text;
	struct place *places;
	size_t count, size;
};

static int compare(const void *a, const void *b)
{
	const struct slice *one = &((const struct place *)a)->organization;
	const struct slice *other = &((const struct place *)b)->organization;
	int order = memcmp(one->data, other->data, one->len < other->len ? one->len : other->len);

	return order != 0 ? order : (one->len > other->len) - (one->len < other->len);
}

bool cells_is_name(struct slice text)
{
	size_t len = 0;

	while (len < text.len &&
	       ((text.data[len] >= 'a' && text.data[len] <= 'z') ||
	        (text.data[len] >= '0' && text.data[len] <= '9') || text.data[len] == '_'))
		len++;
	return len > 0 && len == text.len && len <= NAME_LEN_MAX;
}

/* A line, NUL-terminated, which is decoded where it lies. */
static bool read_line(struct reading *reading, char *line)
{
	char organization[RECORD_ID_LEN_MAX + 1];
	char *rest;
	size_t len;

	line[strcspn(line, "#")] = '\0';
	char *raw = strtok_r(line, " \t\r", &rest);
	if (raw == NULL)
		return true;
	char *cell = strtok_r(NULL, " \t\r", &rest);
	if (cell == NULL || !cells_is_name(slice_of(cell)) || strtok_r(NULL, " \t\r", &rest) != NULL ||
	    url_decode(slice_of(raw), URL_PATH, organization, sizeof organization, &len) != URL_OK)
		return false;
	if (reading->count == reading->size) {
		size_t size = reading->size > 0 ? reading->size * 2 : 64;
		struct place *places = realloc(reading->places, size * sizeof *places);
		if (places == NULL)
			return false;
		reading->places = places;
		reading->size = size;
	}
	memcpy(raw, organization, len);
	reading->places[reading->count++] = (struct place){{raw, len}, cell};
	return true;
}

/* All of a file, NUL-terminated; NULL with errno. */
static char *read_text(FILE *file, size_t size)
{
	errno = 0;
	char *text = malloc(size + 1);
	size_t len = text != NULL ? fread(text, 1, size, file) : 0;

	if (text == NULL || ferror(file) || memchr(text, '\0', len) != NULL) {
		free(text);
		errno = errno != 0 ? errno : EILSEQ;
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static bool read_file(const char *path, struct reading *reading, struct stat *seen,
                      char reason[static CELLS_REASON_SIZE])
{
	FILE *file = fopen(path, "re");
	bool is_good = file != NULL && fstat(fileno(file), seen) == 0 &&
	               (reading->text = read_text(file, (size_t)seen->st_size)) != NULL;
	unsigned number = 0;

	if (!is_good)
		snprintf(reason, CELLS_REASON_SIZE, "%s: %s", path, strerror(errno));
	for (char *line = reading->text, *end; is_good && line != NULL; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		number++;
		is_good = read_line(reading, line);
		if (!is_good)
			snprintf(reason, CELLS_REASON_SIZE,
			         "%s:%u: a line must be \"ORGANIZATION CELL\", the organization as in a path",
			         path, number);
	}
	if (is_good && reading->count > 0)
		qsort(reading->places, reading->count, sizeof *reading->places, compare);
	for (size_t i = 1; is_good && i < reading->count; i++) {
		is_good = compare(&reading->places[i - 1], &reading->places[i]) != 0;
		if (!is_good)
			snprintf(reason, CELLS_REASON_SIZE, "%s: \"%.*s\" is named twice", path,
			         (int)reading->places[i].organization.len,
			         reading->places[i].organization.data);
	}
	if (file != NULL)
		fclose(file);
	return is_good;
}

static bool read_anew(struct cells *cells, char reason[static CELLS_REASON_SIZE])
{
	struct reading reading = {NULL, NULL, 0, 0};

	if (!read_file(cells->path, &reading, &cells->seen, reason)) {
		free(reading.text);
		free(reading.places);
		return false;
	}
	free(cells->text);
	free(cells->places);
	cells->text = reading.text;
	cells->places = reading.places;
	cells->count = reading.count;
	return true;
}

struct cells *cells_open(const char *path, const char *own, char reason[static CELLS_REASON_SIZE])
{
	struct cells *cells = calloc(1, sizeof *cells);

	if (cells == NULL) {
		snprintf(reason, CELLS_REASON_SIZE, "out of memory");
		return NULL;
	}
	cells->path = path;
	cells->own = own;
	if (read_anew(cells, reason))
		return cells;
	cells_close(cells);
	return NULL;
}

void cells_close(struct cells *cells)
{
	if (cells == NULL)
		return;
	free(cells->text);
	free(cells->places);
	free(cells);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool cells_refresh(struct cells *cells, char reason[static CELLS_REASON_SIZE])
{
	struct stat now = {0};

	if (stat(cells->path, &now) == 0) {
		if (is_same_file(&now, &cells->seen))
			return true;
		cells->seen = now;
		return read_anew(cells, reason);
	}
	if (cells->seen.st_ino == 0)
		return true; /* that it is gone was said */
	cells->seen = now;
	snprintf(reason, CELLS_REASON_SIZE, "%s: %s", cells->path, strerror(errno));
	return false;
}

const char *cells_away(const struct cells *cells, struct slice organization)
{
	const struct place key = {.organization = organization};
	const struct place *place = cells->count > 0 ? bsearch(&key, cells->places, cells->count,
	                                                       sizeof *cells->places, compare)
	                                             : NULL;
	const char *cell = place != NULL ? place->cell : CELLS_DEFAULT;

	return strcmp(cell, cells->own) != 0 ? cell : NULL;
}

bool cells_is_gate(const struct cells *cells)
{
	return cells->own[0] == '\0';
}

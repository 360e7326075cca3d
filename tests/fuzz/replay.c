/*
 * replay - runs a fuzz target over its kept inputs, once each: the check that what
 * fuzzing once found stays found.
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

/* The target's name: that of the program without "fuzz_" and folders. */
static const char *target_name(const char *program)
{
	const char *name = strstr(program, "fuzz_");

	MUST(name != NULL);
	for (const char *next = name; (next = strstr(next + 1, "fuzz_")) != NULL;)
		name = next;
	return name + strlen("fuzz_");
}

static void replay_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	size_t size = fread(data, 1, sizeof data, file);
	fclose(file);
	fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
	LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
	const char *source = getenv("srcdir");
	char folder[512], path[1024];
	int count = 0;

	(void)argc;
	snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", source != NULL ? source : ".",
	         target_name(argv[0]));
	DIR *dir = opendir(folder);
	if (dir == NULL) {
		perror(folder);
		return EXIT_FAILURE;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		replay_file(path);
		count++;
	}
	closedir(dir);
	printf("%d inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

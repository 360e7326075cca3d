/*
 * fuzz - what a fuzz target offers: libFuzzer calls it with inputs that it makes up,
 * replay.c with those that are kept under corpus/.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run when something does not hold that should for every input. */
#define MUST(condition)                                                                            \
	do {                                                                                           \
		if (!(condition)) {                                                                        \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
			abort();                                                                               \
		}                                                                                          \
	} while (0)

/* A copy with a NUL behind it, on the heap, so that reading past its end is noticed. */
char *fuzz_text(const uint8_t *data, size_t size);

#endif

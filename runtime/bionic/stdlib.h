#ifndef SEPARABLE_BIONIC_STDLIB_H
#define SEPARABLE_BIONIC_STDLIB_H

#include <stddef.h>

void *calloc(size_t count, size_t size);
void free(void *memory);
int posix_memalign(void **memory, size_t alignment, size_t size);
long strtol(const char *text, char **end, int base);

#endif

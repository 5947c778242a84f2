#ifndef SEPARABLE_BIONIC_STRING_H
#define SEPARABLE_BIONIC_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *memory, int byte, size_t size);
int strcmp(const char *one, const char *other);

#endif

/*
 * Memory that finds faults: every block ends at a page that must not be touched, and holds NaN until it is written.
 *
 * The allocation functions are replaced for the whole program, compiled models included.
 */
#ifndef STRICT_MEMORY_H
#define STRICT_MEMORY_H

#include <stddef.h>

/* A block whose end is `alignment` bytes or less before a page that must not be touched. Freed by free(). */
void *strict_alloc(size_t bytes, size_t alignment);

/* A block from strict_alloc that is only read from now on. */
void strict_protect(void *block);

/* How many blocks were allocated so far, by whatever function, and how many of them are not freed yet. */
long strict_allocations(void);
long strict_live_blocks(void);

#endif

#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include "strict_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What glibc's own malloc and free are called beside their public names. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void __libc_free(void *block);

enum { MAX_BLOCKS = 64, NAN_BYTE = 0xff };

typedef struct guarded {
    _Atomic(unsigned char *) block;
    unsigned char *pages;
    size_t bytes; /* of the pages, without the guards */
} guarded;

static guarded blocks[MAX_BLOCKS];
static unsigned char claimed; /* its address marks an entry that is being filled */
static atomic_long allocations, frees;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static guarded *find(const void *block)
{
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (atomic_load(&blocks[i].block) == block)
            return &blocks[i];
    return NULL;
}

static guarded *claim(void)
{
    for (int i = 0; i < MAX_BLOCKS; i++) {
        unsigned char *unused = NULL;
        if (atomic_compare_exchange_strong(&blocks[i].block, &unused, &claimed))
            return &blocks[i];
    }
    return NULL;
}

void *strict_alloc(size_t bytes, size_t alignment)
{
    atomic_fetch_add(&allocations, 1);
    const size_t page = page_size();
    guarded *entry = claim();
    const size_t size = (bytes + page - 1) / page * page;
    unsigned char *pages = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!entry || pages == MAP_FAILED || mprotect(pages + page, size, PROT_READ | PROT_WRITE) != 0)
        abort();
    entry->pages = pages + page;
    entry->bytes = size;
    memset(entry->pages, NAN_BYTE, size);
    unsigned char *block = entry->pages + size - (bytes + alignment - 1) / alignment * alignment;
    atomic_store(&entry->block, block);
    return block;
}

void strict_protect(void *block)
{
    const guarded *entry = find(block);
    if (!entry || mprotect(entry->pages, entry->bytes, PROT_READ) != 0)
        abort();
}

long strict_allocations(void)
{
    return atomic_load(&allocations);
}

long strict_live_blocks(void)
{
    return atomic_load(&allocations) - atomic_load(&frees);
}

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    *block = strict_alloc(bytes, alignment);
    return 0;
}

void *malloc(size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    if (block)
        atomic_fetch_add(&frees, 1);
    return __libc_realloc(block, bytes);
}

void free(void *block)
{
    if (!block)
        return;
    atomic_fetch_add(&frees, 1);
    guarded *entry = find(block);
    if (!entry) {
        __libc_free(block);
        return;
    }
    munmap(entry->pages - page_size(), entry->bytes + 2 * page_size());
    atomic_store(&entry->block, NULL);
}

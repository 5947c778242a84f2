/* Time for waiting and profiling. Sources that include this define _POSIX_C_SOURCE or _GNU_SOURCE first. */
#ifndef SEPARABLE_CLOCK_H
#define SEPARABLE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some fixed moment. */
static inline int64_t separable_nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

#endif

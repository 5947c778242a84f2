#ifndef SEPARABLE_BIONIC_SCHED_H
#define SEPARABLE_BIONIC_SCHED_H

#include "types.h"

enum { CPU_SETSIZE = 1024 };
typedef struct cpu_set_t {
    unsigned long bits[CPU_SETSIZE / 64];
} cpu_set_t;

#define CPU_ZERO(set) __builtin_memset(set, 0, sizeof(cpu_set_t))
#define CPU_SET(cpu, set) separable_cpu_change(cpu, set, 1)
#define CPU_CLR(cpu, set) separable_cpu_change(cpu, set, 0)
#define CPU_ISSET(cpu, set) separable_cpu_isset(cpu, set)
#define CPU_COUNT(set) __sched_cpucount(sizeof(cpu_set_t), set)

/* As in the NDK, a number out of range is no member and changes nothing. */
static inline int separable_cpu_isset(size_t cpu, const cpu_set_t *set)
{
    return cpu < CPU_SETSIZE && (set->bits[cpu / 64] >> cpu % 64 & 1);
}

static inline void separable_cpu_change(size_t cpu, cpu_set_t *set, int member)
{
    if (cpu < CPU_SETSIZE)
        set->bits[cpu / 64] = (set->bits[cpu / 64] & ~(1ul << cpu % 64)) | (unsigned long)member << cpu % 64;
}

int __sched_cpucount(size_t bytes, const cpu_set_t *set);
int sched_getaffinity(pid_t thread, size_t bytes, cpu_set_t *set);
int sched_setaffinity(pid_t thread, size_t bytes, const cpu_set_t *set);
int sched_getcpu(void);
int sched_yield(void);

#endif

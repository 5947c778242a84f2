/* Which CPUs the threads of a model run on. Sources that include this define _GNU_SOURCE first. */
#ifndef SEPARABLE_CORES_H
#define SEPARABLE_CORES_H

#include "separable.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/* The CPUs that the calling thread may use, at least one. */
void separable_allowed_cpus(cpu_set_t *cpus);

/*
 * Leaves in `cpus`, the CPUs allowed, those that the options choose; at least one. `sysfs` is the folder where the
 * system's /sys is. Returns a status of separable.h; unless it is SEPARABLE_OK, writes what is wrong to `error`, up to
 * `size` bytes with the terminator.
 */
int32_t separable_choose_cpus(const char *sysfs, const separable_options *options, cpu_set_t *cpus, char *error,
                              size_t size);

/*
 * Whether kernels for these CPUs should be those for cores that start instructions in program order: if one of the CPUs
 * is such a core, or nothing tells what they are. Other cores bring the instructions into an order of their own and lose
 * little by it.
 */
bool separable_in_order(const char *sysfs, const cpu_set_t *cpus);

#endif

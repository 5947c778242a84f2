/* Which kernels of a model run on this CPU. Sources that include this define _GNU_SOURCE first. */
#ifndef SEPARABLE_VARIANT_H
#define SEPARABLE_VARIANT_H

#include "model.h"

#include <sched.h>
#include <stddef.h>

/*
 * The variant named `wanted`, or if that is NULL the first one that needs nothing but the features `available`; of those
 * that need the same, one for cores like `cpus`. `sysfs` is the folder where the system's /sys is. NULL if there is
 * none: then *status is a status of separable.h, and `error` says what is wrong, up to `size` bytes with the terminator.
 */
const separable_variant *separable_choose_variant(const separable_model *model, const char *wanted, uint64_t available,
                                                  const char *sysfs, const cpu_set_t *cpus, int32_t *status,
                                                  char *error, size_t size);

#endif

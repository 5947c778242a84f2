/* The header of the handwritten model pair, in the form of a generated one. */
#ifndef PAIR_H
#define PAIR_H

#include "separable.h"

#define pair_INPUT_COUNT 2
#define pair_INPUT_BYTES {48, 48}
#define pair_OUTPUT_COUNT 2
#define pair_OUTPUT_BYTES {48, 48}

int32_t pair_create(const separable_options *options, separable_handle **handle);
int32_t pair_run(separable_handle *handle, const void *const inputs[], void *const outputs[]);
int32_t pair_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
                     separable_kernel_time times[], int32_t capacity);
void pair_destroy(separable_handle *handle);
const char *pair_last_error(const separable_handle *handle);
const char *pair_variant(const separable_handle *handle);
const char *pair_describe(void);
int32_t pair_abi_version(void);

#endif

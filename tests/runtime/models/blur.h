/* The header of the handwritten model blur, in the form of a generated one. */
#ifndef BLUR_H
#define BLUR_H

#include "separable.h"

#define blur_INPUT_COUNT 1
#define blur_INPUT_BYTES {384}
#define blur_OUTPUT_COUNT 1
#define blur_OUTPUT_BYTES {384}

int32_t blur_create(const separable_options *options, separable_handle **handle);
int32_t blur_run(separable_handle *handle, const void *const inputs[], void *const outputs[]);
int32_t blur_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
                     separable_kernel_time times[], int32_t capacity);
void blur_destroy(separable_handle *handle);
const char *blur_last_error(const separable_handle *handle);
const char *blur_variant(const separable_handle *handle);
const char *blur_describe(void);
int32_t blur_abi_version(void);

#endif

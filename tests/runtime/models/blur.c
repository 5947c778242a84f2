/*
 * A handwritten model in the form of a generated one: y = 2 * (box3x3(x) + bias), x and y float32 [1, 2, 6, 8].
 *
 * It pads in the arena (halo), blurs rows through the scratch, and at its end spoils the padded activation as other
 * steps of a real model would do: a second run is right only if the halo is zeroed again.
 */
#include "blur.h"

#include "model.h"

#include <math.h>

#ifndef BLUR_ISA
#define BLUR_ISA 0
#endif
#ifndef BLUR_ABI_VERSION
#define BLUR_ABI_VERSION SEPARABLE_ABI_VERSION
#endif

enum { CHANNELS = 2, ROWS = 6, COLUMNS = 8, PADDED_ROWS = ROWS + 2, PADDED_COLUMNS = COLUMNS + 2 };
enum { PADDED_OFFSET = 64, BLURRED_OFFSET = 1024, ARENA_BYTES = 1408 };

static _Alignas(SEPARABLE_ALIGNMENT) const float weights[CHANNELS] = {0.5f, -1.5f};

static float *padded_row(const separable_frame *f, int32_t channel, int32_t row)
{
    return (float *)(f->arena + PADDED_OFFSET) + (channel * PADDED_ROWS + row) * PADDED_COLUMNS;
}

static void step_pad(const separable_frame *f, void *scratch, int32_t begin, int32_t end)
{
    (void)scratch;
    const float *x = f->inputs[0];
    for (int32_t row = begin; row < end; ++row)
        for (int32_t column = 0; column < COLUMNS; ++column)
            padded_row(f, row / ROWS, row % ROWS + 1)[column + 1] = x[row * COLUMNS + column];
}

static void step_blur(const separable_frame *f, void *scratch, int32_t begin, int32_t end)
{
    float *vertical = scratch;
    float *blurred = (float *)(f->arena + BLURRED_OFFSET);
    const float *bias = (const float *)f->weights;
    for (int32_t row = begin; row < end; ++row) {
        const int32_t channel = row / ROWS, y = row % ROWS;
        const float *above = padded_row(f, channel, y), *here = above + PADDED_COLUMNS, *below = here + PADDED_COLUMNS;
        for (int32_t x = 0; x < PADDED_COLUMNS; ++x)
            vertical[x] = above[x] + here[x] + below[x];
        for (int32_t x = 0; x < COLUMNS; ++x)
            blurred[row * COLUMNS + x] = vertical[x] + vertical[x + 1] + vertical[x + 2] + bias[channel];
    }
}

static void step_double(const separable_frame *f, void *scratch, int32_t begin, int32_t end)
{
    (void)scratch;
    float *y = f->outputs[0];
    for (int32_t i = begin; i < end; ++i)
        y[i] = 2 * ((const float *)(f->arena + BLURRED_OFFSET))[i];
}

static void step_spoil(const separable_frame *f, void *scratch, int32_t begin, int32_t end)
{
    (void)scratch;
    for (int32_t i = begin; i < end; ++i)
        padded_row(f, 0, 0)[i] = NAN;
}

static const separable_step steps[] = {
    {.name = "pad", .kernel = "k0_pad", .run = step_pad, .extent = CHANNELS * ROWS, .zero = {0, 1}, .bytes = 768},
    {.name = "blur+bias", .kernel = "k1_blur", .run = step_blur, .extent = CHANNELS * ROWS, .flops = 912},
    {.name = "double", .kernel = "k2_double", .run = step_double, .extent = CHANNELS * ROWS * COLUMNS, .threads = 2,
     .flops = 96},
    {.name = "spoil", .kernel = "k3_spoil", .run = step_spoil, .extent = CHANNELS * PADDED_ROWS * PADDED_COLUMNS},
};

static const separable_halo halos[] = {
    {.offset = PADDED_OFFSET, .blocks = CHANNELS, .rows = PADDED_ROWS, .row_bytes = PADDED_COLUMNS * 4,
     .top = 1, .bottom = 1, .left_bytes = 4, .right_bytes = 4},
};

static const separable_tensor inputs[] = {
    {.name = "x", .dtype = "float32", .rank = 4, .dims = {1, 2, 6, 8}, .bytes = 384},
};
static const separable_tensor outputs[] = {
    {.name = "y", .dtype = "float32", .rank = 4, .dims = {1, 2, 6, 8}, .bytes = 384},
};

static const separable_variant variants[] = {
#ifdef BLUR_PREFERRED_ISA
    {.name = "a better CPU", .steps = steps, .halos = halos, .step_count = sizeof steps / sizeof steps[0] - 1,
     .arena_bytes = ARENA_BYTES, .scratch_bytes = PADDED_COLUMNS * sizeof(float), .isa = BLUR_PREFERRED_ISA},
#endif
    {.name = "a test CPU", .steps = steps, .halos = halos, .step_count = sizeof steps / sizeof steps[0],
     .arena_bytes = ARENA_BYTES, .scratch_bytes = PADDED_COLUMNS * sizeof(float), .isa = BLUR_ISA},
};

static const separable_model model = {
    .name = "blur",
    .target = "a test CPU",
    .description = "{\"name\": \"blur\", \"target\": \"a test CPU\", \"isa\": [], \"arena_bytes\": 1408,"
                   " \"inputs\": [{\"name\": \"x\", \"dtype\": \"float32\", \"shape\": [1, 2, 6, 8]}],"
                   " \"outputs\": [{\"name\": \"y\", \"dtype\": \"float32\", \"shape\": [1, 2, 6, 8]}]}",
    .weights = (const unsigned char *)weights,
    .variants = variants,
    .inputs = inputs,
    .outputs = outputs,
    .variant_count = sizeof variants / sizeof variants[0],
    .input_count = 1,
    .output_count = 1,
};

SEPARABLE_EXPORT int32_t blur_create(const separable_options *options, separable_handle **handle)
{
    return separable_create(&model, options, handle);
}

SEPARABLE_EXPORT int32_t blur_run(separable_handle *handle, const void *const in[], void *const out[])
{
    return separable_run(handle, in, out);
}

SEPARABLE_EXPORT int32_t blur_profile(separable_handle *handle, const void *const in[], void *const out[],
                                      separable_kernel_time times[], int32_t capacity)
{
    return separable_profile(handle, in, out, times, capacity);
}

SEPARABLE_EXPORT void blur_destroy(separable_handle *handle)
{
    separable_destroy(handle);
}

SEPARABLE_EXPORT const char *blur_last_error(const separable_handle *handle)
{
    return separable_last_error(handle);
}

SEPARABLE_EXPORT const char *blur_variant(const separable_handle *handle)
{
    return separable_variant_of(handle);
}

SEPARABLE_EXPORT const char *blur_describe(void)
{
    return model.description;
}

SEPARABLE_EXPORT int32_t blur_abi_version(void)
{
    return BLUR_ABI_VERSION;
}

/* A handle: the memory and threads of one instance of a model, and the loop over its steps. */
#define _GNU_SOURCE /* cpu_set_t; posix_memalign, clock_gettime */

#include "model.h"

#include "clock.h"
#include "cores.h"
#include "halo.h"
#include "isa.h"
#include "threads.h"
#include "variant.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct separable_handle {
    const separable_model *model;
    const separable_variant *variant; /* what runs of it */
    unsigned char *arena;
    unsigned char *scratch; /* of all threads, scratch_stride bytes each */
    size_t scratch_stride;
    separable_pool *pool;
    pthread_mutex_t running; /* held by the run under way; guards the arena, the scratch and the error */
    int32_t status;          /* of create: a handle that could not be created refuses to run */
    char error[512];
};

/* What the threads need for one step. */
typedef struct step_context {
    const separable_handle *handle;
    const separable_frame *frame;
    const separable_step *step;
} step_context;

__attribute__((format(printf, 3, 4)))
static int32_t fail(separable_handle *handle, int32_t status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(handle->error, sizeof handle->error, format, arguments);
    va_end(arguments);
    return status;
}

/* Reads what the caller's version of the options holds; fields it does not know keep their default, 0. */
static int32_t read_options(separable_handle *handle, const separable_options *given, separable_options *options)
{
    /* The sizes of earlier versions; any other that is smaller than ours could end inside of a field. */
    const size_t first = offsetof(separable_options, cores), second = offsetof(separable_options, variant);
    memset(options, 0, sizeof *options);
    if (!given)
        return SEPARABLE_OK;
    if (given->struct_size != first && given->struct_size != second && given->struct_size < sizeof *options)
        return fail(handle, SEPARABLE_INVALID_ARGUMENT, "options.struct_size is %" PRIu32 ", no version's size, expected"
                    " sizeof(separable_options)", given->struct_size);
    for (size_t i = sizeof *options; i < given->struct_size; ++i) {
        if (((const unsigned char *)given)[i] != 0)
            return fail(handle, SEPARABLE_INVALID_ARGUMENT,
                        "options set a field that this library (ABI version %d) does not know", SEPARABLE_ABI_VERSION);
    }
    memcpy(options, given, given->struct_size < sizeof *options ? given->struct_size : sizeof *options);
    if (options->threads < 0)
        return fail(handle, SEPARABLE_INVALID_ARGUMENT, "options.threads is %" PRId32 ", expected 0 or more",
                    options->threads);
    return SEPARABLE_OK;
}

/* Memory that nobody touches before the first run, so that the system need not find pages for it at create. */
static int32_t allocate(separable_handle *handle, const char *what, uint64_t bytes, unsigned char **result)
{
    void *memory;
    /* More than a 32-bit process can have must not wrap to a small number. */
    if (bytes > PTRDIFF_MAX ||
        posix_memalign(&memory, SEPARABLE_ALIGNMENT, bytes ? (size_t)bytes : SEPARABLE_ALIGNMENT) != 0)
        return fail(handle, SEPARABLE_OUT_OF_MEMORY, "%s: no memory for the %s of %" PRIu64 " bytes",
                    handle->model->name, what, bytes);
    *result = memory;
    return SEPARABLE_OK;
}

static int32_t start_threads(separable_handle *handle, int32_t threads, const cpu_set_t *cpus)
{
    const int32_t status = separable_pool_create(threads, cpus, &handle->pool);
    if (status == SEPARABLE_OUT_OF_MEMORY)
        return fail(handle, status, "%s: no memory for a pool of %" PRId32 " threads", handle->model->name, threads);
    if (status != SEPARABLE_OK)
        return fail(handle, status, "%s: the system refused to start %" PRId32 " threads; set options.threads lower",
                    handle->model->name, threads);
    return SEPARABLE_OK;
}

static int32_t initialise(separable_handle *handle, const separable_options *given)
{
    const separable_model *model = handle->model;
    separable_options options;
    cpu_set_t cpus;
    separable_allowed_cpus(&cpus);
    int32_t status = read_options(handle, given, &options);
    if (status == SEPARABLE_OK)
        status = separable_choose_cpus("/sys", &options, &cpus, handle->error, sizeof handle->error);
    if (status == SEPARABLE_OK)
        handle->variant = separable_choose_variant(model, options.variant, separable_isa_available(), "/sys", &cpus,
                                                   &status, handle->error, sizeof handle->error);
    if (status != SEPARABLE_OK)
        return status;

    const int32_t wanted = options.threads ? options.threads : model->default_threads;
    const int32_t threads = wanted && wanted < CPU_COUNT(&cpus) ? wanted : CPU_COUNT(&cpus);
    const size_t units = ((size_t)handle->variant->scratch_bytes + SEPARABLE_ALIGNMENT - 1) / SEPARABLE_ALIGNMENT;
    handle->scratch_stride = units * SEPARABLE_ALIGNMENT;
    status = allocate(handle, "arena", (uint64_t)handle->variant->arena_bytes, &handle->arena);
    if (status == SEPARABLE_OK)
        status = allocate(handle, "scratch", (uint64_t)handle->scratch_stride * (uint64_t)threads, &handle->scratch);
    if (status == SEPARABLE_OK)
        status = start_threads(handle, threads, &cpus);
    return status;
}

int32_t separable_create(const separable_model *model, const separable_options *options, separable_handle **result)
{
    if (!result)
        return SEPARABLE_INVALID_ARGUMENT;
    separable_handle *handle = *result = calloc(1, sizeof *handle);
    if (!handle)
        return SEPARABLE_OUT_OF_MEMORY;
    handle->model = model;
    pthread_mutex_init(&handle->running, NULL);
    handle->status = initialise(handle, options);
    return handle->status;
}

void separable_destroy(separable_handle *handle)
{
    if (!handle)
        return;
    separable_pool_destroy(handle->pool);
    free(handle->scratch);
    free(handle->arena);
    pthread_mutex_destroy(&handle->running);
    free(handle);
}

/* A separable_task: items [begin, end) of a step, and the same fraction of the blocks of each of its halos. */
static void run_items(void *argument, int32_t worker, int32_t begin, int32_t end)
{
    const step_context *context = argument;
    const separable_handle *handle = context->handle;
    const separable_step *step = context->step;
    for (int32_t i = step->zero.first; i < step->zero.first + step->zero.count; ++i) {
        const separable_halo *halo = &handle->variant->halos[i];
        separable_zero_halo(context->frame->arena, halo, (int32_t)((int64_t)halo->blocks * begin / step->extent),
                            (int32_t)((int64_t)halo->blocks * end / step->extent));
    }
    step->run(context->frame, handle->scratch + handle->scratch_stride * (size_t)worker, begin, end);
}

static void run_step(const separable_handle *handle, const separable_frame *frame, const separable_step *step)
{
    step_context context = {handle, frame, step};
    separable_pool_run(handle->pool, run_items, &context, step->extent, step->threads);
}

static int32_t check_buffer(separable_handle *handle, const char *array, int32_t index, const void *buffer,
                            const separable_tensor *tensor)
{
    if (buffer)
        return SEPARABLE_OK;
    return fail(handle, SEPARABLE_INVALID_ARGUMENT, "%s: %s[%" PRId32 "] is NULL, expected %" PRId64 " bytes for '%s'",
                handle->model->name, array, index, tensor->bytes, tensor->name);
}

static int32_t check_run(separable_handle *handle, const void *const inputs[], void *const outputs[])
{
    const separable_model *model = handle->model;
    int32_t status = handle->status; /* if create failed, its error still stands */
    for (int32_t i = 0; status == SEPARABLE_OK && i < model->input_count; ++i)
        status = check_buffer(handle, "inputs", i, inputs ? inputs[i] : NULL, &model->inputs[i]);
    for (int32_t i = 0; status == SEPARABLE_OK && i < model->output_count; ++i)
        status = check_buffer(handle, "outputs", i, outputs ? outputs[i] : NULL, &model->outputs[i]);
    return status;
}

/* Runs the model and stores the times of the first `capacity` steps. The caller holds handle->running. */
static int32_t run_steps(separable_handle *handle, const void *const inputs[], void *const outputs[],
                         separable_kernel_time times[], int32_t capacity)
{
    const int32_t status = check_run(handle, inputs, outputs);
    if (status != SEPARABLE_OK)
        return status;
    const separable_variant *variant = handle->variant;
    const separable_frame frame = {handle->arena, handle->model->weights, inputs, outputs};
    for (int32_t i = 0; i < variant->step_count; ++i) {
        const separable_step *step = &variant->steps[i];
        const int64_t start = i < capacity ? separable_nanoseconds() : 0;
        run_step(handle, &frame, step);
        if (i < capacity) {
            const int64_t spent = separable_nanoseconds() - start;
            times[i] = (separable_kernel_time){step->name, step->kernel, spent, step->flops, step->bytes};
        }
    }
    return SEPARABLE_OK;
}

int32_t separable_run(separable_handle *handle, const void *const inputs[], void *const outputs[])
{
    if (!handle)
        return SEPARABLE_INVALID_ARGUMENT;
    pthread_mutex_lock(&handle->running);
    const int32_t status = run_steps(handle, inputs, outputs, NULL, 0);
    pthread_mutex_unlock(&handle->running);
    return status;
}

int32_t separable_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
                          separable_kernel_time times[], int32_t capacity)
{
    if (!handle)
        return SEPARABLE_INVALID_ARGUMENT;
    const int32_t step_count = handle->variant ? handle->variant->step_count : handle->status;
    if (capacity == 0)
        return step_count;
    pthread_mutex_lock(&handle->running);
    int32_t status; /* if create failed, its error still stands */
    if (handle->status == SEPARABLE_OK && (capacity < 0 || !times))
        status = fail(handle, SEPARABLE_INVALID_ARGUMENT, "%s: times is NULL or capacity, %" PRId32 ", negative",
                      handle->model->name, capacity);
    else
        status = run_steps(handle, inputs, outputs, times, capacity);
    pthread_mutex_unlock(&handle->running);
    return status == SEPARABLE_OK ? step_count : status;
}

const char *separable_variant_of(const separable_handle *handle)
{
    return handle && handle->variant ? handle->variant->name : "";
}

const char *separable_last_error(const separable_handle *handle)
{
    return handle ? handle->error : "there is no handle: create found no memory for it, or was never called";
}

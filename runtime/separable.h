/*
 * The C interface of a compiled model: the types that every generated NAME.h shares.
 *
 * Each NAME.h repeats this text, so one header and one library are all a program needs; the guard lets the headers of
 * several models meet in one source file. A NAME.h then declares, with the model's name as prefix:
 *
 *   int32_t NAME_create(const separable_options *options, separable_handle **handle);
 *   int32_t NAME_run(separable_handle *handle, const void *const inputs[], void *const outputs[]);
 *   int32_t NAME_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
 *                        separable_kernel_time times[], int32_t capacity);
 *   void NAME_destroy(separable_handle *handle);
 *   const char *NAME_last_error(const separable_handle *handle);
 *   const char *NAME_variant(const separable_handle *handle);
 *   const char *NAME_describe(void);
 *   int32_t NAME_abi_version(void);
 *
 * and the sizes a caller needs for its buffers, in the order of inputs[] and outputs[]:
 *
 *   #define NAME_INPUT_COUNT 1
 *   #define NAME_INPUT_BYTES {602112}
 *   #define NAME_OUTPUT_COUNT 1
 *   #define NAME_OUTPUT_BYTES {4000}
 *
 * create    allocates everything the model ever needs and starts its threads. options may be NULL. When it fails it
 *           still stores a handle, whose last_error tells why and which must be destroyed; only when there is no
 *           memory even for that is *handle NULL.
 * run       reads inputs[], writes outputs[] and allocates nothing. Buffers are dense, row-major, aligned to their
 *           element, and an output overlaps no other buffer. The calling thread computes as one of the model's threads,
 *           wherever it may run; only the others keep to the CPUs chosen. Runs of one handle from several threads take
 *           turns; different handles run at the same time.
 * profile   runs once and stores the time of up to `capacity` kernels in execution order. Returns the number of
 *           kernels of the model, or a negative status. With capacity 0 it runs nothing and only returns the number.
 * destroy   ends the threads and frees everything; NULL is allowed. No call on the handle may be under way.
 *           A forked child has the handle without its threads: run is right there but slow, and destroy frees the child's
 *           copy; but if another thread was inside of a call at the fork, the child must leave the handle alone.
 * last_error  what went wrong in the latest failed call on the handle, "" if nothing did; valid until its next call.
 * variant   the name of the target whose kernels the handle runs, "" if create found none. A library for one CPU has one
 *           variant; one for several takes the first that this CPU has the instructions for, made for cores like those
 *           that the threads run on.
 * describe  the model as JSON text: name, inputs, outputs (name, dtype, shape), target, isa, variants, arena_bytes, ...
 */
#ifndef SEPARABLE_ABI_VERSION
#define SEPARABLE_ABI_VERSION 2

#include <stdint.h>

/* What the int32_t functions return; every failure is negative. */
enum {
    SEPARABLE_OK = 0,
    SEPARABLE_INVALID_ARGUMENT = -1,
    SEPARABLE_OUT_OF_MEMORY = -2,
    SEPARABLE_UNSUPPORTED_CPU = -3, /* this CPU lacks instructions the library was compiled for */
    SEPARABLE_NO_THREADS = -4       /* the system refused to start a thread */
};

/*
 * The CPUs for the threads, of those that the thread calling create may use: all, or the big ones, which are the fast
 * ones where cores differ, as they do in phones, and all where they do not. The default is the big ones.
 */
enum { SEPARABLE_CORES_DEFAULT = 0, SEPARABLE_CORES_ALL = 1, SEPARABLE_CORES_BIG = 2 };

/* A later version may append fields; 0 always means the default. */
typedef struct separable_options {
    uint32_t struct_size; /* sizeof(separable_options) of the caller */
    int32_t threads;      /* 0: the default the model was compiled with; never more than the CPUs chosen */
    int32_t cores;        /* SEPARABLE_CORES_... */
    int32_t cpu_count;    /* length of cpus */
    const int32_t *cpus;  /* if not NULL: the numbers of the CPUs, whatever `cores` says; read by create only */
    const char *variant;  /* if not NULL: the variant to run, by name; read by create only */
} separable_options;

typedef struct separable_handle separable_handle;

/* One kernel of one run. The texts live as long as the library stays loaded. */
typedef struct separable_kernel_time {
    const char *name;    /* the operators of the model it computes */
    const char *kernel;  /* the compiled function */
    int64_t nanoseconds; /* wall-clock time */
    int64_t flops;       /* floating-point operations; a multiply-add counts as two */
    int64_t bytes;       /* bytes of inputs, weights and outputs, each counted once */
} separable_kernel_time;

#endif

/*
 * What a generated model hands to the runtime: constant tables, and one function per step.
 *
 * A model is a straight line of steps, once for each kind of CPU that it has kernels for. A step is a kernel over
 * `extent` independent items; the runtime splits the items among its threads and starts the next step when all of them
 * are done.
 */
#ifndef SEPARABLE_MODEL_H
#define SEPARABLE_MODEL_H

#include "separable.h"

#define SEPARABLE_EXPORT __attribute__((visibility("default")))

enum { SEPARABLE_ALIGNMENT = 64, SEPARABLE_MAX_RANK = 8 };

/* The memory of one run. Arena, weights and scratch are aligned to SEPARABLE_ALIGNMENT. */
typedef struct separable_frame {
    unsigned char *arena;
    const unsigned char *weights;
    const void *const *inputs;
    void *const *outputs;
} separable_frame;

/* Computes the items [begin, end) of a step. `scratch` belongs to the calling thread; its content is undefined. */
typedef void separable_step_function(const separable_frame *frame, void *scratch, int32_t begin, int32_t end);

/*
 * The border of an activation [blocks][rows][row_bytes] at `offset` of the arena, rows and row_bytes counting the
 * border. The step that writes the activation writes its interior only, and the runtime zeroes the border meanwhile.
 *
 *     +------------- row_bytes -------------+
 *     | 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 |  top rows
 *     | 0 0 |         interior        | 0 0 |
 *     | 0 0 |                         | 0 0 |  left_bytes, right_bytes
 *     | 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 |  bottom rows
 *     +-------------------------------------+
 */
typedef struct separable_halo {
    int64_t offset;
    int32_t blocks;
    int32_t rows;
    int32_t row_bytes;
    int32_t top;
    int32_t bottom;
    int32_t left_bytes;
    int32_t right_bytes;
} separable_halo;

/* The entries [first, first + count) of the variant's halos. */
typedef struct separable_halo_range {
    int32_t first;
    int32_t count;
} separable_halo_range;

typedef struct separable_step {
    const char *name;   /* the operators of the model it computes */
    const char *kernel; /* the compiled function */
    separable_step_function *run;
    int32_t extent;  /* number of independent items, at least 1 */
    int32_t threads; /* how many it is worth to wake for it; 1: the caller alone does it, 0: any number */
    separable_halo_range zero;
    int64_t flops;
    int64_t bytes;
} separable_step;

/* The steps of the model in kernels for one kind of CPU, and the memory they need. */
typedef struct separable_variant {
    const char *name;  /* of the target, as the user of the compiler types it */
    uint64_t isa;      /* what the kernels need: a mask of the bits in isa_bits.h */
    int32_t in_order;  /* whether they are made for cores that start instructions in program order */
    const separable_step *steps;
    const separable_halo *halos;
    int32_t step_count;
    int64_t arena_bytes;
    int64_t scratch_bytes; /* of one thread */
} separable_variant;

typedef struct separable_tensor {
    const char *name;
    const char *dtype; /* numpy's name: "float32", ... */
    int32_t rank;
    int64_t dims[SEPARABLE_MAX_RANK];
    int64_t bytes;
} separable_tensor;

typedef struct separable_model {
    const char *name;
    const char *target;      /* the target's name, for messages */
    const char *description; /* JSON text */
    const unsigned char *weights;
    const separable_variant *variants; /* the preferred one first */
    const separable_tensor *inputs;
    const separable_tensor *outputs;
    int32_t variant_count;
    int32_t input_count;
    int32_t output_count;
    int32_t default_threads; /* 0: as many as the CPUs it may use */
} separable_model;

/* The bodies of the NAME_* functions; see separable.h. */
int32_t separable_create(const separable_model *model, const separable_options *options, separable_handle **handle);
int32_t separable_run(separable_handle *handle, const void *const inputs[], void *const outputs[]);
int32_t separable_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
                          separable_kernel_time times[], int32_t capacity);
void separable_destroy(separable_handle *handle);
const char *separable_last_error(const separable_handle *handle);
const char *separable_variant_of(const separable_handle *handle);

#endif

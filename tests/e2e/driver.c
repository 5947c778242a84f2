/*
 * Runs any compiled model from C: driver LIBRARY NAME THREADS[:VARIANT] IMAGES INPUT... -- OUTPUT=BYTES...
 *
 * Inputs and outputs are files of raw bytes. An input file that holds several images is run image by image. Whatever
 * touches memory beyond its buffers, reads what was never written, or allocates during a run makes this program fail.
 * It prints the name of the variant that ran.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "separable.h"
#include "strict_memory.h"

enum { MAX_TENSORS = 8 };

typedef int32_t create_function(const separable_options *, separable_handle **);
typedef int32_t run_function(separable_handle *, const void *const[], void *const[]);
typedef void destroy_function(separable_handle *);
typedef const char *text_function(const separable_handle *);

static void *symbol(void *library, const char *name, const char *function)
{
    char full[512];
    snprintf(full, sizeof full, "%s_%s", name, function);
    void *address = dlsym(library, full);
    if (!address) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return address;
}

static unsigned char *read_file(const char *path, long *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) || (*size = ftell(file)) < 0) {
        perror(path);
        exit(1);
    }
    rewind(file);
    unsigned char *data = malloc((size_t)*size + 1);
    if (!data || fread(data, 1, (size_t)*size, file) != (size_t)*size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: driver LIBRARY NAME THREADS[:VARIANT] IMAGES INPUT... -- OUTPUT=BYTES...\n");
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    create_function *create = (create_function *)symbol(library, argv[2], "create");
    run_function *run = (run_function *)symbol(library, argv[2], "run");
    destroy_function *destroy = (destroy_function *)symbol(library, argv[2], "destroy");
    text_function *last_error = (text_function *)symbol(library, argv[2], "last_error");
    text_function *variant = (text_function *)symbol(library, argv[2], "variant");

    const unsigned char *inputs[MAX_TENSORS];
    long input_bytes[MAX_TENSORS], output_bytes[MAX_TENSORS];
    unsigned char *outputs[MAX_TENSORS];
    FILE *files[MAX_TENSORS];
    int input_count = 0, output_count = 0, next = 5;
    long images = strtol(argv[4], NULL, 10);
    for (; next < argc && strcmp(argv[next], "--") != 0; next++, input_count++) {
        inputs[input_count] = read_file(argv[next], &input_bytes[input_count]);
        input_bytes[input_count] /= images;
    }
    for (next++; next < argc; next++, output_count++) {
        char *bytes = strrchr(argv[next], '=');
        *bytes = 0;
        output_bytes[output_count] = strtol(bytes + 1, NULL, 10);
        outputs[output_count] = strict_alloc((size_t)output_bytes[output_count], sizeof(float));
        files[output_count] = fopen(argv[next], "wb");
    }

    char *wanted;
    separable_options options = {.struct_size = sizeof options, .threads = (int32_t)strtol(argv[3], &wanted, 10)};
    options.variant = *wanted == ':' ? wanted + 1 : NULL;
    separable_handle *handle = NULL;
    if (create(&options, &handle) != SEPARABLE_OK) {
        fprintf(stderr, "create: %s\n", last_error(handle));
        destroy(handle);
        return 3;
    }
    puts(variant(handle));
    fflush(stdout);
    for (long image = 0; image < images; image++) {
        void *in[MAX_TENSORS];
        for (int i = 0; i < input_count; i++) {
            in[i] = strict_alloc((size_t)input_bytes[i], sizeof(float));
            memcpy(in[i], inputs[i] + image * input_bytes[i], (size_t)input_bytes[i]);
            strict_protect(in[i]);
        }
        const long allocations = strict_allocations();
        if (run(handle, (const void *const *)in, (void *const *)outputs) != SEPARABLE_OK) {
            fprintf(stderr, "run: %s\n", last_error(handle));
            return 4;
        }
        if (strict_allocations() != allocations) {
            fprintf(stderr, "run allocated memory\n");
            return 5;
        }
        for (int i = 0; i < input_count; i++)
            free(in[i]);
        for (int i = 0; i < output_count; i++)
            fwrite(outputs[i], 1, (size_t)output_bytes[i], files[i]);
    }
    destroy(handle);
    for (int i = 0; i < output_count; i++)
        fclose(files[i]);
    return 0;
}

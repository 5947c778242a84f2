/* Two models linked into one program: runs each on the bytes of a file and writes both outputs to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "small.h"
#include "tiny.h"

static void *read_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    void *data = malloc(size);
    if (!file || !data || fread(data, 1, size, file) != size)
        exit(2);
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    static const int tiny_in[] = tiny_INPUT_BYTES, tiny_out[] = tiny_OUTPUT_BYTES;
    static const int small_in[] = small_INPUT_BYTES, small_out[] = small_OUTPUT_BYTES;
    if (argc != 3 || tiny_abi_version() != SEPARABLE_ABI_VERSION || small_abi_version() != SEPARABLE_ABI_VERSION)
        return 2;
    const void *tiny_inputs[tiny_INPUT_COUNT] = {read_file(argv[1], (size_t)tiny_in[0])};
    const void *small_inputs[small_INPUT_COUNT] = {read_file(argv[2], (size_t)small_in[0])};
    void *tiny_outputs[tiny_OUTPUT_COUNT] = {malloc((size_t)tiny_out[0])};
    void *small_outputs[small_OUTPUT_COUNT] = {malloc((size_t)small_out[0])};

    separable_handle *tiny, *small;
    if (tiny_create(NULL, &tiny) != SEPARABLE_OK || small_create(NULL, &small) != SEPARABLE_OK)
        return 3;
    if (tiny_run(tiny, tiny_inputs, tiny_outputs) != SEPARABLE_OK
        || small_run(small, small_inputs, small_outputs) != SEPARABLE_OK)
        return 4;
    tiny_destroy(tiny);
    small_destroy(small);
    fwrite(tiny_outputs[0], 1, (size_t)tiny_out[0], stdout);
    fwrite(small_outputs[0], 1, (size_t)small_out[0], stdout);
    return 0;
}

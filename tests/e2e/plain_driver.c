/*
 * Runs a compiled model that it is linked with, on any C library: plain_driver THREADS INPUT OUTPUT, files of floats.
 * Compiled with -DMODEL=name and -DMODEL_HEADER="name.h".
 */
#include MODEL_HEADER

#include <stdio.h>
#include <stdlib.h>

#define JOIN_AGAIN(model, name) model##_##name
#define JOIN(model, name) JOIN_AGAIN(model, name)
#define API(name) JOIN(MODEL, name)

int main(int count, char **words)
{
    static const size_t input_bytes[] = API(INPUT_BYTES), output_bytes[] = API(OUTPUT_BYTES);
    void *input = malloc(input_bytes[0]), *output = malloc(output_bytes[0]);
    if (count != 4 || !input || !output)
        return 2;
    FILE *file = fopen(words[2], "rb");
    if (!file || fread(input, 1, input_bytes[0], file) != input_bytes[0] || fclose(file))
        return 3;
    separable_options options = {.struct_size = sizeof options, .threads = atoi(words[1])};
    separable_handle *handle = NULL;
    const void *inputs[] = {input};
    void *outputs[] = {output};
    if (API(create)(&options, &handle) != SEPARABLE_OK || API(run)(handle, inputs, outputs) != SEPARABLE_OK) {
        fprintf(stderr, "%s\n", API(last_error)(handle));
        return 4;
    }
    API(destroy)(handle);
    file = fopen(words[3], "wb");
    if (!file || fwrite(output, 1, output_bytes[0], file) != output_bytes[0] || fclose(file))
        return 5;
    free(input);
    free(output);
    return 0;
}

/*
 * Classifies one picture in the shell of a phone: classify PICTURE [THREADS], no Java.
 *
 * PICTURE holds the network's input as raw float32, for a MobileNet [1, 3, 224, 224], normalised already. Prints the
 * time of one run in milliseconds and the five largest numbers of the first output.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include MODEL_HEADER

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define JOIN_AGAIN(model, name) model##_##name
#define JOIN(model, name) JOIN_AGAIN(model, name)
#define API(name) JOIN(MODEL, name)

enum { SHOWN = 5, OUTPUTS = API(OUTPUT_COUNT) };
_Static_assert(API(INPUT_COUNT) == 1, "the example feeds networks with one input");
static const size_t input_bytes[] = API(INPUT_BYTES);
static const size_t output_bytes[] = API(OUTPUT_BYTES);

static int read_picture(const char *path, void *picture)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 0;
    }
    const size_t got = fread(picture, 1, input_bytes[0], file);
    const int longer = fgetc(file) != EOF;
    fclose(file);
    if (got != input_bytes[0] || longer)
        fprintf(stderr, "%s holds %s than the %zu bytes of the input\n", path, longer ? "more" : "less", input_bytes[0]);
    return got == input_bytes[0] && !longer;
}

static double milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static void print_largest(float *values, size_t count)
{
    for (int shown = 0; shown < SHOWN && (size_t)shown < count; ++shown) {
        size_t best = 0;
        for (size_t i = 1; i < count; ++i)
            best = values[i] > values[best] ? i : best;
        printf("%5zu  %g\n", best, values[best]);
        values[best] = -3.4e38f;
    }
}

static int classify(const char *path, separable_handle *model)
{
    void *picture = malloc(input_bytes[0]), *outputs[OUTPUTS];
    int ready = picture != NULL;
    for (int i = 0; i < OUTPUTS; ++i)
        ready &= (outputs[i] = malloc(output_bytes[i])) != NULL;
    int32_t status = SEPARABLE_OUT_OF_MEMORY;
    if (ready && read_picture(path, picture)) {
        const void *inputs[] = {picture};
        status = API(run)(model, inputs, outputs); /* the first run brings pages and clocks up */
        const double start = milliseconds();
        if (status == SEPARABLE_OK)
            status = API(run)(model, inputs, outputs);
        if (status == SEPARABLE_OK) {
            printf("%.2f ms\n", milliseconds() - start);
            print_largest(outputs[0], output_bytes[0] / sizeof(float));
        } else {
            fprintf(stderr, "%s\n", API(last_error)(model));
        }
    }
    free(picture);
    for (int i = 0; i < OUTPUTS; ++i)
        free(outputs[i]);
    return status == SEPARABLE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int count, char **words)
{
    if (count < 2) {
        fprintf(stderr, "usage: classify PICTURE [THREADS]\n");
        return 2;
    }
    separable_options options = {.struct_size = sizeof options, .threads = count > 2 ? atoi(words[2]) : 0};
    separable_handle *model = NULL;
    int result = EXIT_FAILURE;
    if (API(create)(&options, &model) == SEPARABLE_OK)
        result = classify(words[1], model);
    else
        fprintf(stderr, "%s\n", API(last_error)(model));
    API(destroy)(model);
    return result;
}

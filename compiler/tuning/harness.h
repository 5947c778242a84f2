/* What the measuring programs share: files, the clock's frequency, CPUs, and the one line of JSON they print. */
#ifndef SEPARABLE_HARNESS_H
#define SEPARABLE_HARNESS_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

enum { HARNESS_MAX_SAMPLES = 1000, HARNESS_USAGE = 64, HARNESS_NO_FILE = 66, HARNESS_NO_MEMORY = 71 };

/* Prints a message and ends the program. */
_Noreturn void harness_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory aligned to 64 bytes and filled with 0xff, which is NaN. */
void *harness_allocate(size_t bytes);

/* The content of a file in memory with `slack` bytes behind it; stores the file's size if `bytes` is not NULL. */
void *harness_load(const char *path, size_t slack, size_t *bytes);

/* A number from an argument, at least 0. */
int64_t harness_number(const char *text);

/* The CPUs of a list such as "0,2-3", to which the calling thread is pinned; all it may use if the text is empty. */
void harness_pin(const char *list, cpu_set_t *cpus);

/* Kilohertz that the system reports for the first of these CPUs; 0 if it reports none. */
int64_t harness_frequency(const cpu_set_t *cpus);

void harness_sleep(int64_t milliseconds);

/*
 * The largest difference of two float arrays, divided by the largest magnitude of the expected ones. Elements whose
 * expectation is NaN are not compared; infinite if a compared one is NaN.
 */
double harness_error(const float *actual, const float *expected, size_t count);

/* Prints "name": [samples], */
void harness_print_samples(const char *name, const int64_t *samples, int count);

/* Prints the line's end: the error, the clock before and after, null if it is unknown, and the CPU. */
void harness_print_end(double error, int64_t before, int64_t after);

#endif

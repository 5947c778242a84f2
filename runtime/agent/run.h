/* Running an uploaded program under limits. */
#ifndef SEPARABLE_AGENT_RUN_H
#define SEPARABLE_AGENT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "json.h"

typedef struct run_limits {
    double wall_s;         /* killed after this time */
    uint64_t memory_bytes; /* address space */
    uint64_t file_bytes;   /* of each file it writes */
} run_limits;

/* A program in the working directory, to be run in a folder of its own there. */
typedef struct run_request {
    const char *program;         /* file name, checked */
    const agent_json *arguments; /* list of strings */
    const agent_json *files;     /* name for the program -> name in the working directory; may be NULL */
    run_limits limits;
    char *const *runner; /* command before the program, ended by NULL; for emulators */
    int client;          /* socket: when the other side hangs up, the program is killed; -1: none */
} run_request;

/*
 * Appends what came of it as JSON: returncode (negative: the signal), timed_out, wall_s, max_rss_bytes, stdout,
 * stdout_truncated, stderr. Returns NULL, or why it did not start, in `error`.
 */
const char *run_program(const run_request *request, agent_buffer *json, char *error, size_t size);

#endif

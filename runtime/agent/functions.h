/* The functions that clients call by name. */
#ifndef SEPARABLE_AGENT_FUNCTIONS_H
#define SEPARABLE_AGENT_FUNCTIONS_H

#include "buffer.h"
#include "wire.h"

/* What functions know of the session they are called in. */
typedef struct function_context {
    int client;          /* its socket; -1: none */
    char *const *runner; /* command before each program, ended by NULL; for emulators */
} function_context;

/* Answers with exactly one packet, a return or an exception. */
typedef void agent_function(const function_context *context, const wire_value *values, int count, agent_buffer *reply);

/* The handle of a function, 0 if there is none of this name. */
uint64_t functions_find(const char *name, size_t size);

/* The function of a handle, NULL if there is none. */
agent_function *functions_get(uint64_t handle);

#endif

/* Reading the little JSON that the host sends: lists of strings, objects of strings or numbers, nothing nested. */
#ifndef SEPARABLE_AGENT_JSON_H
#define SEPARABLE_AGENT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

enum { JSON_MAX_ITEMS = 256 };

/* Strings and what they mean, all in one piece of memory that json_free releases. */
typedef struct agent_json {
    agent_buffer text;             /* every string, each ended by a zero */
    size_t keys[JSON_MAX_ITEMS];   /* where in the text; of objects */
    size_t values[JSON_MAX_ITEMS]; /* where in the text; of strings */
    double numbers[JSON_MAX_ITEMS];
    size_t count;
} agent_json;

/* Each returns false if the text is anything else; json_free is due in either case. */
bool json_string_list(agent_json *json, const char *text, size_t size);
bool json_string_object(agent_json *json, const char *text, size_t size);
bool json_number_object(agent_json *json, const char *text, size_t size);

const char *json_key(const agent_json *json, size_t index);
const char *json_value(const agent_json *json, size_t index);

void json_free(agent_json *json);

#endif

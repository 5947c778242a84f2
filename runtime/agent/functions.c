#include "functions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "describe.h"
#include "files.h"
#include "json.h"
#include "run.h"

/* Whether the values have these types, one character each: 's' string, 'b' bytes or string. Else answers so. */
static bool check(const char *types, const wire_value *values, int count, agent_buffer *reply)
{
    bool right = (size_t)count == strlen(types);
    for (int i = 0; right && i < count; ++i)
        right = values[i].type == WIRE_STRING || (types[i] == 'b' && values[i].type == WIRE_BYTES);
    if (!right)
        wire_exception(reply, "wrong number or types of arguments");
    return right;
}

/* Copies a checked file name. Else answers that it is none. */
static bool take_name(const wire_value *value, char name[FILES_MAX_NAME + 1], agent_buffer *reply)
{
    const bool right = files_name(value->bytes, value->size, name);
    if (!right)
        wire_exception(reply, "a file name is 1 to 128 of the characters A-Z a-z 0-9 . _ - and begins with no dot");
    return right;
}

static void answer_error(agent_buffer *reply, const char *what, const char *name, int error)
{
    char message[FILES_MAX_NAME + 200];
    snprintf(message, sizeof message, "cannot %s %s: %s", what, name, strerror(error));
    wire_exception(reply, message);
}

static void store(const wire_value *values, int count, bool append, agent_buffer *reply)
{
    char name[FILES_MAX_NAME + 1];
    if (!check("sb", values, count, reply) || !take_name(&values[0], name, reply))
        return;
    const int error = files_write(name, values[1].bytes, values[1].size, append);
    if (error != 0)
        answer_error(reply, append ? "append to" : "write", name, error);
    else
        wire_return_none(reply, true);
}

static void upload(const function_context *context, const wire_value *values, int count, agent_buffer *reply)
{
    (void)context;
    store(values, count, false, reply);
}

static void append(const function_context *context, const wire_value *values, int count, agent_buffer *reply)
{
    (void)context;
    store(values, count, true, reply);
}

static void download(const function_context *context, const wire_value *values, int count, agent_buffer *reply)
{
    (void)context;
    char name[FILES_MAX_NAME + 1];
    agent_buffer content = {0};
    if (!check("s", values, count, reply) || !take_name(&values[0], name, reply))
        return;
    const int error = files_read(name, WIRE_MAX_PACKET - 64, &content);
    if (error != 0)
        answer_error(reply, "read", name, error);
    else
        wire_return_bytes(reply, content.data, content.size);
    buffer_free(&content);
}

static void discard(const function_context *context, const wire_value *values, int count, agent_buffer *reply)
{
    (void)context;
    char name[FILES_MAX_NAME + 1];
    if (!check("s", values, count, reply) || !take_name(&values[0], name, reply))
        return;
    if (unlink(name) != 0)
        answer_error(reply, "remove", name, errno);
    else
        wire_return_none(reply, true);
}

static void describe(const function_context *context, const wire_value *values, int count, agent_buffer *reply)
{
    (void)context;
    agent_buffer json = {0};
    if (!check("", values, count, reply))
        return;
    describe_device(&json);
    if (json.failed)
        wire_exception(reply, "out of memory");
    else
        wire_return_string(reply, json.data, json.size);
    buffer_free(&json);
}

/* Limits in [low, high]; every one must be given. */
static bool read_limits(const wire_value *value, run_limits *limits)
{
    static const struct {
        const char *name;
        double low, high;
    } known[] = {{"wall_s", 0.001, 86400}, {"memory_bytes", 1 << 20, 1e15}, {"file_bytes", 0, 1e15}};
    double found[3] = {-1, -1, -1};
    agent_json json;
    bool right = json_number_object(&json, value->bytes, value->size) && json.count == 3;
    for (size_t i = 0; right && i < json.count; ++i) {
        for (int j = 0; j < 3; ++j) {
            if (strcmp(json_key(&json, i), known[j].name) == 0 && json.numbers[i] >= known[j].low &&
                json.numbers[i] <= known[j].high)
                found[j] = json.numbers[i];
        }
    }
    json_free(&json);
    for (int j = 0; j < 3; ++j)
        right &= found[j] >= 0;
    if (right)
        *limits = (run_limits){found[0], (uint64_t)found[1], (uint64_t)found[2]};
    return right;
}

static void run_checked(run_request *request, agent_buffer *reply)
{
    char error[FILES_MAX_NAME + 200];
    agent_buffer json = {0};
    const char *problem = run_program(request, &json, error, sizeof error);
    if (!problem && json.failed)
        problem = "out of memory";
    if (problem)
        wire_exception(reply, problem);
    else
        wire_return_string(reply, json.data, json.size);
    buffer_free(&json);
}

/* (program, JSON list of arguments, JSON object of files: name for the program -> uploaded name, JSON object of limits) */
static void run(const function_context *context, const wire_value *values, int count, agent_buffer *reply)
{
    char name[FILES_MAX_NAME + 1];
    run_request request = {.program = name, .runner = context->runner, .client = context->client};
    agent_json arguments, files;
    if (!check("ssss", values, count, reply) || !take_name(&values[0], name, reply))
        return;
    const bool right_arguments = json_string_list(&arguments, values[1].bytes, values[1].size);
    const bool right_files = json_string_object(&files, values[2].bytes, values[2].size);
    request.arguments = &arguments;
    request.files = &files;
    if (!right_arguments)
        wire_exception(reply, "the arguments are no JSON list of at most 256 strings");
    else if (!right_files)
        wire_exception(reply, "the files are no JSON object of at most 256 strings");
    else if (!read_limits(&values[3], &request.limits))
        wire_exception(reply, "the limits are no JSON object of wall_s, memory_bytes and file_bytes in their ranges");
    else
        run_checked(&request, reply);
    json_free(&arguments);
    json_free(&files);
}

static const struct {
    const char *name;
    agent_function *function;
} functions[] = {
    {"tvm.rpc.server.upload", upload},     {"tvm.rpc.server.download", download},
    {"tvm.rpc.server.remove", discard},    {"separable.append", append},
    {"separable.describe", describe},      {"separable.run", run},
};
enum { FUNCTION_COUNT = sizeof functions / sizeof functions[0] };

uint64_t functions_find(const char *name, size_t size)
{
    for (uint64_t i = 0; i < FUNCTION_COUNT; ++i) {
        if (strlen(functions[i].name) == size && memcmp(functions[i].name, name, size) == 0)
            return i + 1;
    }
    return 0;
}

agent_function *functions_get(uint64_t handle)
{
    return handle >= 1 && handle <= FUNCTION_COUNT ? functions[handle - 1].function : NULL;
}

#include "wire.h"

#include <string.h>

const char *wire_bytes(wire_reader *in, uint64_t size)
{
    if (in->failed || size > (uint64_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    const char *bytes = (const char *)in->at;
    in->at += size;
    return bytes;
}

static uint64_t read_number(wire_reader *in, unsigned size)
{
    const unsigned char *bytes = (const unsigned char *)wire_bytes(in, size);
    uint64_t value = 0;
    for (unsigned i = 0; bytes && i < size; ++i)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

uint32_t wire_u32(wire_reader *in)
{
    return (uint32_t)read_number(in, 4);
}

uint64_t wire_u64(wire_reader *in)
{
    return read_number(in, 8);
}

static bool read_sized(wire_reader *in, wire_value *value, wire_type type)
{
    const uint64_t size = wire_u64(in);
    value->type = type;
    value->bytes = wire_bytes(in, size);
    value->size = value->bytes ? (size_t)size : 0;
    return value->bytes != NULL;
}

static bool read_value(wire_reader *in, wire_value *value)
{
    *value = (wire_value){.type = (wire_type)wire_u32(in)};
    switch (value->type) {
    case WIRE_NONE:
        return true;
    case WIRE_INT:
    case WIRE_BOOL:
    case WIRE_FLOAT:
    case WIRE_POINTER:
        value->number = wire_u64(in);
        return true;
    case WIRE_RAW_STRING:
        return read_sized(in, value, WIRE_STRING);
    case WIRE_BYTE_ARRAY:
        return read_sized(in, value, WIRE_BYTES);
    case WIRE_SMALL_STRING:
    case WIRE_SMALL_BYTES:
    case WIRE_STRING:
    case WIRE_BYTES: { /* objects say their type once more */
        const uint32_t type = wire_u32(in);
        return (type == WIRE_STRING || type == WIRE_BYTES) && read_sized(in, value, (wire_type)type);
    }
    default:
        return false;
    }
}

const char *wire_values(wire_reader *in, wire_value values[WIRE_MAX_VALUES], int *count)
{
    const uint32_t claimed = wire_u32(in);
    *count = 0;
    if (in->failed || claimed > WIRE_MAX_VALUES)
        return "malformed packet: too many values, or none";
    for (uint32_t i = 0; i < claimed; ++i) {
        if (!read_value(in, &values[i]) && !in->failed)
            return "the agent takes numbers, strings and bytes only";
    }
    if (in->failed || in->at != in->end)
        return "malformed packet: its values do not fill it";
    *count = (int)claimed;
    return NULL;
}

static void put_number(agent_buffer *out, uint64_t value, unsigned size)
{
    unsigned char bytes[8];
    for (unsigned i = 0; i < size; ++i)
        bytes[i] = (unsigned char)(value >> 8 * i);
    buffer_append(out, bytes, size);
}

void wire_put_u32(agent_buffer *out, uint32_t value)
{
    put_number(out, value, 4);
}

void wire_put_u64(agent_buffer *out, uint64_t value)
{
    put_number(out, value, 8);
}

static void put_header(agent_buffer *out, uint64_t size, wire_code code, uint32_t values)
{
    wire_put_u64(out, 4 + 4 + size); /* the code, the count, the values */
    wire_put_u32(out, (uint32_t)code);
    wire_put_u32(out, values);
}

static void put_int(agent_buffer *out, uint64_t value)
{
    wire_put_u32(out, WIRE_INT);
    wire_put_u64(out, value);
}

static void put_sized(agent_buffer *out, wire_type type, const void *bytes, size_t size)
{
    wire_put_u32(out, (uint32_t)type);
    wire_put_u64(out, size);
    buffer_append(out, bytes, size);
}

void wire_return_none(agent_buffer *out, bool function)
{
    put_header(out, function ? 12 + 4 : 4, WIRE_RETURN, function ? 2 : 1);
    if (function)
        put_int(out, WIRE_NONE);
    wire_put_u32(out, WIRE_NONE);
}

void wire_return_pointer(agent_buffer *out, uint64_t pointer)
{
    put_header(out, 12, WIRE_RETURN, 1);
    wire_put_u32(out, WIRE_POINTER);
    wire_put_u64(out, pointer);
}

void wire_return_string(agent_buffer *out, const void *text, size_t size)
{
    put_header(out, 12 + 12 + (uint64_t)size, WIRE_RETURN, 2);
    put_int(out, WIRE_STRING);
    put_sized(out, WIRE_RAW_STRING, text, size);
}

void wire_return_bytes(agent_buffer *out, const void *bytes, size_t size)
{
    put_header(out, 12 + 12 + (uint64_t)size, WIRE_RETURN, 2);
    put_int(out, WIRE_BYTES);
    put_sized(out, WIRE_BYTE_ARRAY, bytes, size);
}

void wire_exception(agent_buffer *out, const char *message)
{
    put_header(out, 12 + (uint64_t)strlen(message), WIRE_EXCEPTION, 1);
    put_sized(out, WIRE_RAW_STRING, message, strlen(message));
}

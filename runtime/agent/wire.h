/*
 * The packets of TVM's RPC, protocol 0.8.0 as TVM 0.27 speaks it: their length (u64), a code (i32) and what belongs to
 * it, little-endian throughout. Values travel as a count (i32), then for each its type (i32) and its content.
 */
#ifndef SEPARABLE_AGENT_WIRE_H
#define SEPARABLE_AGENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

enum {
    WIRE_MAGIC = 0xFF271,
    WIRE_MISMATCH = WIRE_MAGIC + 2,
    WIRE_TRACKER_MAGIC = 0x2F271,
    /* Larger files are sent in pieces: what a packet holds must fit into the memory of a small device. */
    WIRE_MAX_PACKET = 64 << 20,
    WIRE_MAX_VALUES = 16,
};
#define WIRE_VERSION "0.8.0"

typedef enum wire_code {
    WIRE_SHUTDOWN = 1,
    WIRE_INIT_SERVER = 2,
    WIRE_CALL_FUNCTION = 3,
    WIRE_RETURN = 4,
    WIRE_EXCEPTION = 5,
    WIRE_GET_GLOBAL_FUNCTION = 9,
    WIRE_FREE_HANDLE = 10,
} wire_code;

typedef enum wire_type {
    WIRE_NONE = 0,
    WIRE_INT = 1,
    WIRE_BOOL = 2,
    WIRE_FLOAT = 3,
    WIRE_POINTER = 4,
    WIRE_RAW_STRING = 8,
    WIRE_BYTE_ARRAY = 9,
    WIRE_SMALL_STRING = 11,
    WIRE_SMALL_BYTES = 12,
    WIRE_STRING = 65,
    WIRE_BYTES = 66,
} wire_type;

/* A packet while it is read. Reading beyond its end sets `failed` and gives zeros. */
typedef struct wire_reader {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
} wire_reader;

/* Every kind of string has type WIRE_STRING, every kind of bytes WIRE_BYTES; they lie in the packet, without a zero. */
typedef struct wire_value {
    wire_type type;
    uint64_t number;
    const char *bytes;
    size_t size;
} wire_value;

uint32_t wire_u32(wire_reader *in);
uint64_t wire_u64(wire_reader *in);

/* The next bytes, NULL if there are not so many. */
const char *wire_bytes(wire_reader *in, uint64_t size);

/* Reads values to the end of the packet. Returns NULL, or what is wrong with them. */
const char *wire_values(wire_reader *in, wire_value values[WIRE_MAX_VALUES], int *count);

/* Packets to the client, appended to a buffer. What a function returns has the type before it, that of a syscall not. */
void wire_return_none(agent_buffer *out, bool function);
void wire_return_pointer(agent_buffer *out, uint64_t pointer);
void wire_return_string(agent_buffer *out, const void *text, size_t size);
void wire_return_bytes(agent_buffer *out, const void *bytes, size_t size);
void wire_exception(agent_buffer *out, const char *message);

void wire_put_u32(agent_buffer *out, uint32_t value);
void wire_put_u64(agent_buffer *out, uint64_t value);

#endif

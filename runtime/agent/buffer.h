/* Bytes that grow: packets, replies, what a program printed. */
#ifndef SEPARABLE_AGENT_BUFFER_H
#define SEPARABLE_AGENT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialised it is empty. Once memory runs out, `failed` stays set and appending does nothing. */
typedef struct agent_buffer {
    unsigned char *data;
    size_t size;
    size_t capacity;
    bool failed;
} agent_buffer;

void buffer_free(agent_buffer *buffer);

/* Makes room for so many bytes behind the end and returns it; NULL if memory runs out. The size stays. */
unsigned char *buffer_reserve(agent_buffer *buffer, size_t size);

void buffer_append(agent_buffer *buffer, const void *data, size_t size);

/* Appends a text without its final zero. */
void buffer_text(agent_buffer *buffer, const char *text);

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void buffer_printf(agent_buffer *buffer, const char *format, ...);

/* Appends bytes as a JSON string in quotes. What is no UTF-8 becomes U+FFFD. */
void buffer_json(agent_buffer *buffer, const void *text, size_t size);

/* Keeps the last `size` bytes at most. */
void buffer_keep_tail(agent_buffer *buffer, size_t size);

#endif

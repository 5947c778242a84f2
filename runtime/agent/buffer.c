#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_free(agent_buffer *buffer)
{
    free(buffer->data);
    *buffer = (agent_buffer){0};
}

unsigned char *buffer_reserve(agent_buffer *buffer, size_t size)
{
    if (buffer->failed || size > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4) {
        buffer->failed = true;
        return NULL;
    }
    const size_t needed = buffer->size + size;
    if (needed > buffer->capacity) {
        const size_t doubled = 2 * buffer->capacity, least = needed < 256 ? 256 : needed;
        const size_t capacity = doubled > least ? doubled : least;
        unsigned char *data = realloc(buffer->data, capacity);
        if (!data) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void buffer_append(agent_buffer *buffer, const void *data, size_t size)
{
    unsigned char *end = size > 0 ? buffer_reserve(buffer, size) : NULL;
    if (!end)
        return;
    memcpy(end, data, size);
    buffer->size += size;
}

void buffer_text(agent_buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_printf(agent_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    unsigned char *end = length < 0 ? NULL : buffer_reserve(buffer, (size_t)length + 1);
    if (!end) {
        buffer->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf((char *)end, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)length;
}

/* Bytes of the UTF-8 character at the beginning of a text, 0 if there is none (too long, a surrogate, cut off). */
static size_t utf8_length(const unsigned char *text, size_t size)
{
    const unsigned char first = text[0];
    const size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (length == 0 || length > size)
        return 0;
    for (size_t i = 1; i < length; ++i) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) || (first == 0xF0 && text[1] < 0x90) ||
        (first == 0xF4 && text[1] > 0x8F))
        return 0;
    return length;
}

void buffer_json(agent_buffer *buffer, const void *text, size_t size)
{
    const unsigned char *at = text;
    buffer_text(buffer, "\"");
    for (size_t i = 0; i < size && !buffer->failed;) {
        const size_t length = utf8_length(at + i, size - i);
        if (length == 0)
            buffer_text(buffer, "\\ufffd");
        else if (at[i] == '"' || at[i] == '\\')
            buffer_printf(buffer, "\\%c", at[i]);
        else if (at[i] < 0x20 || at[i] == 0x7F)
            buffer_printf(buffer, "\\u%04x", at[i]);
        else
            buffer_append(buffer, at + i, length);
        i += length > 0 ? length : 1;
    }
    buffer_text(buffer, "\"");
}

void buffer_keep_tail(agent_buffer *buffer, size_t size)
{
    if (buffer->size <= size)
        return;
    memmove(buffer->data, buffer->data + buffer->size - size, size);
    buffer->size = size;
}

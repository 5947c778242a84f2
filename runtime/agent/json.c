#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

static void skip_space(cursor *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        ++in->at;
}

static bool take(cursor *in, char wanted)
{
    skip_space(in);
    if (in->at >= in->end || *in->at != wanted)
        return false;
    ++in->at;
    return true;
}

static bool hex4(cursor *in, unsigned *code)
{
    *code = 0;
    for (int i = 0; i < 4; ++i, ++in->at) {
        if (in->at >= in->end)
            return false;
        const char c = *in->at;
        const int digit = c >= '0' && c <= '9' ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0)
            return false;
        *code = 16 * *code + (unsigned)digit;
    }
    return true;
}

static void append_utf8(agent_buffer *out, unsigned code)
{
    unsigned char bytes[4];
    size_t size;
    if (code < 0x80) {
        bytes[0] = (unsigned char)code;
        size = 1;
    } else if (code < 0x800) {
        bytes[0] = (unsigned char)(0xC0 | code >> 6);
        size = 2;
    } else if (code < 0x10000) {
        bytes[0] = (unsigned char)(0xE0 | code >> 12);
        size = 3;
    } else {
        bytes[0] = (unsigned char)(0xF0 | code >> 18);
        size = 4;
    }
    for (size_t i = 1; i < size; ++i)
        bytes[i] = (unsigned char)(0x80 | (code >> 6 * (size - 1 - i) & 0x3F));
    buffer_append(out, bytes, size);
}

/* The character that an escape stands for, behind "\u". A zero would end the string too early: refused. */
static bool unicode_escape(cursor *in, agent_buffer *out)
{
    unsigned code, low;
    if (!hex4(in, &code) || code == 0 || (code >= 0xDC00 && code < 0xE000))
        return false;
    if (code >= 0xD800 && code < 0xDC00) {
        if (in->end - in->at < 2 || in->at[0] != '\\' || in->at[1] != 'u')
            return false;
        in->at += 2;
        if (!hex4(in, &low) || low < 0xDC00 || low >= 0xE000)
            return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, code);
    return true;
}

static bool read_string(cursor *in, agent_buffer *out, size_t *where)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (!take(in, '"'))
        return false;
    *where = out->size;
    while (in->at < in->end && *in->at != '"') {
        const char c = *in->at++;
        if ((unsigned char)c < 0x20)
            return false;
        if (c != '\\') {
            buffer_append(out, &c, 1);
            continue;
        }
        if (in->at >= in->end)
            return false;
        const char escape = *in->at++;
        const char *name = escape ? strchr(names, escape) : NULL;
        if (name)
            buffer_append(out, &meanings[name - names], 1);
        else if (escape != 'u' || !unicode_escape(in, out))
            return false;
    }
    buffer_append(out, "", 1);
    return take(in, '"') && !out->failed;
}

static bool read_number(cursor *in, double *number)
{
    char text[40];
    size_t length = 0;
    skip_space(in);
    while (in->at < in->end && length + 1 < sizeof text && *in->at && strchr("+-.0123456789eE", *in->at))
        text[length++] = *in->at++;
    text[length] = '\0';
    char *end;
    *number = strtod(text, &end);
    return length > 0 && *end == '\0' && isfinite(*number);
}

static bool read_all(agent_json *json, const char *text, size_t size, bool keys, bool numbers)
{
    cursor in = {text, text + size};
    memset(json, 0, sizeof *json);
    if (!take(&in, keys ? '{' : '['))
        return false;
    if (!take(&in, keys ? '}' : ']')) {
        do {
            const size_t i = json->count;
            if (i == JSON_MAX_ITEMS)
                return false;
            if (keys && (!read_string(&in, &json->text, &json->keys[i]) || !take(&in, ':')))
                return false;
            if (numbers ? !read_number(&in, &json->numbers[i]) : !read_string(&in, &json->text, &json->values[i]))
                return false;
            ++json->count;
        } while (take(&in, ','));
        if (!take(&in, keys ? '}' : ']'))
            return false;
    }
    skip_space(&in);
    return in.at == in.end;
}

bool json_string_list(agent_json *json, const char *text, size_t size)
{
    return read_all(json, text, size, false, false);
}

bool json_string_object(agent_json *json, const char *text, size_t size)
{
    return read_all(json, text, size, true, false);
}

bool json_number_object(agent_json *json, const char *text, size_t size)
{
    return read_all(json, text, size, true, true);
}

const char *json_key(const agent_json *json, size_t index)
{
    return (const char *)json->text.data + json->keys[index];
}

const char *json_value(const agent_json *json, size_t index)
{
    return (const char *)json->text.data + json->values[index];
}

void json_free(agent_json *json)
{
    buffer_free(&json->text);
    json->count = 0;
}

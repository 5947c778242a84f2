#include "greeting.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

/* The length of the text as the header says it; nothing if the header is not there or not right. */
static bool text_length(const unsigned char *bytes, size_t size, size_t *length, greeting_result *problem)
{
    wire_reader in = {.at = bytes, .end = bytes + size};
    const uint32_t magic = wire_u32(&in), claimed = wire_u32(&in);
    *problem = GREETING_INCOMPLETE;
    if (size >= 4 && magic != WIRE_MAGIC)
        *problem = GREETING_BROKEN;
    else if (size >= 8 && claimed > GREETING_MAX)
        *problem = GREETING_BROKEN;
    *length = claimed;
    return size >= 8 && *problem == GREETING_INCOMPLETE;
}

greeting_result greeting_judge(const unsigned char *bytes, size_t size, const char *match, double *limit_s)
{
    static const char prefix[] = "client:", option[] = " -timeout=";
    char text[GREETING_MAX + 1];
    greeting_result problem;
    size_t length;
    *limit_s = 0;
    if (!text_length(bytes, size, &length, &problem))
        return problem;
    if (size < 8 + length)
        return GREETING_INCOMPLETE;
    memcpy(text, bytes + 8, length);
    text[length] = '\0';
    const size_t name = strlen(prefix), key = strlen(match);
    if (key == 0 || strncmp(text, prefix, name) != 0 || strncmp(text + name, match, key) != 0 ||
        (text[name + key] != '\0' && text[name + key] != ' '))
        return GREETING_MISMATCH;
    const char *limit = strstr(text + name + key, option);
    const double seconds = limit ? strtod(limit + strlen(option), NULL) : 0;
    *limit_s = isfinite(seconds) && seconds > 0 && seconds < 1e6 ? seconds : 0;
    return GREETING_MATCHES;
}

greeting_result greeting_read(agent_greeting *guest, const char *match, double *limit_s)
{
    for (;;) {
        const greeting_result result = greeting_judge(guest->bytes, guest->size, match, limit_s);
        if (result != GREETING_INCOMPLETE)
            return result;
        greeting_result problem;
        size_t length;
        const size_t wanted = text_length(guest->bytes, guest->size, &length, &problem) ? 8 + length : 8;
        const ssize_t got = recv(guest->socket, guest->bytes + guest->size, wanted - guest->size, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? GREETING_INCOMPLETE : GREETING_BROKEN;
        if (got == 0)
            return GREETING_BROKEN;
        guest->size += (size_t)got;
    }
}

void greeting_end(agent_greeting *guest)
{
    if (guest->socket >= 0)
        close(guest->socket);
    guest->socket = -1;
    guest->size = 0;
}

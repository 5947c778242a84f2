/* What a client says first: a magic number, then "client:MATCH_KEY [-timeout=SECONDS]" behind its length (i32). */
#ifndef SEPARABLE_AGENT_GREETING_H
#define SEPARABLE_AGENT_GREETING_H

#include <stddef.h>
#include <stdint.h>

enum { GREETING_MAX = 256 };

typedef struct agent_greeting {
    int socket;  /* -1: nobody */
    int64_t end; /* when it must be complete, in nanoseconds */
    size_t size;
    unsigned char bytes[8 + GREETING_MAX];
} agent_greeting;

typedef enum greeting_result { GREETING_INCOMPLETE, GREETING_BROKEN, GREETING_MISMATCH, GREETING_MATCHES } greeting_result;

/* Judges what has arrived; an empty match key matches nobody. `limit_s`: seconds the session may last, 0: no limit. */
greeting_result greeting_judge(const unsigned char *bytes, size_t size, const char *match, double *limit_s);

/* Reads what is there, not waiting and not beyond the greeting, and judges it. */
greeting_result greeting_read(agent_greeting *guest, const char *match, double *limit_s);

/* Closes the socket. */
void greeting_end(agent_greeting *guest);

#endif

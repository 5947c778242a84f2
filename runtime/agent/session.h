/* One client's session: packets in, answers out, until it says goodbye, hangs up or falls silent. */
#ifndef SEPARABLE_AGENT_SESSION_H
#define SEPARABLE_AGENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"
#include "functions.h"

typedef struct agent_session {
    function_context context;
    bool ready; /* the client has said which protocol it speaks */
} agent_session;

/*
 * Answers one packet (without its length): appends a packet to `reply`, whatever the bytes are. Returns false if it
 * says goodbye.
 */
bool session_handle(agent_session *session, const unsigned char *packet, size_t size, agent_buffer *reply);

/* Serves the session's client in the working directory; ends after `idle_ms` without a packet. */
void session_serve(agent_session *session, int idle_ms);

#endif

#include "session.h"

#include <stdio.h>
#include <string.h>

#include "net.h"
#include "wire.h"

/* Between two pieces of one packet, and for a client that does not take its answer. */
enum { PIECE_MS = 30000 };

static void init_server(agent_session *session, wire_reader *in, agent_buffer *reply)
{
    wire_value values[WIRE_MAX_VALUES];
    int count = 0;
    const uint64_t size = wire_u64(in);
    const char *version = wire_bytes(in, size);
    const char *problem = version ? wire_values(in, values, &count) : "malformed packet: no protocol version";
    if (!problem && (size != strlen(WIRE_VERSION) || memcmp(version, WIRE_VERSION, size) != 0))
        problem = "the agent speaks protocol " WIRE_VERSION " (TVM 0.27), the client another one";
    if (!problem && count != 0)
        problem = "the agent has no session constructors";
    if (!problem && session->ready)
        problem = "the session has begun already";
    if (problem) {
        wire_exception(reply, problem);
        return;
    }
    session->ready = true;
    wire_return_none(reply, false);
}

static void call_function(const agent_session *session, wire_reader *in, agent_buffer *reply)
{
    wire_value values[WIRE_MAX_VALUES];
    int count;
    agent_function *function = functions_get(wire_u64(in));
    const char *problem = wire_values(in, values, &count);
    if (!problem && !function)
        problem = "there is no function of this handle";
    if (problem)
        wire_exception(reply, problem);
    else
        function(&session->context, values, count, reply);
}

static void find_function(wire_reader *in, agent_buffer *reply)
{
    wire_value values[WIRE_MAX_VALUES];
    int count;
    const char *problem = wire_values(in, values, &count);
    if (!problem && (count != 1 || values[0].type != WIRE_STRING))
        problem = "a function is looked up by one name";
    if (problem) {
        wire_exception(reply, problem);
        return;
    }
    const uint64_t handle = functions_find(values[0].bytes, values[0].size);
    if (handle)
        wire_return_pointer(reply, handle);
    else
        wire_return_none(reply, false);
}

bool session_handle(agent_session *session, const unsigned char *packet, size_t size, agent_buffer *reply)
{
    wire_reader in = {.at = packet, .end = packet + size};
    const uint32_t code = wire_u32(&in);
    char message[80];
    if (in.failed) {
        wire_exception(reply, "malformed packet: it has no code");
    } else if (code == WIRE_SHUTDOWN) {
        return false;
    } else if (code == WIRE_INIT_SERVER) {
        init_server(session, &in, reply);
    } else if (!session->ready) {
        wire_exception(reply, "the session has not begun: the first packet says the protocol's version");
    } else if (code == WIRE_CALL_FUNCTION) {
        call_function(session, &in, reply);
    } else if (code == WIRE_GET_GLOBAL_FUNCTION) {
        find_function(&in, reply);
    } else if (code == WIRE_FREE_HANDLE) {
        wire_return_none(reply, false); /* handles are numbers of functions and hold nothing */
    } else {
        snprintf(message, sizeof message, "the agent does not support packets of code %lu", (unsigned long)code);
        wire_exception(reply, message);
    }
    return true;
}

/* Sends the answer; where memory ran out for it, one that says so. */
static bool answer(int client, agent_buffer *reply)
{
    if (reply->failed) {
        buffer_free(reply);
        wire_exception(reply, "the device is out of memory");
    }
    return !reply->failed && net_send(client, reply->data, reply->size, PIECE_MS);
}

static bool serve_packet(agent_session *session, int idle_ms)
{
    agent_buffer header = {0}, packet = {0}, reply = {0};
    const int client = session->context.client;
    bool go_on = net_receive(client, &header, 8, idle_ms, PIECE_MS);
    wire_reader in = {.at = header.data, .end = header.data + header.size};
    const uint64_t size = go_on ? wire_u64(&in) : 0;
    if (size > WIRE_MAX_PACKET) {
        /* Nothing behind it can be understood. */
        wire_exception(&reply, "the packet is larger than 64 MiB; send files in pieces with separable.append");
        answer(client, &reply);
        go_on = false;
    } else if (size > 0) {
        go_on = net_receive(client, &packet, (size_t)size, PIECE_MS, PIECE_MS) &&
                session_handle(session, packet.data, packet.size, &reply) && answer(client, &reply);
    }
    buffer_free(&header);
    buffer_free(&packet);
    buffer_free(&reply);
    return go_on;
}

void session_serve(agent_session *session, int idle_ms)
{
    net_keep_alive(session->context.client);
    while (serve_packet(session, idle_ms)) {
    }
}

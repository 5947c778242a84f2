#define _GNU_SOURCE /* getrandom */

#include "tracker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../clock.h"
#include "describe.h"
#include "wire.h"

enum { CODE_PUT = 3, CODE_UPDATE_INFO = 5, CODE_PENDING_KEYS = 7, MAX_ANSWER = 1 << 20 };
#define SECONDS(n) ((int64_t)((n) * 1e9))

/* A client that has the key from the tracker and did not come within this time will not come. */
static const int64_t unused_after = SECONDS(6), answer_within = SECONDS(5), ask_every = SECONDS(2);

void tracker_init(agent_tracker *tracker, const net_address *address, const char *key, const char *advertise,
                  uint16_t port)
{
    *tracker = (agent_tracker){.key = key, .advertise = advertise, .port = port, .socket = -1};
    if (address) {
        tracker->state = TRACKER_WAITING;
        tracker->address = *address;
    }
    tracker_offer(tracker);
}

void tracker_offer(agent_tracker *tracker)
{
    uint64_t random = (uint64_t)separable_nanoseconds();
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        fprintf(stderr, "agent: no random numbers: match keys can be guessed\n");
    if (tracker->state == TRACKER_NONE)
        snprintf(tracker->match, sizeof tracker->match, "%s", tracker->key);
    else
        snprintf(tracker->match, sizeof tracker->match, "%s:%016" PRIx64, tracker->key, random);
    tracker->offered = false;
    tracker->taken = 0;
    if (tracker->state == TRACKER_IDLE)
        tracker->next = separable_nanoseconds();
}

void tracker_withdraw(agent_tracker *tracker)
{
    tracker->match[0] = '\0';
}

static void disconnect(agent_tracker *tracker)
{
    if (tracker->socket >= 0)
        close(tracker->socket);
    tracker->socket = -1;
    tracker->offered = false;
    buffer_free(&tracker->received);
}

void tracker_close(agent_tracker *tracker)
{
    disconnect(tracker);
}

/* Tries again after 0.5, 1, 2, 4, then every 8 seconds. */
static void lose(agent_tracker *tracker, const char *why, int64_t now)
{
    disconnect(tracker);
    if (!tracker->announced)
        fprintf(stderr, "agent: no tracker: %s; trying again\n", why);
    tracker->announced = true;
    tracker->next = now + (SECONDS(0.5) << (tracker->failures < 4 ? tracker->failures : 4));
    tracker->failures += tracker->failures < 4;
    tracker->state = TRACKER_WAITING;
}

short tracker_events(const agent_tracker *tracker)
{
    return tracker->socket < 0 ? 0 : tracker->state == TRACKER_CONNECTING ? POLLOUT : POLLIN;
}

/* Sends a request; a few hundred bytes always fit into the socket, so that there is no waiting. */
static void ask(agent_tracker *tracker, tracker_state state, const agent_buffer *json, int64_t now)
{
    agent_buffer message = {0};
    wire_put_u32(&message, (uint32_t)json->size);
    buffer_append(&message, json->data, json->size);
    const bool sent = !json->failed && !message.failed && net_send(tracker->socket, message.data, message.size, 0);
    buffer_free(&message);
    tracker->state = state;
    tracker->next = now + answer_within;
    if (!sent)
        lose(tracker, "it does not take a request", now);
}

static void put_address(const agent_tracker *tracker, agent_buffer *json)
{
    if (tracker->advertise)
        buffer_json(json, tracker->advertise, strlen(tracker->advertise));
    else
        buffer_text(json, "null");
}

static void inform(agent_tracker *tracker, int64_t now)
{
    agent_buffer json = {0};
    buffer_printf(&json, "[%d, {\"key\": \"server:%s\", \"addr\": [", CODE_UPDATE_INFO, tracker->key);
    put_address(tracker, &json);
    buffer_printf(&json, ", %u], \"agent\": \"%s\", \"arch\": \"%s\"}]", tracker->port, SEPARABLE_AGENT_VERSION,
                  describe_arch());
    ask(tracker, TRACKER_INFORMING, &json, now);
    buffer_free(&json);
}

static void offer(agent_tracker *tracker, int64_t now)
{
    agent_buffer json = {0};
    buffer_printf(&json, "[%d, \"%s\", [%u, \"%s\"], ", CODE_PUT, tracker->key, tracker->port, tracker->match);
    put_address(tracker, &json);
    buffer_text(&json, "]");
    tracker->offered = true;
    tracker->taken = 0;
    ask(tracker, TRACKER_OFFERING, &json, now);
    buffer_free(&json);
}

static void ask_pending(agent_tracker *tracker, int64_t now)
{
    agent_buffer json = {0};
    buffer_printf(&json, "[%d]", CODE_PENDING_KEYS);
    ask(tracker, TRACKER_ASKING, &json, now);
    buffer_free(&json);
}

static void idle(agent_tracker *tracker, int64_t now)
{
    tracker->state = TRACKER_IDLE;
    tracker->next = now;
    if (tracker->offered || !tracker->match[0])
        tracker->next += ask_every;
}

/* Whether the match key is still among those that the tracker can hand out; if not for long, it gets a new one. */
static void check_pending(agent_tracker *tracker, const char *answer, int64_t now)
{
    char quoted[TRACKER_MATCH_SIZE + 2];
    snprintf(quoted, sizeof quoted, "\"%s\"", tracker->match);
    if (!tracker->match[0] || strstr(answer, quoted))
        tracker->taken = 0;
    else if (tracker->taken == 0)
        tracker->taken = now;
    else if (now - tracker->taken > unused_after)
        tracker_offer(tracker);
}

static void take_answer(agent_tracker *tracker, const char *answer, int64_t now)
{
    if (tracker->state != TRACKER_ASKING && strcmp(answer, "0") != 0) {
        lose(tracker, "it refuses this device", now);
        return;
    }
    if (tracker->state == TRACKER_INFORMING) {
        fprintf(stderr, "agent: registered with the tracker as \"%s\"\n", tracker->key);
        tracker->announced = false;
        tracker->failures = 0;
    } else if (tracker->state == TRACKER_ASKING) {
        check_pending(tracker, answer, now);
    }
    idle(tracker, now);
}

/* What is expected next: the magic number, the length of an answer, or all of it. */
static void receive(agent_tracker *tracker, int64_t now)
{
    agent_buffer *received = &tracker->received;
    uint32_t length = 0;
    if (tracker->state != TRACKER_GREETING && received->size >= 4) {
        wire_reader in = {.at = received->data, .end = received->data + 4};
        length = wire_u32(&in);
    }
    if (length > MAX_ANSWER) {
        lose(tracker, "its answer is no answer of a tracker", now);
        return;
    }
    const size_t wanted = 4 + (size_t)length;
    unsigned char *end = buffer_reserve(received, wanted - received->size + 1);
    const ssize_t got = end ? recv(tracker->socket, end, wanted - received->size, MSG_DONTWAIT) : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(tracker, end ? "the connection is closed" : "out of memory", now);
        return;
    }
    received->size += (size_t)got;
    if (tracker->state == TRACKER_GREETING && received->size == 4) {
        wire_reader in = {.at = received->data, .end = received->data + 4};
        received->size = 0;
        if (wire_u32(&in) == WIRE_TRACKER_MAGIC)
            inform(tracker, now);
        else
            lose(tracker, "what answers there is no tracker", now);
    } else if (received->size == wanted && wanted > 4) {
        received->data[received->size] = '\0';
        received->size = 0;
        take_answer(tracker, (const char *)received->data + 4, now);
    }
}

static void greet(agent_tracker *tracker, int64_t now)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(tracker->socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        lose(tracker, strerror(error), now);
        return;
    }
    agent_buffer magic = {0};
    wire_put_u32(&magic, WIRE_TRACKER_MAGIC);
    const bool sent = !magic.failed && net_send(tracker->socket, magic.data, magic.size, 0);
    buffer_free(&magic);
    tracker->state = TRACKER_GREETING;
    tracker->next = now + answer_within;
    if (!sent)
        lose(tracker, "the connection is closed", now);
}

static void act_on_time(agent_tracker *tracker, int64_t now)
{
    switch (tracker->state) {
    case TRACKER_NONE:
        return;
    case TRACKER_WAITING:
        tracker->socket = net_connect(&tracker->address);
        tracker->state = TRACKER_CONNECTING;
        tracker->next = now + answer_within;
        if (tracker->socket < 0)
            lose(tracker, strerror(errno), now);
        return;
    case TRACKER_IDLE:
        if (tracker->match[0] && !tracker->offered)
            offer(tracker, now);
        else
            ask_pending(tracker, now);
        return;
    default:
        lose(tracker, "it does not answer", now);
    }
}

void tracker_step(agent_tracker *tracker, short ready, int64_t now)
{
    if (ready && tracker->state == TRACKER_CONNECTING)
        greet(tracker, now);
    else if (ready && tracker->state == TRACKER_IDLE)
        lose(tracker, "the connection is closed", now); /* it says nothing unasked */
    else if (ready)
        receive(tracker, now);
    else if (tracker->state != TRACKER_NONE && now >= tracker->next)
        act_on_time(tracker, now);
}

/*
 * The agent's side of TVM's tracker protocol: both sides send a magic number, then JSON behind its length (i32). The
 * agent asks, the tracker answers, one thing at a time. Nothing here waits: the server's loop calls in when the socket
 * is ready or the time has come.
 */
#ifndef SEPARABLE_AGENT_TRACKER_H
#define SEPARABLE_AGENT_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "net.h"

enum { TRACKER_MAX_KEY = 64, TRACKER_MATCH_SIZE = TRACKER_MAX_KEY + 40 };

typedef enum tracker_state {
    TRACKER_NONE,       /* there is no tracker */
    TRACKER_WAITING,    /* not connected; tries again at `next` */
    TRACKER_CONNECTING, /* until `next` */
    TRACKER_GREETING,   /* the answer to the magic number is due at `next` */
    TRACKER_INFORMING,  /* ... to what the agent is */
    TRACKER_OFFERING,   /* ... to the device being free under the match key */
    TRACKER_ASKING,     /* ... to which match keys are still to be had */
    TRACKER_IDLE,       /* nothing is due; asks at `next` */
} tracker_state;

typedef struct agent_tracker {
    tracker_state state;
    net_address address;
    const char *key;
    const char *advertise; /* address clients shall use; NULL: the one the tracker sees */
    uint16_t port;
    int socket; /* -1 while there is none */
    int64_t next;
    int failures;   /* to connect, in a row */
    bool announced; /* its loss was reported */
    bool offered;   /* the match key is with the tracker */
    int64_t taken;  /* since when it is no longer to be had; 0: it is */
    agent_buffer received;
    char match[TRACKER_MATCH_SIZE]; /* what the next client must name; empty while the device is busy */
} agent_tracker;

/* Without an address, clients name the key itself. */
void tracker_init(agent_tracker *tracker, const net_address *address, const char *key, const char *advertise,
                  uint16_t port);

/* What the socket is waited for: events of poll, 0 if there is no socket. */
short tracker_events(const agent_tracker *tracker);

/* Goes on: `ready` are events of poll, `now` nanoseconds. */
void tracker_step(agent_tracker *tracker, short ready, int64_t now);

/* The device is busy: its match key is void. */
void tracker_withdraw(agent_tracker *tracker);

/* The device is free: it gets a new match key. */
void tracker_offer(agent_tracker *tracker);

void tracker_close(agent_tracker *tracker);

#endif

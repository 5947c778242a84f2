/* The command line of the agent. */
#ifndef SEPARABLE_AGENT_OPTIONS_H
#define SEPARABLE_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"

enum { OPTIONS_MAX_RUNNER = 16 };

typedef struct agent_options {
    bool has_tracker;
    net_address tracker;
    const char *key;
    net_address listen; /* its port is 0: the first free one of a range */
    const char *listen_text;
    uint16_t port;
    const char *advertise;
    const char *cpus;
    const char *work;
    char *runner[OPTIONS_MAX_RUNNER + 1]; /* ended by NULL */
    int idle_s;
} agent_options;

/* Reads the command line. Where it asks for help or is wrong, prints that and ends the program. */
void options_parse(agent_options *options, int count, char **words);

/* Restricts this process and its children to a list of CPUs such as "0-3,6". Returns false if that cannot be. */
bool options_pin(const char *cpus);

#endif

/* The agent's loop: the tracker, clients that come, and the one session that is served by a child process. */
#ifndef SEPARABLE_AGENT_SERVER_H
#define SEPARABLE_AGENT_SERVER_H

#include "options.h"

/* Serves until SIGTERM, SIGINT or SIGHUP. Returns the exit status of the program. */
int server_run(const agent_options *options);

#endif

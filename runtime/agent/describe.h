/* What the agent says of its device. */
#ifndef SEPARABLE_AGENT_DESCRIBE_H
#define SEPARABLE_AGENT_DESCRIBE_H

#include "buffer.h"

/* "aarch64", "armv7" or "x86_64": what this program was compiled for. */
const char *describe_arch(void);

/* Appends a JSON object: versions, machine, CPUs with clocks, governor and capacity, temperatures, memory, disk. */
void describe_device(agent_buffer *json);

#endif

/* separable-agent: the program on a device that runs what `separable tune` sends. See options.c for its usage. */
#include "options.h"
#include "server.h"

int main(int count, char **words)
{
    agent_options options;
    options_parse(&options, count, words);
    return server_run(&options);
}

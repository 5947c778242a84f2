#define _GNU_SOURCE /* cpu_set_t, sched_setaffinity, strtok_r */

#include "options.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "tracker.h"

static const char usage[] =
    "usage: separable-agent [--tracker HOST:PORT] --key KEY [options]\n"
    "\n"
    "Runs the programs that `separable tune` sends to this device.\n"
    "\n"
    "  --tracker HOST:PORT  the tracker to register with; without it, clients connect directly and name the key\n"
    "  --key KEY            what the devices of this kind are called: A-Z a-z 0-9 . _ -\n"
    "  --port N             port to listen on [the first free one of 9200 to 9299]\n"
    "  --listen ADDRESS     address to listen on [127.0.0.1]; 0.0.0.0 or :: for every one\n"
    "  --advertise ADDRESS  address that clients use [the one the tracker sees]\n"
    "  --cpus LIST          CPUs that programs may use, as 4-7 or 0,2 [all]\n"
    "  --work DIR           folder for files, mounted with permission to execute [$TMPDIR, else /data/local/tmp, else /tmp]\n"
    "  --idle SECONDS       end sessions that are silent for so long [600]\n"
    "  --runner COMMAND     put COMMAND before every program; for agents under an emulator: --runner qemu-aarch64\n"
    "  --version            print the version\n"
    "  --help               print this\n"
    "\n"
    "Addresses are numbers (or localhost): a static program has no resolver on Android.\n";

static _Noreturn void fail(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "separable-agent: %s %s: expected %s; see --help\n", option, value, expected);
    exit(2);
}

static long read_integer(const char *option, const char *value, long low, long high, const char *expected)
{
    char *end;
    errno = 0;
    const long number = strtol(value, &end, 10);
    if (errno != 0 || end == value || *end || number < low || number > high)
        fail(option, value, expected);
    return number;
}

static bool is_key(const char *key)
{
    const size_t length = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return length > 0 && length <= TRACKER_MAX_KEY && key[length] == '\0';
}

static void split_runner(agent_options *options, char *command)
{
    char *rest, *word = strtok_r(command, " ", &rest);
    for (size_t i = 0; word; word = strtok_r(NULL, " ", &rest)) {
        if (i == OPTIONS_MAX_RUNNER)
            fail("--runner", word, "fewer words");
        options->runner[i++] = word;
    }
}

static void set_option(agent_options *options, const char *option, char *value)
{
    net_address address;
    if (strcmp(option, "--tracker") == 0) {
        options->has_tracker = net_parse_with_port(value, &options->tracker);
        if (!options->has_tracker)
            fail(option, value, "a numeric HOST:PORT as 192.168.1.10:9190 or [::1]:9190");
    } else if (strcmp(option, "--key") == 0) {
        if (!is_key(value))
            fail(option, value, "1 to 64 of the characters A-Z a-z 0-9 . _ -");
        options->key = value;
    } else if (strcmp(option, "--port") == 0) {
        options->port = (uint16_t)read_integer(option, value, 1, 65535, "a port of 1 to 65535");
    } else if (strcmp(option, "--listen") == 0) {
        if (!net_parse(value, 0, &address))
            fail(option, value, "a numeric address");
        options->listen_text = value;
    } else if (strcmp(option, "--advertise") == 0) {
        if (!net_parse(value, 0, &address))
            fail(option, value, "a numeric address");
        options->advertise = value;
    } else if (strcmp(option, "--cpus") == 0) {
        options->cpus = value;
    } else if (strcmp(option, "--work") == 0) {
        options->work = value;
    } else if (strcmp(option, "--idle") == 0) {
        options->idle_s = (int)read_integer(option, value, 1, 86400, "1 to 86400 seconds");
    } else if (strcmp(option, "--runner") == 0) {
        split_runner(options, value);
    } else {
        fail(option, value, "an option of the agent");
    }
}

void options_parse(agent_options *options, int count, char **words)
{
    const char *temporary = getenv("TMPDIR");
    *options = (agent_options){.listen_text = "127.0.0.1", .work = temporary, .idle_s = 600};
    for (int i = 1; i < count; i += 2) {
        if (strcmp(words[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (strcmp(words[i], "--version") == 0) {
            printf("separable-agent %s %s\n", SEPARABLE_AGENT_VERSION, describe_arch());
            exit(0);
        }
        if (i + 1 == count)
            fail(words[i], "", "a value, or another option");
        set_option(options, words[i], words[i + 1]);
    }
    if (!options->key) {
        fprintf(stderr, "separable-agent: --key is missing; see --help\n");
        exit(2);
    }
    net_parse(options->listen_text, 0, &options->listen);
}

bool options_pin(const char *cpus)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *at = cpus;;) {
        char *end;
        const long first = strtol(at, &end, 10);
        long last = first;
        if (end == at)
            return false;
        if (*end == '-') {
            at = end + 1;
            last = strtol(at, &end, 10);
            if (end == at)
                return false;
        }
        if (first < 0 || last < first || last >= CPU_SETSIZE)
            return false;
        for (long cpu = first; cpu <= last; ++cpu)
            CPU_SET((size_t)cpu, &set);
        if (*end == '\0')
            break;
        if (*end != ',')
            return false;
        at = end + 1;
    }
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

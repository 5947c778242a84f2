#define _GNU_SOURCE /* POLLRDHUP, pipe2, wait4 */

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clock.h"
#include "files.h"

enum { MAX_STDOUT = 1 << 20, MAX_STDERR = 8 << 10, MAX_RUNNER = 16 };
static const char folder[] = "run";

/* The end of a program wakes the poll that waits for its output. */
static int child_pipe[2] = {-1, -1};

static void on_child(int signal)
{
    (void)signal;
    const int error = errno;
    if (write(child_pipe[1], "", 1) < 0) { /* full: it will wake anyway */
    }
    errno = error;
}

static bool watch_children(void)
{
    if (child_pipe[0] >= 0)
        return true;
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigemptyset(&action.sa_mask);
    return pipe2(child_pipe, O_CLOEXEC | O_NONBLOCK) == 0 && sigaction(SIGCHLD, &action, NULL) == 0;
}

static void set_limit(int resource, uint64_t value)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return;
    const rlim_t wanted = (rlim_t)value;
    limit.rlim_max = limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max ? wanted : limit.rlim_max;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(resource, &limit);
}

static void set_limits(const run_limits *limits)
{
    /* The processor time is a second line of defence, should the clock of the session not be there to end it. */
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    set_limit(RLIMIT_CPU, (uint64_t)((limits->wall_s + 2) * (double)(cpus > 0 ? cpus : 1)));
    set_limit(RLIMIT_AS, limits->memory_bytes);
    set_limit(RLIMIT_FSIZE, limits->file_bytes);
    set_limit(RLIMIT_CORE, 0);
}

/* In the child: becomes the program, or writes why not and ends. */
static void become_program(const run_request *request, char *const command[], const int out[2], const int err[2],
                           int failure)
{
    static char *environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/system/bin", "LC_ALL=C", NULL};
    const int null = open("/dev/null", O_RDONLY);
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; ++number)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0 &&
        dup2(err[1], STDERR_FILENO) >= 0 && chdir(folder) == 0) {
        set_limits(&request->limits);
        extern char **environ;
        environ = environment;
        if (request->runner && request->runner[0])
            execvp(command[0], command); /* looked for along the PATH */
        else
            execv(command[0], command); /* execvp would take what is no program for a script of the shell */
    }
    const int error = errno;
    if (write(failure, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

/* Reads what is there. Returns false at the end. */
static bool drain(int pipe, agent_buffer *buffer, size_t head, size_t tail, bool *truncated)
{
    unsigned char bytes[4096];
    for (;;) {
        const ssize_t got = read(pipe, bytes, sizeof bytes);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return false;
        if (tail > 0) {
            buffer_append(buffer, bytes, (size_t)got);
            if (buffer->size > 4 * tail)
                buffer_keep_tail(buffer, tail);
            continue;
        }
        const size_t room = head - buffer->size, kept = (size_t)got < room ? (size_t)got : room;
        buffer_append(buffer, bytes, kept);
        *truncated |= kept < (size_t)got;
    }
}

typedef struct outcome {
    agent_buffer out, err;
    bool truncated, timed_out;
    int status;
    struct rusage usage;
    double wall_s;
} outcome;

/* Waits for the end of the program, its time or its client. What it left running in its group is killed too. */
static void await(const run_request *request, pid_t program, int out, int err, outcome *result)
{
    const int64_t begin = separable_nanoseconds(), limit = (int64_t)(request->limits.wall_s * 1e9);
    bool ended = false, killed = false;
    while (!ended) {
        const int64_t left = limit - (separable_nanoseconds() - begin);
        struct pollfd waiting[] = {
            {.fd = child_pipe[0], .events = POLLIN},
            {.fd = out, .events = POLLIN},
            {.fd = err, .events = POLLIN},
            {.fd = request->client, .events = POLLRDHUP},
        };
        const int wait_ms = killed ? -1 : left <= 0 ? 0 : left > 3600000000000 ? 3600000 : (int)(left / 1000000 + 1);
        const int ready = poll(waiting, 4, wait_ms);
        const bool abandoned = ready > 0 && (waiting[3].revents & (POLLRDHUP | POLLHUP | POLLERR));
        if (!killed && (abandoned || left <= 0)) {
            result->timed_out = !abandoned;
            kill(-program, SIGKILL);
            kill(program, SIGKILL); /* it may have left its group */
            killed = true;
        }
        if (abandoned && killed && ready == 1) /* do not spin on a socket that is gone while the program dies */
            usleep(1000);
        char bytes[64];
        while (read(child_pipe[0], bytes, sizeof bytes) > 0) {
        }
        out = out >= 0 && !drain(out, &result->out, MAX_STDOUT, 0, &result->truncated) ? -1 : out;
        err = err >= 0 && !drain(err, &result->err, 0, MAX_STDERR, &result->truncated) ? -1 : err;
        ended = wait4(program, &result->status, WNOHANG, &result->usage) == program;
    }
    result->wall_s = (double)(separable_nanoseconds() - begin) * 1e-9;
    kill(-program, SIGKILL);
    while (waitpid(-1, NULL, WNOHANG) > 0) { /* what it had started is ours now */
    }
    if (out >= 0)
        drain(out, &result->out, MAX_STDOUT, 0, &result->truncated);
    if (err >= 0)
        drain(err, &result->err, 0, MAX_STDERR, &result->truncated);
    buffer_keep_tail(&result->err, MAX_STDERR);
}

static void report(const outcome *result, agent_buffer *json)
{
    const int code = WIFEXITED(result->status) ? WEXITSTATUS(result->status) : -WTERMSIG(result->status);
    buffer_printf(json, "{\"returncode\": %d, \"timed_out\": %s, \"wall_s\": %.6f, \"max_rss_bytes\": %lld,", code,
                  result->timed_out ? "true" : "false", result->wall_s, (long long)result->usage.ru_maxrss * 1024);
    buffer_printf(json, " \"stdout_truncated\": %s, \"stdout\": ", result->truncated ? "true" : "false");
    buffer_json(json, result->out.data, result->out.size);
    buffer_text(json, ", \"stderr\": ");
    buffer_json(json, result->err.data, result->err.size);
    buffer_text(json, "}");
    json->failed |= result->out.failed | result->err.failed;
}

/* A fresh folder, with links to the files under the names that the program knows them by. */
static int prepare_folder(const run_request *request)
{
    files_remove_tree(folder);
    if (mkdir(folder, 0700) != 0)
        return errno;
    for (size_t i = 0; request->files && i < request->files->count; ++i) {
        char name[FILES_MAX_NAME + 1], stored[FILES_MAX_NAME + 1], link[sizeof folder + FILES_MAX_NAME + 2];
        char from[FILES_MAX_NAME + 5];
        const char *key = json_key(request->files, i), *value = json_value(request->files, i);
        if (!files_name(key, strlen(key), name) || !files_name(value, strlen(value), stored))
            return EINVAL;
        if (access(stored, R_OK) != 0)
            return errno;
        snprintf(link, sizeof link, "%s/%s", folder, name);
        snprintf(from, sizeof from, "../%s", stored);
        if (symlink(from, link) != 0)
            return errno;
    }
    return 0;
}

static int start_and_await(const run_request *request, char *const command[], outcome *result)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1}, failure[2] = {-1, -1}, error = 0;
    pid_t program = -1;
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0 ||
        (program = fork()) < 0)
        error = errno;
    if (program == 0)
        become_program(request, command, out, err, failure[1]);
    if (program > 0) {
        setpgid(program, program); /* also here: whichever of the two comes first */
        close(out[1]);
        close(err[1]);
        close(failure[1]);
        out[1] = err[1] = failure[1] = -1;
        ssize_t got;
        do
            got = read(failure[0], &error, sizeof error);
        while (got < 0 && errno == EINTR);
        if (got == (ssize_t)sizeof error) {
            waitpid(program, NULL, 0);
        } else {
            error = 0;
            fcntl(out[0], F_SETFL, O_NONBLOCK);
            fcntl(err[0], F_SETFL, O_NONBLOCK);
            await(request, program, out[0], err[0], result);
        }
    }
    for (int i = 0; i < 2; ++i) {
        const int pipes[] = {out[i], err[i], failure[i]};
        for (int j = 0; j < 3; ++j) {
            if (pipes[j] >= 0)
                close(pipes[j]);
        }
    }
    return error;
}

const char *run_program(const run_request *request, agent_buffer *json, char *error, size_t size)
{
    char program[FILES_MAX_NAME + 5];
    char *command[MAX_RUNNER + JSON_MAX_ITEMS + 2];
    size_t count = 0;
    for (; request->runner && request->runner[count]; ++count) {
        if (count == MAX_RUNNER)
            return "the runner has too many words";
        command[count] = request->runner[count];
    }
    snprintf(program, sizeof program, "../%s", request->program);
    command[count++] = program;
    for (size_t i = 0; i < request->arguments->count; ++i)
        command[count++] = (char *)json_value(request->arguments, i);
    command[count] = NULL;

    int problem = watch_children() ? prepare_folder(request) : errno;
    if (problem == 0 && chmod(request->program, 0700) != 0)
        problem = errno;
    outcome result = {0};
    if (problem == 0)
        problem = start_and_await(request, command, &result);
    if (problem == 0)
        report(&result, json);
    buffer_free(&result.out);
    buffer_free(&result.err);
    files_remove_tree(folder);
    if (problem == 0)
        return NULL;
    const char *hint = problem == EACCES ? " (is the agent's --work folder mounted noexec?)" : "";
    snprintf(error, size, "cannot run %s: %s%s", request->program, strerror(problem), hint);
    return error;
}

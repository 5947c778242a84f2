#define _GNU_SOURCE /* pipe2, accept4 */

#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clock.h"
#include "files.h"
#include "greeting.h"
#include "session.h"
#include "tracker.h"
#include "wire.h"

enum { MAX_GUESTS = 8, GREETING_MS = 5000, FIRST_PORT = 9200, LAST_PORT = 9299 };

typedef struct agent_server {
    const agent_options *options;
    int listener;
    agent_tracker tracker;
    agent_greeting guests[MAX_GUESTS]; /* who has connected and not yet said the match key */
    pid_t session;                     /* 0: none */
    int64_t session_end;               /* when the client's own limit ends it; 0: never */
    char base[PATH_MAX];
    int base_lock;
    char folder[PATH_MAX + 16]; /* of the session */
} agent_server;

/* Signals wake the loop through a pipe. */
static int signal_pipe[2];
static volatile sig_atomic_t stopping;

static void on_signal(int signal)
{
    const int error = errno;
    if (signal != SIGCHLD)
        stopping = 1;
    if (write(signal_pipe[1], "", 1) < 0) { /* full: it wakes anyway */
    }
    errno = error;
}

static bool catch_signals(void)
{
    static const int caught[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigemptyset(&action.sa_mask);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that must not grow is an error of write */
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; ++i)
        sigaction(caught[i], &action, NULL);
    return true;
}

static void set_port(net_address *address, uint16_t port)
{
    if (address->storage.ss_family == AF_INET)
        ((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
}

/* Listens on the wanted port, or on the first free one. Returns it, 0 if that fails. */
static uint16_t start_listening(agent_server *server)
{
    const uint16_t wanted = server->options->port;
    const unsigned first = wanted ? wanted : FIRST_PORT, last = wanted ? wanted : LAST_PORT;
    for (unsigned port = first; port <= last; ++port) {
        net_address address = server->options->listen;
        set_port(&address, (uint16_t)port);
        server->listener = net_listen(&address);
        if (server->listener >= 0)
            return (uint16_t)port;
        if (errno != EADDRINUSE)
            break;
    }
    fprintf(stderr, "separable-agent: cannot listen on %s, port %u to %u: %s\n", server->options->listen_text, first,
            last, strerror(errno));
    return 0;
}

static const char *work_folder(const agent_options *options)
{
    if (options->work)
        return options->work;
    return access("/data/local/tmp", W_OK | X_OK) == 0 ? "/data/local/tmp" : "/tmp";
}

static void print_start(const agent_server *server, uint16_t port)
{
    const agent_options *options = server->options;
    fprintf(stderr, "agent %s: listening on %s, port %u, files below %s\n", SEPARABLE_AGENT_VERSION,
            options->listen_text, port, server->base);
    if (!net_is_loopback(&options->listen))
        fprintf(stderr, "agent: TVM RPC has no authentication: whoever reaches this port can run programs here; use a"
                        " network that you trust\n");
    else if (options->has_tracker && !net_is_loopback(&options->tracker) && !options->advertise)
        fprintf(stderr, "agent: the tracker is on another machine, but only this one can connect to %s; --listen names"
                        " an address of this device\n", options->listen_text);
}

/* The child: serves the client and ends. */
static _Noreturn void serve(agent_server *server, int client)
{
    agent_session session = {.context = {.client = client, .runner = server->options->runner}};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setpgid(0, 0);
    for (int number = 1; number < NSIG; ++number) {
        if (number != SIGPIPE && number != SIGXFSZ)
            signal(number, SIG_DFL);
    }
    close(server->listener);
    close(server->base_lock);
    close(signal_pipe[0]);
    close(signal_pipe[1]);
    tracker_close(&server->tracker);
    for (int i = 0; i < MAX_GUESTS; ++i) {
        if (server->guests[i].socket != client)
            greeting_end(&server->guests[i]);
    }
    if (mkdir(server->folder, 0700) != 0 || chdir(server->folder) != 0) {
        fprintf(stderr, "agent: cannot make %s: %s\n", server->folder, strerror(errno));
        _exit(1);
    }
    session_serve(&session, 1000 * server->options->idle_s);
    _exit(0);
}

/* A client has named the match key: answers, and serves it in a child. */
static void begin_session(agent_server *server, agent_greeting *guest, double limit_s)
{
    agent_buffer reply = {0};
    char name[TRACKER_MAX_KEY + 16];
    const int length = snprintf(name, sizeof name, "server:%s", server->options->key);
    wire_put_u32(&reply, WIRE_MAGIC);
    wire_put_u32(&reply, (uint32_t)length);
    buffer_append(&reply, name, (size_t)length);
    if (!reply.failed && net_send(guest->socket, reply.data, reply.size, 0)) {
        files_remove_tree(server->folder);
        tracker_withdraw(&server->tracker);
        const pid_t child = fork();
        if (child == 0)
            serve(server, guest->socket);
        if (child < 0) {
            fprintf(stderr, "agent: cannot start a session: %s\n", strerror(errno));
            tracker_offer(&server->tracker);
        } else {
            setpgid(child, child);
            server->session = child;
            server->session_end = limit_s > 0 ? separable_nanoseconds() + (int64_t)(limit_s * 1e9) : 0;
        }
    }
    buffer_free(&reply);
    greeting_end(guest);
}

static void greet(agent_server *server, agent_greeting *guest, int64_t now)
{
    double limit_s;
    switch (greeting_read(guest, server->tracker.match, &limit_s)) {
    case GREETING_MATCHES:
        begin_session(server, guest, limit_s);
        return;
    case GREETING_MISMATCH: {
        agent_buffer reply = {0};
        wire_put_u32(&reply, WIRE_MISMATCH);
        if (!reply.failed)
            net_send(guest->socket, reply.data, reply.size, 0);
        buffer_free(&reply);
        greeting_end(guest);
        return;
    }
    case GREETING_INCOMPLETE:
        if (now < guest->end)
            return;
        break;
    case GREETING_BROKEN:
        break;
    }
    greeting_end(guest);
}

/* Takes everyone who waits; where there are too many, the one who has been silent longest has to go. */
static void accept_guests(agent_server *server, int64_t now)
{
    int client;
    while ((client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        agent_greeting *place = &server->guests[0];
        for (int i = 1; i < MAX_GUESTS && place->socket >= 0; ++i) {
            agent_greeting *other = &server->guests[i];
            if (other->socket < 0 || other->end < place->end)
                place = other;
        }
        greeting_end(place);
        *place = (agent_greeting){.socket = client, .end = now + (int64_t)GREETING_MS * 1000000};
    }
}

static void end_session(agent_server *server)
{
    kill(-server->session, SIGKILL);
    kill(server->session, SIGKILL);
}

static void reap(agent_server *server)
{
    int status;
    for (pid_t child; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (child != server->session)
            continue;
        if (WIFSIGNALED(status) && server->session_end >= 0)
            fprintf(stderr, "agent: a session was ended by signal %d\n", WTERMSIG(status));
        server->session = 0;
        files_remove_tree(server->folder);
        tracker_offer(&server->tracker);
    }
}

/* Milliseconds until something is due. */
static int wait_ms(const agent_server *server, int64_t now)
{
    int64_t next = INT64_MAX;
    if (server->tracker.state != TRACKER_NONE)
        next = server->tracker.next;
    if (server->session && server->session_end > 0 && server->session_end < next)
        next = server->session_end;
    for (int i = 0; i < MAX_GUESTS; ++i) {
        if (server->guests[i].socket >= 0 && server->guests[i].end < next)
            next = server->guests[i].end;
    }
    if (next == INT64_MAX)
        return -1;
    const int64_t left = (next - now) / 1000000 + 1;
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void loop_once(agent_server *server)
{
    struct pollfd waiting[3 + MAX_GUESTS] = {
        {.fd = signal_pipe[0], .events = POLLIN},
        {.fd = server->listener, .events = POLLIN},
        {.fd = server->tracker.socket, .events = tracker_events(&server->tracker)},
    };
    for (int i = 0; i < MAX_GUESTS; ++i)
        waiting[3 + i] = (struct pollfd){.fd = server->guests[i].socket, .events = POLLIN};
    if (poll(waiting, 3 + MAX_GUESTS, wait_ms(server, separable_nanoseconds())) < 0 && errno != EINTR) {
        usleep(100000); /* out of memory: it may pass */
        return;
    }
    const int64_t now = separable_nanoseconds();
    char bytes[64];
    while (read(signal_pipe[0], bytes, sizeof bytes) > 0) {
    }
    reap(server);
    tracker_step(&server->tracker, waiting[2].fd >= 0 ? waiting[2].revents : 0, now);
    for (int i = 0; i < MAX_GUESTS; ++i) {
        agent_greeting *guest = &server->guests[i];
        if (guest->socket >= 0 && guest->socket == waiting[3 + i].fd && (waiting[3 + i].revents || now >= guest->end))
            greet(server, guest, now);
    }
    if (waiting[1].revents)
        accept_guests(server, now);
    if (server->session && server->session_end > 0 && now >= server->session_end) {
        fprintf(stderr, "agent: a session has reached its client's time limit\n");
        server->session_end = -1;
        end_session(server);
    }
}

int server_run(const agent_options *options)
{
    static agent_server server;
    server.options = options;
    for (int i = 0; i < MAX_GUESTS; ++i)
        server.guests[i].socket = -1;
    if (options->cpus && !options_pin(options->cpus)) {
        fprintf(stderr, "separable-agent: --cpus %s: no list of CPUs of this device\n", options->cpus);
        return 2;
    }
    char work[PATH_MAX];
    if (realpath(work_folder(options), work))
        server.base_lock = files_make_base(work, server.base, sizeof server.base);
    else
        server.base_lock = -1;
    if (server.base_lock < 0) {
        fprintf(stderr, "separable-agent: cannot make a folder in %s: %s; --work names another one\n",
                work_folder(options), strerror(errno));
        return 1;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* nothing that sessions leave behind remains a zombie */
    snprintf(server.folder, sizeof server.folder, "%s/session", server.base);
    const uint16_t port = catch_signals() ? start_listening(&server) : 0;
    if (port > 0) {
        print_start(&server, port);
        tracker_init(&server.tracker, options->has_tracker ? &options->tracker : NULL, options->key,
                     options->advertise, port);
        while (!stopping)
            loop_once(&server);
        if (server.session) {
            end_session(&server);
            waitpid(server.session, NULL, 0);
        }
        tracker_close(&server.tracker);
    }
    files_remove_tree(server.base);
    return port > 0 ? 0 : 1;
}

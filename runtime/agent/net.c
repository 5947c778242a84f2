#define _GNU_SOURCE /* SOCK_CLOEXEC, TCP_KEEPIDLE */

#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Received at a time; memory for a packet is taken as it arrives, not as its header claims. */
enum { PIECE = 1 << 20 };

bool net_parse(const char *host, uint16_t port, net_address *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address->size = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address->size = sizeof *v6;
        return true;
    }
    return false;
}

bool net_parse_with_port(const char *text, net_address *address)
{
    char host[NET_ADDRESS_SIZE];
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return false;
    const bool brackets = text[0] == '[' && colon[-1] == ']';
    const char *begin = text + brackets;
    const size_t length = (size_t)(colon - begin) - brackets;
    char *end;
    const long port = strtol(colon + 1, &end, 10);
    if (length == 0 || length >= sizeof host || end == colon + 1 || *end || port < 1 || port > 65535)
        return false;
    memcpy(host, begin, length);
    host[length] = '\0';
    return net_parse(host, (uint16_t)port, address) && brackets == (address->storage.ss_family == AF_INET6);
}

bool net_is_loopback(const net_address *address)
{
    if (address->storage.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)&address->storage)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&address->storage)->sin6_addr);
}

static int close_keeping_errno(int socket)
{
    const int error = errno;
    close(socket);
    errno = error;
    return -1;
}

int net_listen(const net_address *address)
{
    const int listener = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (listener < 0)
        return -1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (const struct sockaddr *)&address->storage, address->size) != 0 || listen(listener, 16) != 0)
        return close_keeping_errno(listener);
    return listener;
}

int net_connect(const net_address *address)
{
    const int connection = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection < 0)
        return -1;
    if (connect(connection, (const struct sockaddr *)&address->storage, address->size) != 0 && errno != EINPROGRESS)
        return close_keeping_errno(connection);
    net_keep_alive(connection);
    return connection;
}

void net_keep_alive(int socket)
{
    const int on = 1, idle = 10, interval = 5, count = 3;
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool wait_for(int socket, short events, int wait_ms)
{
    struct pollfd waiting = {.fd = socket, .events = events};
    int ready;
    do
        ready = poll(&waiting, 1, wait_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool net_receive(int socket, agent_buffer *buffer, size_t size, int first_ms, int next_ms)
{
    for (size_t done = 0; done < size;) {
        const size_t piece = size - done < PIECE ? size - done : PIECE;
        unsigned char *end = buffer_reserve(buffer, piece);
        if (!end || !wait_for(socket, POLLIN, done == 0 ? first_ms : next_ms))
            return false;
        const ssize_t got = recv(socket, end, piece, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return false;
        buffer->size += (size_t)got;
        done += (size_t)got;
    }
    return true;
}

bool net_send(int socket, const void *data, size_t size, int wait_ms)
{
    for (size_t done = 0; done < size;) {
        const ssize_t sent = send(socket, (const char *)data + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
            done += (size_t)sent;
        else if (errno == EAGAIN) {
            if (!wait_for(socket, POLLOUT, wait_ms))
                return false;
        } else if (errno != EINTR)
            return false;
    }
    return true;
}

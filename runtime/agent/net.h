/* Sockets: numeric addresses only (a static program on Android has no resolver), every wait with an end. */
#ifndef SEPARABLE_AGENT_NET_H
#define SEPARABLE_AGENT_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "buffer.h"

enum { NET_ADDRESS_SIZE = INET6_ADDRSTRLEN };

typedef struct net_address {
    struct sockaddr_storage storage;
    socklen_t size;
} net_address;

/* Reads "127.0.0.1", "::1" or "localhost". Returns false if it is none of these. */
bool net_parse(const char *host, uint16_t port, net_address *address);

/* Reads "HOST:PORT", "[HOST]:PORT" for IPv6. */
bool net_parse_with_port(const char *text, net_address *address);

bool net_is_loopback(const net_address *address);

/* A listening socket that does not block; -1 and errno if that fails. */
int net_listen(const net_address *address);

/* Starts to connect without waiting for the end of it; -1 and errno if that fails at once. */
int net_connect(const net_address *address);

/* Detects a peer whose machine is gone within about 25 seconds, and sends small packets at once. */
void net_keep_alive(int socket);

/*
 * Appends `size` bytes to a buffer, `first_ms` at most for the first and `next_ms` for each further piece. Returns
 * false at the end of the connection, after such a time, or when memory runs out. Memory grows with what arrives.
 */
bool net_receive(int socket, agent_buffer *buffer, size_t size, int first_ms, int next_ms);

/* Sends everything, `wait_ms` at most for each piece. */
bool net_send(int socket, const void *data, size_t size, int wait_ms);

#endif

/*
 * What the runtime needs of Android's C library, declared for builds without the NDK: only the functions called, and
 * types that hold Android's, whatever its version. Structures that Android's library fills are 64 bytes or more where
 * its own are smaller (a mutex of arm64 has 40), and zero where it asks for an initial value. arm64 only.
 */
#ifndef SEPARABLE_BIONIC_TYPES_H
#define SEPARABLE_BIONIC_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef long ssize_t;
typedef int pid_t;

#endif

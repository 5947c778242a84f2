#ifndef SEPARABLE_BIONIC_UNISTD_H
#define SEPARABLE_BIONIC_UNISTD_H

#include "types.h"

#define _SC_NPROCESSORS_ONLN 0x61

int close(int file);
pid_t getpid(void);
ssize_t read(int file, void *buffer, size_t size);
long syscall(long number, ...);
long sysconf(int name);

#endif

#ifndef SEPARABLE_BIONIC_SIGNAL_H
#define SEPARABLE_BIONIC_SIGNAL_H

#define SIG_SETMASK 2

typedef union sigset_t {
    char bytes[64];
    long alignment;
} sigset_t;

int sigfillset(sigset_t *set);

#endif

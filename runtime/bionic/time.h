#ifndef SEPARABLE_BIONIC_TIME_H
#define SEPARABLE_BIONIC_TIME_H

#define CLOCK_MONOTONIC 1

struct timespec {
    long tv_sec;
    long tv_nsec;
};

int clock_gettime(int clock, struct timespec *time);

#endif

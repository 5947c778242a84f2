#ifndef SEPARABLE_BIONIC_PTHREAD_H
#define SEPARABLE_BIONIC_PTHREAD_H

#include "signal.h"
#include "types.h"

typedef union pthread_mutex_t {
    char bytes[64];
    long alignment;
} pthread_mutex_t;
typedef long pthread_t;

int pthread_create(pthread_t *thread, const void *attributes, void *(*start)(void *), void *argument);
int pthread_join(pthread_t thread, void **result);
int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);
int pthread_mutex_destroy(pthread_mutex_t *mutex);
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before);

#endif

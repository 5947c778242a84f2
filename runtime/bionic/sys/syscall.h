#ifndef SEPARABLE_BIONIC_SYS_SYSCALL_H
#define SEPARABLE_BIONIC_SYS_SYSCALL_H

#define SYS_futex 98
#define SYS_gettid 178

#endif

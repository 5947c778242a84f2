#define _GNU_SOURCE /* nftw, mkdtemp, flock */

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "separable-agent."

bool files_name(const char *text, size_t size, char name[FILES_MAX_NAME + 1])
{
    if (size == 0 || size > FILES_MAX_NAME || text[0] == '.')
        return false;
    for (size_t i = 0; i < size; ++i) {
        const char c = text[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-')
            return false;
    }
    memcpy(name, text, size);
    name[size] = '\0';
    return true;
}

int files_write(const char *name, const void *data, size_t size, bool append)
{
    if (!append)
        unlink(name); /* the file of before may be read-only, or a program that still runs */
    const int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (append ? O_APPEND : O_CREAT | O_EXCL);
    const int file = open(name, flags, 0600);
    if (file < 0)
        return errno;
    int error = 0;
    for (size_t done = 0; done < size && error == 0;) {
        const ssize_t written = write(file, (const char *)data + done, size - done);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0 || errno != EINTR)
            error = written == 0 ? ENOSPC : errno;
    }
    if (close(file) != 0 && error == 0)
        error = errno;
    if (error != 0)
        unlink(name);
    return error;
}

int files_read(const char *name, size_t limit, agent_buffer *out)
{
    const int file = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat status;
    if (file < 0)
        return errno;
    int error = fstat(file, &status) != 0 ? errno : !S_ISREG(status.st_mode) ? EINVAL : 0;
    while (error == 0) {
        unsigned char *end = buffer_reserve(out, 1 << 16);
        const ssize_t got = end ? read(file, end, 1 << 16) : -1;
        if (!end)
            error = ENOMEM;
        else if (got < 0)
            error = errno == EINTR ? 0 : errno;
        else if (got == 0)
            break;
        else if (out->size + (size_t)got > limit)
            error = EFBIG;
        else
            out->size += (size_t)got;
    }
    close(file);
    return error;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    remove(path);
    return 0;
}

void files_remove_tree(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int lock_base(const char *base, int flags)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/lock", base) >= (int)sizeof path)
        return -1;
    const int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0) {
        close(file);
        return -1;
    }
    return file;
}

static void remove_abandoned(const char *parent)
{
    char path[PATH_MAX];
    DIR *folder = opendir(parent);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 ||
            snprintf(path, sizeof path, "%s/%s", parent, entry->d_name) >= (int)sizeof path)
            continue;
        struct stat status;
        if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid())
            continue;
        const int lock = lock_base(path, 0);
        if (lock >= 0) {
            files_remove_tree(path);
            close(lock);
        }
    }
    if (folder)
        closedir(folder);
}

int files_make_base(const char *parent, char *path, size_t size)
{
    remove_abandoned(parent);
    if (snprintf(path, size, "%s/" PREFIX "XXXXXX", parent) >= (int)size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkdtemp(path) ? lock_base(path, O_CREAT) : -1;
}

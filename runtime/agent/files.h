/* The files of a session: flat names in its working directory, which nothing leads out of. */
#ifndef SEPARABLE_AGENT_FILES_H
#define SEPARABLE_AGENT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

enum { FILES_MAX_NAME = 128 };

/* Letters, digits, '.', '_', '-', not beginning with a dot. Copies it, ended by a zero, into `name`. */
bool files_name(const char *text, size_t size, char name[FILES_MAX_NAME + 1]);

/* Each returns 0 or an errno; a file that could not be written whole is removed. */
int files_write(const char *name, const void *data, size_t size, bool append);
int files_read(const char *name, size_t limit, agent_buffer *out);

/* Removes a folder and everything in it, as far as possible. */
void files_remove_tree(const char *path);

/*
 * Creates a folder of this process below `parent`, its path in `path`, after removing those whose owners were killed:
 * each holds a lock on a file in its folder. Returns a descriptor that must stay open, or -1 and errno.
 */
int files_make_base(const char *parent, char *path, size_t size);

#endif

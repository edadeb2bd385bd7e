/** The folder that holds a database: made, checked, synced, and owned by one server at a time.
 *  For drivers. Every function that can fail writes a sentence for people to `why`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kontor/status.h"

/** Size of the paths built here; a longer one is refused. */
#define FOLDER_PATH_SIZE 4096

/** Write a sentence to `why` and pass `status` on. */
enum kt_status folder_explain(enum kt_status status, char *why, size_t why_size, const char *format,
                              ...) __attribute__((format(printf, 4, 5)));

/** Make the folder (0700, its parent must exist). `created` tells that it was not there before. */
enum kt_status folder_create(const char *folder, bool *created, char *why,
                             size_t why_size) KT_NODISCARD;

/** KT_CONFLICT when there is anything in it. */
enum kt_status folder_check_empty(const char *folder, char *why, size_t why_size) KT_NODISCARD;

/** Make the names in the folder, and the folder's own name, survive a power cut. */
enum kt_status folder_sync(const char *folder, char *why, size_t why_size) KT_NODISCARD;

/** Make the contents of one file in the folder survive a power cut. */
enum kt_status folder_sync_file(const char *folder, const char *name, char *why,
                                size_t why_size) KT_NODISCARD;

/** Take the folder for this process until folder_unlock or the process ends. KT_BUSY at once when
 *  it is taken, even by this very process; `why` then names the holder. */
enum kt_status folder_lock(const char *folder, int *lock_fd, char *why,
                           size_t why_size) KT_NODISCARD;
void folder_unlock(int lock_fd);

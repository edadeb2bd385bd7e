/** What the operating system says of this process. Private to engine/. */
#pragma once

#include <stdint.h>

/** 0 where the system does not tell. */
struct process_use {
    uint64_t resident_bytes;
    uint64_t cpu_us; /**< Of all threads, in the kernel and outside. */
    uint64_t threads;
    uint64_t open_files, most_files; /**< Descriptors, and how many it may have. */
};

struct process_use process_look(void);

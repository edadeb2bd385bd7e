/** How a symbol of the server becomes visible to plugins, and how const tables are counted. */
#pragma once

#include <stddef.h>

/** A function of the server that plugins may call. Everything else is hidden. */
#define KT_EXPORT __attribute__((visibility("default")))

/** The caller must look at the result. */
#define KT_NODISCARD __attribute__((warn_unused_result))

/** Number of elements of a real array. */
#define KT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** Initialises any `{at, count}` list from an array: no sentinel to forget. */
#define KT_LIST(array)                                                                             \
    {                                                                                              \
        (array), KT_COUNT(array)                                                                   \
    }

/** Text for people: English and Simplified Chinese, side by side. Static storage, UTF-8. */
struct kt_label {
    const char *en;
    const char *zh;
};

/** A counted list of constant names. */
struct kt_names {
    const char *const *at;
    size_t count;
};

/** A rule host for fuzz targets: a small model, and a store behind it that is always empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Reads a rule file for its declarations, builds its rules, and runs those before and after saves,
 *  transitions and deletions, twice, on a fresh Lua state the second time. Aborts when a failure
 *  does not say so in words. False when the file was refused. */
bool rule_host_try(const char *text, size_t size, uint64_t steps);

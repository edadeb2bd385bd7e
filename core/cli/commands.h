/** Private to core/cli: every command, in the order in which help lists them. */
#pragma once

#include "cli/cli.h"

#define COMMANDS_FOREACH(X)                                                                        \
    X(command_ping)                                                                                \
    X(command_call)                                                                                \
    X(command_describe)                                                                            \
    X(command_get)                                                                                 \
    X(command_search)                                                                              \
    X(command_record_count)                                                                        \
    X(command_aggregate)                                                                           \
    X(command_totals)                                                                              \
    X(command_history)                                                                             \
    X(command_delete)                                                                              \
    X(command_archive)                                                                             \
    X(command_restore)                                                                             \
    X(command_import)                                                                              \
    X(command_export)                                                                              \
    X(command_file_attach)                                                                         \
    X(command_file_get)                                                                            \
    X(command_check)                                                                               \
    X(command_stats)                                                                               \
    X(command_module_list)                                                                         \
    X(command_module_info)                                                                         \
    X(command_module_enable)                                                                       \
    X(command_module_disable)                                                                      \
    X(command_module_upgrade)                                                                      \
    X(command_rules_check)                                                                         \
    X(command_rules_diff)                                                                          \
    X(command_rules_enable)                                                                        \
    X(command_rules_explain)                                                                       \
    X(command_rules_list)                                                                          \
    X(command_rules_log)                                                                           \
    X(command_rules_pull)                                                                          \
    X(command_rules_push)                                                                          \
    X(command_rules_remove)                                                                        \
    X(command_rules_rollback)                                                                      \
    X(command_rules_stubs)                                                                         \
    X(command_rules_test)                                                                          \
    X(command_rules_trace)                                                                         \
    X(command_rules_try)                                                                           \
    X(command_user_list)                                                                           \
    X(command_user_add)                                                                            \
    X(command_user_passwd)

#define COMMANDS_DECLARE(name) extern const struct cli_command name;
COMMANDS_FOREACH(COMMANDS_DECLARE)
#undef COMMANDS_DECLARE

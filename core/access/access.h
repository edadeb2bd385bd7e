/** Who may do what: users, passwords, tokens, roles, and the one permission check.
 *
 *  Users are records (system.user) whose `roles` are tags; passwords live apart in a space that no
 *  method can read. A permission is a name; a role grants names or prefixes ending in "*". */
#pragma once

#include "kontor/plugin.h"
#include "record/context.h"

/** The built-in module `system`: users and settings. Always enabled. */
extern const struct kt_plugin access_system;

/** Permissions of the enabled modules' roles. Immutable. */
struct access_table {
    const struct kt_role **roles; /**< Sorted by name. */
    size_t count;
};
void access_table_build(struct access_table *table, const struct schema_module *modules,
                        size_t count);
void access_table_free(struct access_table *table);

/** The one check: of the roles that act at present. The server itself may do everything. */
bool access_may(const struct kt_ctx *ctx, const struct access_table *table, const char *permission);
/** Of the user, whoever acts. */
bool access_has_role(const struct kt_ctx *ctx, const char *role);
/** KT_OK or KT_DENIED with an error naming the permission. */
enum kt_status access_require(struct kt_ctx *ctx, const char *permission);

/** Make `ctx` act for the user: name and roles from the record. KT_UNAUTHENTICATED when the user is
 *  gone or not active. */
enum kt_status access_become(struct kt_ctx *ctx, uint64_t user_id);
void access_become_server(struct kt_ctx *ctx);
/** Before a login: no user, no role, no right. */
void access_become_nobody(struct kt_ctx *ctx);

/** Argon2id (RFC 9106) by libsodium at its interactive cost. */
enum kt_status access_password_set(struct kt_ctx *ctx, uint64_t user_id, const char *password);
/** KT_UNAUTHENTICATED, with the same error for an unknown user and a wrong password and at about
 *  the same cost, so that names cannot be probed. */
enum kt_status access_login(struct kt_ctx *ctx, const char *name, const char *password,
                            uint64_t *user_id);
/** A token is good for 12 hours and dies with the password it was made under. */
enum kt_status access_token_make(struct kt_ctx *ctx, uint64_t user_id, const char **out);
enum kt_status access_token_check(struct kt_ctx *ctx, const char *text, uint64_t *user_id);

/** On empty data: the token key and the user `admin` with a random password, which is returned in
 *  the arena for whoever shows it once; NULL when the administrator was there already. */
enum kt_status access_first_start(struct kt_ctx *ctx, const char **password);

/* Passwords and tokens. What is kept here is never part of a record and no method answers with it.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "access/access.h"
#include "record/record.h"
#include "record/space.h"

#define TOKEN_HOURS  12
#define PASSWORD_MIN 8

struct token {
    uint64_t user_id;
    int64_t expires_us;
    uint8_t mac[crypto_auth_BYTES];
};

static void secret_key(struct key *key, const char *kind, uint64_t id)
{
    key_begin(key, SPACE_SECRET);
    key_add_text(key, kind, strlen(kind));
    key_add_u64(key, id);
}

static enum kt_status store_failed(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
}

enum kt_status access_password_set(struct kt_ctx *ctx, uint64_t user_id, const char *password)
{
    char hash[crypto_pwhash_STRBYTES] = {0};
    struct key key;
    if (strlen(password) < PASSWORD_MIN)
        return kt_fail(ctx, KT_INVALID, "password", "the password needs at least %d characters",
                       "密码至少需要 %d 个字符", PASSWORD_MIN);
    if (crypto_pwhash_str(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return kt_fail(ctx, KT_BUSY, NULL, "not enough memory to hash the password",
                       "内存不足，无法计算密码散列");
    secret_key(&key, "password", user_id);
    if (store_put(ctx->txn, key_slice(&key), (struct store_slice){hash, sizeof(hash)}) != KT_OK)
        return store_failed(ctx);
    return KT_OK;
}

/* The stored hash, or (with false) one that no password fits, so that both cases cost the same. */
static bool load_hash(struct kt_ctx *ctx, uint64_t user_id, char hash[crypto_pwhash_STRBYTES])
{
    struct key key;
    struct store_slice bytes;
    secret_key(&key, "password", user_id);
    if (store_get(ctx->txn, key_slice(&key), &bytes) == KT_OK &&
        bytes.size == crypto_pwhash_STRBYTES) {
        memcpy(hash, bytes.at, crypto_pwhash_STRBYTES);
        return true;
    }
    snprintf(hash, crypto_pwhash_STRBYTES,
             "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    return false;
}

enum kt_status access_login(struct kt_ctx *ctx, const char *name, const char *password,
                            uint64_t *user_id)
{
    const msgpack_object *user = NULL;
    char hash[crypto_pwhash_STRBYTES] = {0};
    KT_TRY(kt_record_find(ctx, "system.user", "name", kt_text(name), &user));
    uint64_t id = user ? kt_get_id(user, "id") : 0;
    bool known = load_hash(ctx, id, hash) && user && kt_get_bool(user, "active");
    bool fits = crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
    if (!known || !fits)
        return kt_fail(ctx, KT_UNAUTHENTICATED, "password",
                       "the user name or the password is wrong", "用户名或密码错误");
    *user_id = id;
    return KT_OK;
}

static enum kt_status token_mac(struct kt_ctx *ctx, const struct token *token,
                                uint8_t mac[crypto_auth_BYTES])
{
    struct key key;
    struct store_slice secret;
    char hash[crypto_pwhash_STRBYTES] = {0};
    uint8_t message[sizeof(uint64_t) * 2 + sizeof(hash)];
    secret_key(&key, "token", 0);
    if (store_get(ctx->txn, key_slice(&key), &secret) != KT_OK ||
        secret.size != crypto_auth_KEYBYTES)
        return store_failed(ctx);
    load_hash(ctx, token->user_id, hash);
    memcpy(message, &token->user_id, sizeof(uint64_t));
    memcpy(message + sizeof(uint64_t), &token->expires_us, sizeof(int64_t));
    memcpy(message + sizeof(uint64_t) * 2, hash, sizeof(hash));
    crypto_auth(mac, message, sizeof(message), secret.at);
    sodium_memzero(hash, sizeof(hash));
    return KT_OK;
}

enum kt_status access_token_make(struct kt_ctx *ctx, uint64_t user_id, const char **out)
{
    struct token token = {.user_id = user_id};
    token.expires_us = kt_now(ctx) + (int64_t)TOKEN_HOURS * 3600 * 1000000;
    KT_TRY(token_mac(ctx, &token, token.mac));
    size_t size =
        sodium_base64_encoded_len(sizeof(token), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = kt_alloc(ctx, size);
    sodium_bin2base64(text, size, (const uint8_t *)&token, sizeof(token),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    *out = text;
    return KT_OK;
}

enum kt_status access_token_check(struct kt_ctx *ctx, const char *text, uint64_t *user_id)
{
    struct token token = {0};
    uint8_t mac[crypto_auth_BYTES];
    size_t size = 0;
    bool whole = sodium_base642bin((uint8_t *)&token, sizeof(token), text, strlen(text), NULL,
                                   &size, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
                 size == sizeof(token);
    KT_TRY(token_mac(ctx, &token, mac));
    if (!whole || sodium_memcmp(mac, token.mac, sizeof(mac)) != 0 || token.expires_us < kt_now(ctx))
        return kt_fail(ctx, KT_UNAUTHENTICATED, "token", "the token is not valid or has expired",
                       "令牌无效或已过期");
    *user_id = token.user_id;
    return KT_OK;
}

static enum kt_status make_token_key(struct kt_ctx *ctx)
{
    struct key key;
    struct store_slice there;
    uint8_t secret[crypto_auth_KEYBYTES];
    secret_key(&key, "token", 0);
    if (store_get(ctx->txn, key_slice(&key), &there) == KT_OK)
        return KT_OK;
    crypto_auth_keygen(secret);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){secret, sizeof(secret)});
    sodium_memzero(secret, sizeof(secret));
    return status == KT_OK ? KT_OK : store_failed(ctx);
}

enum kt_status access_first_start(struct kt_ctx *ctx, const char **password)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789";
    const msgpack_object *admin = NULL;
    uint64_t id;
    *password = NULL;
    KT_TRY(make_token_key(ctx));
    KT_TRY(kt_record_find(ctx, "system.user", "name", kt_text("admin"), &admin));
    if (admin)
        return KT_OK;
    char *text = kt_alloc(ctx, 21);
    for (int i = 0; i < 20; i++)
        text[i] = letters[randombytes_uniform(sizeof(letters) - 1)];
    struct kt_map *values = kt_map_new(ctx);
    struct kt_list *roles = kt_list_new(ctx);
    kt_list_add(roles, kt_text("system.admin"));
    kt_map_set_text(values, "name", "admin");
    kt_map_set_text(values, "full_name", "Administrator");
    kt_map_set(values, "roles", roles->object);
    KT_TRY(kt_record_create(ctx, "system.user", values, &id));
    KT_TRY(access_password_set(ctx, id, text));
    *password = text;
    return KT_OK;
}

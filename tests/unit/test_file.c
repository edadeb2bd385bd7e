/* Goal: a content comes back byte for byte, once for all who bring it, and only what a record
 * refers to stays.
 * Method: the folder core/file alone on an empty store, one transaction for a story. */
#include "store_fixture.h"

#include "file/file.h"
#include "kontor/limits.h"

#define CHUNK KT_LIMIT_FILE_CHUNK
#define DAY   ((kt_instant_us)86400 * 1000000)

enum { ANN = 1, BOB = 2 };

static struct store_txn *open_txn(struct fixture *f)
{
    struct store_txn *txn;
    assert_int_equal(store_begin(f->store, NULL, STORE_WRITE, &txn), KT_OK);
    return txn;
}

/* A text that differs from byte to byte. */
static char *made_of(char seed, size_t size)
{
    char *text = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)(seed + (char)(i % 61));
    return text;
}

static uint64_t bring(struct store_txn *txn, uint64_t owner, kt_instant_us now, const char *content,
                      size_t size)
{
    uint64_t upload, there;
    assert_int_equal(file_begin(txn, owner, now, &upload), KT_OK);
    for (size_t at = 0; at < size; at += CHUNK) {
        struct store_slice part = {content + at, size - at < CHUNK ? size - at : CHUNK};
        assert_int_equal(file_append(txn, upload, owner, at, part, &there), KT_OK);
        assert_int_equal(there, at + part.size);
    }
    return upload;
}

static struct file_content finish(struct store_txn *txn, uint64_t upload, file_hash hash)
{
    struct file_content content;
    assert_int_equal(file_finish(txn, upload, ANN, hash, &content), KT_OK);
    return content;
}

static void assert_content(struct store_txn *txn, const char *hash, const char *expected,
                           size_t size)
{
    struct file_content content;
    assert_int_equal(file_find(txn, hash, FILE_HASH_LENGTH, &content), KT_OK);
    assert_int_equal(content.size, size);
    size_t at = 0;
    while (at < size) {
        struct store_slice part;
        assert_int_equal(file_read(txn, &content, at, &part), KT_OK);
        assert_true(part.size > 0 && part.size <= size - at);
        assert_memory_equal(part.at, expected + at, part.size);
        at += part.size;
    }
}

static void a_content_comes_back(void **state)
{
    struct store_txn *txn = open_txn(*state);
    size_t size = CHUNK * 2 + 77;
    char *content = made_of('a', size);
    struct store_slice part;
    file_hash hash;
    struct file_content stored = finish(txn, bring(txn, ANN, 1, content, size), hash);
    assert_content(txn, hash, content, size);
    assert_int_equal(file_read(txn, &stored, CHUNK + 5, &part), KT_OK);
    assert_int_equal(part.size, CHUNK - 5);
    assert_memory_equal(part.at, content + CHUNK + 5, 100);
    assert_int_equal(file_read(txn, &stored, size, &part), KT_OK);
    assert_int_equal(part.size, 0);
    free(content);
    store_abort(txn);
}

/* BLAKE2b-256 of "abc", as b2sum -l 256 prints it. */
static void the_name_is_the_hash(void **state)
{
    struct store_txn *txn = open_txn(*state);
    file_hash hash;
    finish(txn, bring(txn, ANN, 1, "abc", 3), hash);
    assert_string_equal(hash, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    store_abort(txn);
}

static void the_same_content_is_stored_once(void **state)
{
    struct store_txn *txn = open_txn(*state);
    file_hash first, second;
    struct file_content one = finish(txn, bring(txn, ANN, 1, "the same", 8), first);
    struct file_content two = finish(txn, bring(txn, ANN, 2, "the same", 8), second);
    assert_string_equal(first, second);
    assert_int_equal(one.upload, two.upload);
    store_abort(txn);
}

static void chunks_come_in_order_and_may_come_twice(void **state)
{
    struct store_txn *txn = open_txn(*state);
    uint64_t upload, there;
    char *content = made_of('k', CHUNK);
    struct store_slice whole = {content, CHUNK}, tail = {"end", 3};
    assert_int_equal(file_begin(txn, ANN, 1, &upload), KT_OK);
    assert_int_equal(file_append(txn, upload, ANN, CHUNK, whole, &there), KT_CONFLICT);
    assert_int_equal(there, 0);
    assert_int_equal(file_append(txn, upload, ANN, 0, whole, &there), KT_OK);
    assert_int_equal(file_append(txn, upload, ANN, 0, whole, &there), KT_OK);
    assert_int_equal(there, CHUNK);
    assert_int_equal(file_append(txn, upload, ANN, 0, tail, &there), KT_CONFLICT);
    assert_int_equal(file_append(txn, upload, BOB, CHUNK, tail, &there), KT_NOT_FOUND);
    assert_int_equal(file_append(txn, upload, ANN, CHUNK, tail, &there), KT_OK);
    /* A short chunk was the last. */
    assert_int_equal(file_append(txn, upload, ANN, CHUNK + 3, tail, &there), KT_CONFLICT);
    free(content);
    store_abort(txn);
}

static void bad_chunks_are_refused(void **state)
{
    struct store_txn *txn = open_txn(*state);
    uint64_t upload, there;
    struct file_content content;
    file_hash hash;
    char *large = made_of('x', CHUNK + 1);
    assert_int_equal(file_begin(txn, ANN, 1, &upload), KT_OK);
    assert_int_equal(
        file_append(txn, upload, ANN, 0, (struct store_slice){large, CHUNK + 1}, &there),
        KT_TOO_LARGE);
    assert_int_equal(file_append(txn, upload, ANN, 0, (struct store_slice){"", 0}, &there),
                     KT_TOO_LARGE);
    assert_int_equal(file_finish(txn, upload, ANN, hash, &content), KT_INVALID);
    assert_int_equal(file_finish(txn, upload, BOB, hash, &content), KT_NOT_FOUND);
    assert_int_equal(file_find(txn, "abc", 3, &content), KT_NOT_FOUND);
    free(large);
    store_abort(txn);
}

static void only_what_is_kept_outlives_a_sweep(void **state)
{
    struct store_txn *txn = open_txn(*state);
    file_hash kept_hash, left_hash, new_hash;
    struct file_content content;
    size_t size = CHUNK * 3;
    char *large = made_of('m', size);
    bool done;
    unsigned calls = 0;
    struct file_content kept = finish(txn, bring(txn, ANN, 0, "kept", 4), kept_hash);
    assert_int_equal(file_keep(txn, &kept), KT_OK);
    assert_int_equal(file_keep(txn, &kept), KT_OK);
    finish(txn, bring(txn, ANN, 0, large, size), left_hash);
    bring(txn, BOB, 0, "never finished", 14);
    finish(txn, bring(txn, ANN, DAY, "fresh", 5), new_hash);
    do {
        assert_int_equal(file_sweep(txn, DAY, 2, &done), KT_OK);
        calls++;
    } while (!done && calls < 10);
    assert_true(done && calls > 1);
    assert_content(txn, kept_hash, "kept", 4);
    assert_content(txn, new_hash, "fresh", 5);
    assert_int_equal(file_find(txn, left_hash, FILE_HASH_LENGTH, &content), KT_NOT_FOUND);
    free(large);
    store_abort(txn);
}

/* Who brings again what is about to be forgotten has a day anew. */
static void bringing_again_renews(void **state)
{
    struct store_txn *txn = open_txn(*state);
    file_hash hash;
    bool done;
    finish(txn, bring(txn, ANN, 0, "twice", 5), hash);
    finish(txn, bring(txn, ANN, DAY, "twice", 5), hash);
    assert_int_equal(file_sweep(txn, DAY, 100, &done), KT_OK);
    assert_content(txn, hash, "twice", 5);
    store_abort(txn);
}

/* What is finished stays as it is named. */
static void nothing_comes_after_the_end(void **state)
{
    struct store_txn *txn = open_txn(*state);
    char *content = made_of('a', CHUNK);
    uint64_t there;
    bool done;
    file_hash hash, again;
    uint64_t upload = bring(txn, ANN, 0, content, CHUNK);
    struct file_content stored = finish(txn, upload, hash);
    assert_int_equal(file_append(txn, upload, ANN, CHUNK, (struct store_slice){"more", 4}, &there),
                     KT_CONFLICT);
    assert_int_equal(finish(txn, upload, again).upload, stored.upload);
    assert_string_equal(hash, again);
    assert_content(txn, hash, content, CHUNK);
    assert_int_equal(file_sweep(txn, DAY, 100, &done), KT_OK);
    assert_int_equal(file_find(txn, hash, FILE_HASH_LENGTH, &stored), KT_NOT_FOUND);
    free(content);
    store_abort(txn);
}

/* One user's uploads are not another's business. */
static void each_has_so_many_uploads(void **state)
{
    struct store_txn *txn = open_txn(*state);
    uint64_t upload;
    for (unsigned i = 0; i < KT_LIMIT_UPLOADS; i++)
        assert_int_equal(file_begin(txn, ANN, 1, &upload), KT_OK);
    assert_int_equal(file_begin(txn, ANN, 1, &upload), KT_BUSY);
    assert_int_equal(file_begin(txn, BOB, 1, &upload), KT_OK);
    store_abort(txn);
}

/* A number that is in use is never given out again, even when only its content is left. */
static void numbers_do_not_meet(void **state)
{
    struct store_txn *txn = open_txn(*state);
    file_hash hash;
    uint64_t next;
    struct file_content kept = finish(txn, bring(txn, ANN, 1, "kept", 4), hash);
    assert_int_equal(file_keep(txn, &kept), KT_OK);
    assert_int_equal(file_begin(txn, ANN, 1, &next), KT_OK);
    assert_true(next > kept.upload);
    store_abort(txn);
}

struct findings {
    unsigned count;
    char last[200];
};

static void note(void *argument, const char *hash, const struct kt_label *what)
{
    struct findings *findings = argument;
    findings->count++;
    snprintf(findings->last, sizeof(findings->last), "%.4s %s", hash, what->en);
}

static void the_check_reads_every_byte(void **state)
{
    struct store_txn *txn = open_txn(*state);
    file_hash hash;
    struct findings findings = {0};
    struct key key;
    uint64_t count;
    struct file_content content = finish(txn, bring(txn, ANN, 1, "abc", 3), hash);
    assert_int_equal(file_check(txn, note, &findings, &count), KT_OK);
    assert_int_equal(findings.count, 0);
    assert_int_equal(count, 1);
    key_begin(&key, 'P');
    key_add_u64(&key, content.upload);
    key_add_int(&key, 0);
    assert_int_equal(store_put(txn, key_slice(&key), bytes("abd")), KT_OK);
    assert_int_equal(file_check(txn, note, &findings, &count), KT_OK);
    assert_string_equal(findings.last, "bddd is not what it was");
    assert_int_equal(store_del(txn, key_slice(&key)), KT_OK);
    assert_int_equal(file_check(txn, note, &findings, &count), KT_OK);
    assert_string_equal(findings.last, "bddd lacks a chunk");
    store_abort(txn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_content_comes_back),
        STORY(the_name_is_the_hash),
        STORY(the_same_content_is_stored_once),
        STORY(chunks_come_in_order_and_may_come_twice),
        STORY(bad_chunks_are_refused),
        STORY(only_what_is_kept_outlives_a_sweep),
        STORY(bringing_again_renews),
        STORY(nothing_comes_after_the_end),
        STORY(each_has_so_many_uploads),
        STORY(numbers_do_not_meet),
        STORY(the_check_reads_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

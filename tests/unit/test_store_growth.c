/* Goal: the file grows while others read, up to its limit; who reads too long is told; what dead
 * programs left behind is cleared.
 * Method: a tiny map to begin with, and threads and processes that wait for each other, not for the
 * clock (but for the store's own patience of two seconds). */
#include "store_fixture.h"

#include "base/clock.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define KEYS_PER_WRITE 50
#define READERS        4

/* The sanitizers need addresses of their own, and end the process when there are none. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static const char block[1000];

static void open_small(struct fixture *f, uint64_t limit_bytes)
{
    struct store_options options = {.folder = f->folder,
                                    .limit_bytes = limit_bytes,
                                    .start_bytes = MIB,
                                    .unsafe_no_sync = true};
    if (f->store)
        store_lmdb.close(f->store);
    assert_int_equal(store_lmdb.open(&options, &f->store, f->why, sizeof f->why), KT_OK);
}

static struct store_stat stat_of(struct fixture *f)
{
    struct store_stat stat;
    struct store_txn *txn = begin(f, NULL, STORE_READ);
    assert_int_equal(store_lmdb.stat(txn, &stat), KT_OK);
    store_abort(txn);
    return stat;
}

/* One transaction: `round` under "round", and some bulk. */
static enum kt_status write_round(struct fixture *f, int round)
{
    char key[32];
    struct store_txn *txn;
    KT_TRY(store_begin(f->store, NULL, STORE_WRITE, &txn));
    enum kt_status status =
        store_put(txn, bytes("round"), (struct store_slice){&round, sizeof round});
    for (int i = 0; status == KT_OK && i < KEYS_PER_WRITE; i++) {
        snprintf(key, sizeof key, "bulk %06d", round * KEYS_PER_WRITE + i);
        status = store_put(txn, bytes(key), (struct store_slice){block, sizeof block});
    }
    enum kt_status committed = store_commit(txn);
    return status == KT_OK ? committed : status;
}

/* As the engine does it. */
static enum store_fault write_until_told(struct fixture *f, int round)
{
    enum store_fault fault;
    do {
        if (write_round(f, round) == KT_OK)
            return STORE_FAULT_NONE;
        fault = store_take_fault(f->store);
    } while (fault == STORE_FAULT_ROOM);
    return fault;
}

static void a_full_map_grows_and_the_write_is_done_again(void **state)
{
    struct fixture *f = *state;
    open_small(f, 64 * MIB);
    struct store_txn *parked = begin(f, NULL, STORE_READ);
    store_reset(parked);
    assert_true(stat_of(f).map_bytes == MIB);

    /* 400 rounds of 50 values of 1000 bytes are 20 MB: the map doubles five times. */
    for (int round = 0; round < 400; round++)
        assert_int_equal(write_until_told(f, round), STORE_FAULT_NONE);

    struct store_stat stat = stat_of(f);
    assert_true(stat.map_bytes == 32 * MIB);
    assert_true(stat.limit_bytes == 64 * MIB);
    assert_int_equal(stat.entries, 400 * KEYS_PER_WRITE + 1);
    assert_int_equal(store_renew(parked), KT_OK);
    struct store_slice found;
    assert_int_equal(store_get(parked, bytes("bulk 019999"), &found), KT_OK);
    store_abort(parked);
}

static void a_larger_file_is_opened_with_room_to_spare(void **state)
{
    struct fixture *f = *state;
    open_small(f, 64 * MIB);
    for (int round = 0; round < 100; round++) /* 5 MB, and half pages left by splits. */
        assert_int_equal(write_until_told(f, round), STORE_FAULT_NONE);
    open_small(f, 64 * MIB);
    struct store_stat stat = stat_of(f);
    assert_true(stat.map_bytes >= 2 * stat.file_bytes && stat.map_bytes <= 4 * stat.file_bytes);
}

struct reading {
    struct fixture *f;
    atomic_bool *is_over;
    int last;
};

/* What a snapshot says of itself must be true: round N has the keys of all rounds up to N. */
static void *read_all_the_time(void *argument)
{
    struct reading *reading = argument;
    struct store_txn *txn = begin(reading->f, NULL, STORE_READ);
    while (!atomic_load(reading->is_over)) {
        struct store_slice found;
        char key[32];
        int round = -1;
        if (store_get(txn, bytes("round"), &found) == KT_OK)
            memcpy(&round, found.at, sizeof round);
        snprintf(key, sizeof key, "bulk %06d", round * KEYS_PER_WRITE + KEYS_PER_WRITE - 1);
        assert_true(round < 0 || store_get(txn, bytes(key), &found) == KT_OK);
        assert_true(round >= reading->last);
        reading->last = round;
        store_reset(txn);
        assert_int_equal(store_renew(txn), KT_OK);
    }
    store_abort(txn);
    return NULL;
}

static void readers_go_on_while_the_map_grows(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[READERS];
    struct reading readings[READERS];
    atomic_bool is_over = false;
    open_small(f, 64 * MIB);
    for (int i = 0; i < READERS; i++) {
        readings[i] = (struct reading){f, &is_over, -1};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &readings[i]), 0);
    }
    for (int round = 0; round < 400; round++)
        assert_int_equal(write_until_told(f, round), STORE_FAULT_NONE);
    atomic_store(&is_over, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(stat_of(f).map_bytes == 32 * MIB);
}

static void *read_without_end(void *argument)
{
    struct reading *reading = argument;
    struct store_slice found;
    struct store_txn *txn = begin(reading->f, NULL, STORE_READ);
    enum kt_status status = KT_OK;
    atomic_store(reading->is_over, false); /* The writer may begin. */
    while (status == KT_OK || status == KT_NOT_FOUND)
        status = store_get(txn, bytes("round"), &found);
    assert_int_equal(status, KT_BUSY);
    assert_int_equal(store_failure(txn), KT_BUSY);
    store_reset(txn);
    assert_int_equal(store_renew(txn), KT_OK); /* The next read is as good as any. */
    assert_int_equal(store_failure(txn), KT_OK);
    assert_int_equal(store_get(txn, bytes("round"), &found), KT_OK);
    store_abort(txn);
    return NULL;
}

static void a_read_without_end_is_ended_when_the_map_must_grow(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    atomic_bool waits = true;
    struct reading reading = {f, &waits, -1};
    open_small(f, 64 * MIB);
    assert_int_equal(write_until_told(f, 0), STORE_FAULT_NONE);
    assert_int_equal(pthread_create(&thread, NULL, read_without_end, &reading), 0);
    while (atomic_load(&waits))
        ;
    for (int round = 1; round < 40; round++)
        assert_int_equal(write_until_told(f, round), STORE_FAULT_NONE);
    pthread_join(thread, NULL);
    assert_true(stat_of(f).map_bytes > MIB);
}

static void a_read_that_does_not_move_stops_growth_until_it_ends(void **state)
{
    struct fixture *f = *state;
    open_small(f, 64 * MIB);
    struct store_txn *still = begin(f, NULL, STORE_READ);
    enum store_fault fault = STORE_FAULT_NONE;
    int round = 0;
    while (fault == STORE_FAULT_NONE && round < 40)
        fault = write_until_told(f, round++);
    assert_int_equal(fault, STORE_FAULT_GROWTH);
    save(f, "small", "1"); /* What fits is taken meanwhile. */
    store_abort(still);

    struct store_stat stat = stat_of(f);
    for (int tries = 0; stat.map_bytes == MIB && tries < 1000000; tries++) {
        fault = write_until_told(f, round);
        stat = stat_of(f);
    }
    assert_int_equal(fault, STORE_FAULT_NONE);
    assert_true(stat.map_bytes == 2 * MIB);
}

static void wait_for_the_next_try(void)
{
    int64_t until_us = clock_monotonic_us() + 1100000;
    while (clock_monotonic_us() < until_us)
        ;
}

/* It would be told ROOM, for ever: each time it is done again, as much time goes by. */
static void a_slow_write_is_told_that_the_store_could_not_grow_for_it(void **state)
{
    struct fixture *f = *state;
    open_small(f, 64 * MIB);
    struct store_txn *still = begin(f, NULL, STORE_READ);
    enum kt_status status = KT_OK;
    for (int round = 0; status == KT_OK && round < 40; round++)
        status = write_round(f, round);
    assert_int_equal(store_take_fault(f->store), STORE_FAULT_ROOM);

    struct store_txn *slow = begin(f, NULL, STORE_WRITE); /* Here it tries to grow. */
    wait_for_the_next_try();
    status = KT_OK;
    for (int i = 0; status == KT_OK && i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "slow %06d", i);
        status = store_put(slow, bytes(key), (struct store_slice){block, sizeof block});
    }
    assert_int_equal(status, KT_BUSY);
    assert_int_equal(store_take_fault(f->store), STORE_FAULT_GROWTH);
    store_abort(slow);
    store_abort(still);
}

/* What the process may map besides what it has now; a negative number: not even that. */
static bool limit_address_space(int64_t more_bytes)
{
    char pages[32] = "";
    struct rlimit space;
    FILE *memory = fopen("/proc/self/statm", "re");
    if (!memory || !fgets(pages, sizeof pages, memory) || fclose(memory) != 0 ||
        getrlimit(RLIMIT_AS, &space) != 0)
        return false;
    space.rlim_cur = strtoull(pages, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)more_bytes;
    return setrlimit(RLIMIT_AS, &space) == 0;
}

static enum store_fault fill_from_16_mib(struct fixture *f, int64_t more_bytes)
{
    struct store_options options = {
        .folder = f->folder, .start_bytes = 16 * MIB, .unsafe_no_sync = true};
    if (store_lmdb.open(&options, &f->store, f->why, sizeof f->why) != KT_OK ||
        !limit_address_space(more_bytes))
        return STORE_FAULT_NONE;
    enum store_fault fault = STORE_FAULT_NONE;
    for (int round = 0; fault == STORE_FAULT_NONE && round < 2000; round++)
        fault = write_until_told(f, round);
    return fault;
}

static bool can_read(struct fixture *f)
{
    struct store_slice found;
    struct store_txn *txn;
    if (store_begin(f->store, NULL, STORE_READ, &txn) != KT_OK)
        return false;
    bool is_there = store_get(txn, bytes("bulk 000007"), &found) == KT_OK;
    store_abort(txn);
    return is_there;
}

/* In a child, because a limit is for the whole process. */
static int run_apart(struct fixture *f, int (*story)(struct fixture *f))
{
    int result;
    if (IS_SANITIZED)
        skip();
    store_lmdb.close(f->store);
    f->store = NULL;
    pid_t child = fork();
    if (child == 0)
        _exit(story(f));
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    return WEXITSTATUS(result);
}

static int meet_a_system_that_gives_no_more(struct fixture *f)
{
    /* Room for a map of 32 MiB, but not of 64. */
    return fill_from_16_mib(f, 32 * (int64_t)MIB) == STORE_FAULT_GROWTH && can_read(f) ? 0 : 1;
}

static void a_map_that_the_system_refuses_leaves_the_store_as_it_was(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_apart(f, meet_a_system_that_gives_no_more), 0);
    open_small(f, 64 * MIB);
    assert_true(stat_of(f).entries > 20000); /* 32 MiB hold some 25 000 of 1000 bytes. */
}

static int meet_a_system_that_gives_less(struct fixture *f)
{
    /* Once the map is given back, it is not to be had again. */
    if (fill_from_16_mib(f, -20 * (int64_t)MIB) != STORE_FAULT_GROWTH || can_read(f))
        return 1;
    const struct rlimit space = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &space) != 0)
        return 2;
    enum kt_status status = KT_BUSY;
    for (int tries = 0; status == KT_BUSY && tries < 10000000; tries++)
        status = write_round(f, 0);
    return status == KT_OK && can_read(f) ? 0 : 3;
}

static void a_store_that_the_system_closed_opens_again(void **state)
{
    assert_int_equal(run_apart(*state, meet_a_system_that_gives_less), 0);
}

static void at_its_limit_the_store_refuses_what_does_not_fit_and_serves_reads(void **state)
{
    struct fixture *f = *state;
    open_small(f, 4 * MIB);
    enum store_fault fault = STORE_FAULT_NONE;
    int round = 0;
    while (fault == STORE_FAULT_NONE && round < 200)
        fault = write_until_told(f, round++);
    assert_int_equal(fault, STORE_FAULT_LIMIT);
    struct store_stat stat = stat_of(f);
    assert_true(stat.map_bytes == 4 * MIB);
    assert_int_equal(stat.entries, (round - 1) * KEYS_PER_WRITE + 1); /* All of a round, or none. */
}

/* A program that looks into the file by itself, and dies in the middle. */
static void die_reading(const char *folder)
{
    MDB_env *env;
    MDB_txn *txn;
    if (mdb_env_create(&env) != 0 || mdb_env_open(env, folder, MDB_NOTLS, 0600) != 0 ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
        _exit(1);
    _exit(0);
}

static void what_a_dead_reader_kept_is_used_again(void **state)
{
    struct fixture *f = *state;
    int result;
    open_small(f, 2 * MIB);
    assert_int_equal(write_until_told(f, 0), STORE_FAULT_NONE);
    pid_t child = fork();
    if (child == 0)
        die_reading(f->folder);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    /* 50 kB each: with a snapshot held, the 2 MiB would be full after some forty. */
    for (int again = 0; again < 200; again++)
        assert_int_equal(write_until_told(f, 0), STORE_FAULT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_full_map_grows_and_the_write_is_done_again),
        STORY(a_larger_file_is_opened_with_room_to_spare),
        STORY(readers_go_on_while_the_map_grows),
        STORY(a_read_without_end_is_ended_when_the_map_must_grow),
        STORY(a_read_that_does_not_move_stops_growth_until_it_ends),
        STORY(a_slow_write_is_told_that_the_store_could_not_grow_for_it),
        STORY(a_map_that_the_system_refuses_leaves_the_store_as_it_was),
        STORY(a_store_that_the_system_closed_opens_again),
        STORY(at_its_limit_the_store_refuses_what_does_not_fit_and_serves_reads),
        STORY(what_a_dead_reader_kept_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

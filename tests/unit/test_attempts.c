/* Goal: guessing passwords gets slow, and only for the one who guesses.
 * Method: a clock of our own; 5 free attempts. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/attempts.h"

#define SECOND INT64_C(1000000)
#define FREE   5

static const unsigned char here[ENGINE_ADDRESS_BYTES] = {1};
static const unsigned char there[ENGINE_ADDRESS_BYTES] = {2};

static int set_up(void **state)
{
    *state = attempts_new(FREE);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    attempts_free(*state);
    return 0;
}

static struct attempts_who at(const unsigned char *address, const char *user)
{
    return (struct attempts_who){user, address, false};
}

/* Tries again as soon as it may; the seconds it had to wait before each try. */
static void waits_of(struct attempts *attempts, struct attempts_who who, int64_t *now,
                     unsigned *waits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        waits[i] = attempts_wait_s(attempts, who, *now);
        *now += waits[i] * SECOND;
        attempts_failed(attempts, who, *now);
    }
}

/* Five are free; then 1, 2, 4, ... seconds, and never more than 60. */
static void each_wrong_one_costs_more(void **state)
{
    static const unsigned expected[] = {0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60};
    unsigned waits[15];
    int64_t now = 1000 * SECOND;
    waits_of(*state, at(here, "ida"), &now, waits, 15);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(waits[i], expected[i]);
}

static void nobody_else_waits(void **state)
{
    struct attempts *attempts = *state;
    unsigned waits[12];
    int64_t now = 1000 * SECOND;
    waits_of(attempts, at(here, "ida"), &now, waits, 12);
    assert_in_range(attempts_wait_s(attempts, at(here, "ida"), now), 50, 60);
    assert_int_equal(attempts_wait_s(attempts, at(there, "ida"), now), 0);
    assert_int_equal(attempts_wait_s(attempts, at(here, "max"), now), 0);
}

/* 50 are free for the address, whoever they are for. */
static void one_address_that_tries_many_names_waits(void **state)
{
    struct attempts *attempts = *state;
    char name[16];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "user%d", i);
        attempts_failed(attempts, at(here, name), SECOND);
    }
    assert_int_equal(attempts_wait_s(attempts, at(here, "max"), SECOND), 0);
    attempts_failed(attempts, at(here, "user50"), SECOND);
    assert_int_equal(attempts_wait_s(attempts, at(here, "max"), SECOND), 1);
    assert_int_equal(attempts_wait_s(attempts, at(there, "max"), SECOND), 0);
}

/* Of an address that many share, only the name that was tried waits. */
static void many_names_from_a_shared_address_do_not_wait(void **state)
{
    struct attempts *attempts = *state;
    struct attempts_who max = {"max", here, true};
    struct attempts_who ida = {"ida", here, true};
    char name[16];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "user%d", i);
        attempts_failed(attempts, (struct attempts_who){name, here, true}, SECOND);
    }
    assert_int_equal(attempts_wait_s(attempts, max, SECOND), 0);
    for (int i = 0; i < FREE + 2; i++)
        attempts_failed(attempts, ida, SECOND);
    assert_int_equal(attempts_wait_s(attempts, ida, SECOND), 2);
    assert_int_equal(attempts_wait_s(attempts, max, SECOND), 0);
}

/* 50 are free for the name, wherever they come from; then at most 4 s. */
static void one_name_tried_from_everywhere_waits_little(void **state)
{
    struct attempts *attempts = *state;
    for (unsigned char i = 0; i < 60; i++) {
        unsigned char address[ENGINE_ADDRESS_BYTES] = {9, i};
        attempts_failed(attempts, at(address, "ida"), SECOND);
    }
    assert_int_equal(attempts_wait_s(attempts, at(there, "ida"), SECOND), 4);
    assert_int_equal(attempts_wait_s(attempts, at(there, "max"), SECOND), 0);
    assert_int_equal(attempts_wait_s(attempts, at(there, "ida"), 5 * SECOND), 0);
}

static void the_right_one_forgives_the_name_but_not_the_address(void **state)
{
    struct attempts *attempts = *state;
    for (int i = 0; i < FREE + 1; i++)
        attempts_failed(attempts, at(here, "ida"), SECOND);
    assert_int_equal(attempts_wait_s(attempts, at(here, "ida"), SECOND), 1);
    attempts_succeeded(attempts, at(here, "ida"));
    assert_int_equal(attempts_wait_s(attempts, at(here, "ida"), SECOND), 0);
    /* 6 of the address are still counted: 44 are left. */
    for (int i = 0; i < 44; i++) {
        attempts_failed(attempts, at(here, "ida"), SECOND);
        attempts_succeeded(attempts, at(here, "ida"));
    }
    assert_int_equal(attempts_wait_s(attempts, at(here, "ida"), SECOND), 0);
    attempts_failed(attempts, at(here, "ida"), SECOND);
    attempts_succeeded(attempts, at(here, "ida"));
    assert_int_equal(attempts_wait_s(attempts, at(here, "ida"), SECOND), 1);
}

static void a_minute_forgives_one(void **state)
{
    struct attempts *attempts = *state;
    for (int i = 0; i < FREE; i++)
        attempts_failed(attempts, at(here, "ida"), SECOND);
    attempts_failed(attempts, at(here, "ida"), 62 * SECOND);
    assert_int_equal(attempts_wait_s(attempts, at(here, "ida"), 62 * SECOND), 0);
    attempts_failed(attempts, at(here, "ida"), 62 * SECOND);
    assert_int_equal(attempts_wait_s(attempts, at(here, "ida"), 62 * SECOND), 1);
}

/* Ten times as many names as there are places: the table stays what it is, and works on. */
static void more_names_than_places(void **state)
{
    struct attempts *attempts = *state;
    char name[16];
    for (unsigned i = 0; i < 80000; i++) {
        unsigned char address[ENGINE_ADDRESS_BYTES] = {(unsigned char)i, (unsigned char)(i >> 8),
                                                       (unsigned char)(i >> 16), 7};
        snprintf(name, sizeof name, "user%u", i);
        attempts_failed(attempts, at(address, name), i);
    }
    for (int i = 0; i < FREE + 1; i++)
        attempts_failed(attempts, at(here, "ida"), SECOND);
    assert_int_equal(attempts_wait_s(attempts, at(here, "ida"), SECOND), 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(each_wrong_one_costs_more),
        STORY(nobody_else_waits),
        STORY(one_address_that_tries_many_names_waits),
        STORY(many_names_from_a_shared_address_do_not_wait),
        STORY(one_name_tried_from_everywhere_waits_little),
        STORY(the_right_one_forgives_the_name_but_not_the_address),
        STORY(a_minute_forgives_one),
        STORY(more_names_than_places),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

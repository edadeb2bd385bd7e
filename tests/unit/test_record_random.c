/* Goal: whatever is asked, however it is ordered and paged, and whichever plan answers it, the
 * answer is that of a plain model that looks at everything.
 * Method: some hundred parties, kept both as records and in an array; thousands of random questions
 * with a fixed seed, each answered by the array, by the planner's choice, by a walk over all
 * records (a condition inside "and" is not seen by the planner), in pages, and as a count. */
#include "query_fixture.h"

#define PARTIES 260
#define NONE    INT32_MIN

struct party {
    uint64_t id;
    bool there;
    int rating, credit, name, kind, parent; /* Credit in cents; parent as place in the array. */
    unsigned tags;
};
static struct party parties[PARTIES + 64];
static int party_count;

static const char *const tag_words[] = {"red", "big", "old"};

static const char *number_or_nothing(struct fixture *f, int value)
{
    return value == NONE ? "null" : kt_format(&f->ctx, "%d", value);
}

static void add_party(struct fixture *f)
{
    struct party *party = &parties[party_count];
    char tags[64] = "";
    *party = (struct party){.there = true};
    party->rating = rand() % 6 ? rand() % 9 - 2 : NONE;
    party->credit = rand() % 4 ? rand() % 12 * 50 : NONE;
    party->name = rand() % 8 ? rand() % 7 : NONE;
    party->kind = rand() % 2;
    party->parent = party_count && rand() % 3 ? rand() % party_count : NONE;
    party->tags = rand() % 2 ? (unsigned)rand() % 8 : 0;
    while (party->parent != NONE && !parties[party->parent].there)
        party->parent = party->parent ? party->parent - 1 : NONE;
    for (unsigned i = 0; i < 3; i++)
        if (party->tags & 1u << i)
            snprintf(tags + strlen(tags), sizeof(tags) - strlen(tags), "%s'%s'", *tags ? "," : "",
                     tag_words[i]);
    int whole = party->credit / 100, cents = party->credit % 100;
    const char *credit =
        party->credit == NONE ? "null" : kt_format(&f->ctx, "'%d.%02d'", whole, cents);
    int parent = party->parent == NONE ? NONE : (int)parties[party->parent].id;
    party->id = create(
        f, "shop.party",
        json(f,
             "{'code': 'C%d', 'name': %s, 'rating': %s, 'credit': %s, 'kind': '%s',"
             " 'tags': [%s], 'parent': %s}",
             party_count, party->name == NONE ? "null" : kt_format(&f->ctx, "'N%d'", party->name),
             number_or_nothing(f, party->rating), credit, party->kind ? "person" : "company", tags,
             number_or_nothing(f, parent)));
    assert_true(party->id);
    party_count++;
}

static int many_parties(void **state)
{
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    srand(7);
    party_count = 0;
    f->filling = true;
    for (int i = 0; i < PARTIES; i++)
        add_party(f);
    f->filling = false;
    forget(f);
    return 0;
}

/* --- The model's answer --- */

enum field { RATING, CREDIT, NAME, KIND, PARENT_RATING, PARENT, TAGS, ID, FIELDS };
static const char *const field_names[] = {"rating",        "credit", "name", "kind",
                                          "parent.rating", "parent", "tags", "id"};
static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">=", "in"};

struct term {
    enum field field;
    int op;
    int values[4];
    int value_count;
};

static int field_of(const struct party *party, enum field field)
{
    switch (field) {
    case RATING:
        return party->rating;
    case CREDIT:
        return party->credit;
    case NAME:
        return party->name;
    case KIND:
        return party->kind;
    case PARENT_RATING:
        return party->parent == NONE ? NONE : parties[party->parent].rating;
    case PARENT:
        return party->parent == NONE ? NONE : (int)parties[party->parent].id;
    default:
        return (int)party->id;
    }
}

static bool one_holds(const struct term *term, int value)
{
    if (term->op == 6) {
        for (int i = 0; i < term->value_count; i++)
            if (term->values[i] == value)
                return true;
        return false;
    }
    int wanted = term->values[0];
    if (value == NONE || wanted == NONE)
        return term->op == 0 ? value == wanted : term->op == 1 && value != wanted;
    const bool results[] = {value == wanted, value != wanted,
                            value<wanted, value <= wanted, value> wanted, value >= wanted};
    return results[term->op];
}

static bool holds(const struct term *term, const struct party *party)
{
    /* Tags compare as text: big < old < red. */
    static const int places[] = {2, 0, 1};
    if (term->field != TAGS)
        return one_holds(term, field_of(party, term->field));
    for (unsigned i = 0; i < 3; i++)
        if ((party->tags & 1u << i) && one_holds(term, places[i]))
            return true;
    return party->tags == 0 && one_holds(term, NONE);
}

/* A question: some terms joined by and, and perhaps one "or" of two more. */
struct random_question {
    struct term terms[3];
    int term_count;
    struct term either[2];
    bool has_or;
    enum field order[3];
    bool descending[3];
    int order_count;
};

static bool answers(const struct random_question *asked, const struct party *party)
{
    bool all = party->there;
    for (int i = 0; i < asked->term_count; i++)
        all = all && holds(&asked->terms[i], party);
    return all &&
           (!asked->has_or || holds(&asked->either[0], party) || holds(&asked->either[1], party));
}

static int by_order(const void *a, const void *b, void *argument)
{
    const struct random_question *asked = argument;
    const struct party *left = &parties[*(const int *)a], *right = &parties[*(const int *)b];
    bool down = false;
    for (int i = 0; i < asked->order_count; i++) {
        int x = field_of(left, asked->order[i]), y = field_of(right, asked->order[i]);
        if (asked->order[i] == KIND) { /* "company" before "person" */
            x = left->kind;
            y = right->kind;
        }
        down = asked->descending[i];
        if (x != y)
            return (x < y) != down ? -1 : 1;
    }
    return (left->id < right->id) != down ? -1 : 1;
}

static const char *model_answer(struct fixture *f, struct random_question *asked, int *count)
{
    static int found[PARTIES + 64];
    char *ids = kt_alloc(&f->ctx, FOUND_MAX);
    *count = 0;
    for (int i = 0; i < party_count; i++)
        if (answers(asked, &parties[i]))
            found[(*count)++] = i;
    qsort_r(found, (size_t)*count, sizeof(*found), by_order, asked);
    for (int i = 0; i < *count; i++)
        note_id(&f->ctx, ids, parties[found[i]].id, (struct store_slice){0});
    return ids;
}

/* --- The same in words --- */

static const char *value_text(struct fixture *f, enum field field, int value)
{
    static const char *const places[] = {"'big'", "'old'", "'red'"};
    if (value == NONE)
        return "null";
    if (field == CREDIT)
        return kt_format(&f->ctx, "'%d.%d'", value / 100, value % 100 / 10);
    if (field == KIND)
        return value ? "'person'" : "'company'";
    if (field == TAGS)
        return places[value];
    return kt_format(&f->ctx, field == NAME ? "'N%d'" : "%d", value);
}

static const char *term_text(struct fixture *f, const struct term *term)
{
    const char *values = value_text(f, term->field, term->values[0]);
    for (int i = 1; i < term->value_count; i++)
        values = kt_format(&f->ctx, "%s, %s", values, value_text(f, term->field, term->values[i]));
    return kt_format(&f->ctx, term->op == 6 ? "['%s', '%s', [%s]]" : "['%s', '%s', %s]",
                     field_names[term->field], ops[term->op], values);
}

static struct term random_term(void)
{
    static const int spans[] = {9, 12, 7, 2, 9, PARTIES, 3, PARTIES};
    struct term term = {.field = (enum field)(rand() % FIELDS), .op = rand() % 7};
    if (rand() % 3 == 0)
        term.op = 0;
    if (term.field == KIND && term.op > 1)
        term.op = 0;
    term.value_count = term.op == 6 ? 1 + rand() % 4 : 1;
    for (int i = 0; i < term.value_count; i++) {
        int value = rand() % spans[term.field];
        bool id = term.field == PARENT || term.field == ID;
        bool rating = term.field == RATING || term.field == PARENT_RATING;
        term.values[i] = term.field == CREDIT ? value * 50 : rating ? value - 2 : value + id;
        if (!id && term.field != KIND && rand() % 12 == 0)
            term.values[i] = NONE;
    }
    return term;
}

static struct random_question random_question(void)
{
    static const enum field sortable[] = {RATING, CREDIT, NAME, KIND, PARENT_RATING, ID};
    struct random_question asked = {.term_count = rand() % 4, .has_or = rand() % 4 == 0};
    for (int i = 0; i < asked.term_count; i++)
        asked.terms[i] = random_term();
    asked.either[0] = random_term();
    asked.either[1] = random_term();
    asked.order_count = rand() % 4;
    for (int i = 0; i < asked.order_count; i++) {
        asked.order[i] = sortable[(size_t)rand() % KT_COUNT(sortable)];
        asked.descending[i] = rand() % 2;
    }
    return asked;
}

static const char *where_text(struct fixture *f, const struct random_question *asked, bool hidden)
{
    const char *where = "";
    for (int i = 0; i < asked->term_count; i++)
        where = kt_format(&f->ctx, hidden ? "%s%s['and', %s]" : "%s%s%s", where, i ? ", " : "",
                          term_text(f, &asked->terms[i]));
    if (asked->has_or)
        where = kt_format(&f->ctx, hidden ? "%s%s['and', ['or', %s, %s]]" : "%s%s['or', %s, %s]",
                          where, asked->term_count ? ", " : "", term_text(f, &asked->either[0]),
                          term_text(f, &asked->either[1]));
    return kt_format(&f->ctx, "[%s]", where);
}

static const char *order_text(struct fixture *f, const struct random_question *asked)
{
    const char *order = "";
    for (int i = 0; i < asked->order_count; i++)
        order = kt_format(&f->ctx, "%s%s'%s%s'", order, i ? ", " : "",
                          asked->descending[i] ? "-" : "", field_names[asked->order[i]]);
    return kt_format(&f->ctx, "[%s]", order);
}

/* --- Stories --- */

static const char *pages_of(struct fixture *f, struct record_question asked, uint32_t limit)
{
    char *ids = kt_alloc(&f->ctx, FOUND_MAX);
    msgpack_object next = kt_nil(), after;
    int pages = 0;
    asked.limit = limit;
    asked.paged = true;
    do {
        after = next;
        asked.after = pages ? &after : NULL;
        const char *more = answer_ids(f, &asked, &next);
        size_t used = strlen(ids);
        snprintf(ids + used, FOUND_MAX - used, "%s%s", used && *more ? " " : "", more);
        assert_true(++pages < PARTIES + 64);
    } while (next.type != MSGPACK_OBJECT_NIL);
    return ids;
}

static void expect_same(const char *what, const char *where, const char *order, const char *is,
                        const char *expected)
{
    if (strcmp(is, expected) != 0)
        print_error("%s: %s %s\n", what, where, order);
    assert_string_equal(is, expected);
}

/* Which ways were gone, so that none is left out of the test. */
static struct {
    int streams, merges, gathers, unions, joins, sorts, key_counts;
} ways;

static void note_way(struct fixture *f, const struct record_question *asked)
{
    struct record_query *query;
    struct record_question counted = *asked;
    assert_int_equal(record_query_compile(&f->ctx, asked, &query), KT_OK);
    ways.streams += query->plan.walk == QUERY_STREAM && query->plan.parts[0].index;
    ways.merges += query->plan.walk == QUERY_MERGE_RANGES;
    ways.gathers += query->plan.walk == QUERY_GATHER;
    ways.unions += query->plan.part_count > 1;
    ways.joins += query->join_count > 0;
    ways.sorts += query->plan.sorts;
    counted.only_counts = counted.unordered = true;
    assert_int_equal(record_query_compile(&f->ctx, &counted, &query), KT_OK);
    ways.key_counts += query->plan.exact;
}

static void one_question(struct fixture *f)
{
    struct random_question asked = random_question();
    const char *where = where_text(f, &asked, false), *order = order_text(f, &asked);
    const char *unseen = where_text(f, &asked, true);
    int count;
    const char *expected = model_answer(f, &asked, &count);
    expect_same("planned", where, order, found_in(f, "shop.party", where, order), expected);
    expect_same("walked", unseen, order, found_in(f, "shop.party", unseen, order), expected);
    struct record_question paged = question(f, "shop.party", where, order);
    note_way(f, &paged);
    expect_same("paged", where, order, pages_of(f, paged, 1 + (uint32_t)rand() % 40), expected);
    assert_int_equal(
        record_reply_count(&f->ctx, entity_of(f, "shop.party"), json(f, "{'where': %s}", where)),
        KT_OK);
    if (kt_get_int(answer(f), "count") != count)
        print_error("counted: %s\n", where);
    assert_int_equal(kt_get_int(answer(f), "count"), count);
    forget(f);
}

static void every_plan_gives_the_models_answer(void **state)
{
    for (int round = 0; round < 4000; round++)
        one_question(*state);
    assert_true(ways.streams > 100 && ways.merges > 100 && ways.gathers > 100);
    assert_true(ways.unions > 50 && ways.joins > 50 && ways.sorts > 100 && ways.key_counts > 100);
}

static bool is_among(const char *ids, uint64_t id)
{
    char wanted[32], all[FOUND_MAX + 2];
    snprintf(wanted, sizeof(wanted), " %llu ", (unsigned long long)id);
    snprintf(all, sizeof(all), " %s ", ids);
    const char *first = strstr(all, wanted);
    return first && !strstr(first + 1, wanted); /* Exactly once. */
}

/* Between two pages a party comes, and one goes. */
static void disturb(struct fixture *f, uint64_t *gone)
{
    if (party_count < PARTIES + 60)
        add_party(f);
    int which = rand() % party_count;
    *gone = 0;
    for (int i = 0; i < party_count; i++)
        if (parties[i].there && parties[i].parent == which)
            return;
    if (!parties[which].there)
        return;
    assert_int_equal(erase(f, "shop.party", parties[which].id), KT_OK);
    parties[which].there = false;
    *gone = parties[which].id;
}

static void pages_stay_whole_while_records_come_and_go(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 20; round++) {
        struct random_question asked = random_question();
        struct record_question paged =
            question(f, "shop.party", where_text(f, &asked, false), order_text(f, &asked));
        msgpack_object next = kt_nil(), after;
        char *ids = kt_alloc(&f->ctx, FOUND_MAX);
        struct party before[PARTIES + 64];
        int there_before = party_count, pages = 0;
        memcpy(before, parties, sizeof(before));
        paged.limit = 25;
        do {
            uint64_t gone;
            after = next;
            paged.after = pages++ ? &after : NULL;
            const char *more = answer_ids(f, &paged, &next);
            size_t used = strlen(ids);
            snprintf(ids + used, FOUND_MAX - used, "%s%s", used && *more ? " " : "", more);
            disturb(f, &gone);
        } while (next.type != MSGPACK_OBJECT_NIL && pages < 100);
        for (int i = 0; i < there_before; i++)
            if (before[i].there && parties[i].there && answers(&asked, &parties[i]))
                assert_true(is_among(ids, parties[i].id));
        forget(f);
    }
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        cmocka_unit_test_setup_teardown(every_plan_gives_the_models_answer, many_parties,
                                        tear_down),
        cmocka_unit_test_setup_teardown(pages_stay_whole_while_records_come_and_go, many_parties,
                                        tear_down),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}

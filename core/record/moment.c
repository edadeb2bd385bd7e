/* Moments of the data. Events number them: the state "as of event N" holds every change that was
 * made until that event was written. An instant means the last event not after it; the writer sees
 * to it that events are written in the order of their time. What is being written at this very
 * instant is not seen yet, so only an instant a moment ago is settled. */
#include <string.h>

#include "record/record_internal.h"

#define US_PER_DAY (INT64_C(86400) * 1000000)

static void event_key(struct key *key, uint64_t number)
{
    key_begin(key, SPACE_EVENT);
    key_add_u64(key, number);
}

enum kt_status record_last_event(struct kt_ctx *ctx, uint64_t *out)
{
    struct store_cursor *cursor;
    struct store_slice found;
    struct key prefix, end;
    *out = ctx->last_event;
    if (*out)
        return KT_OK;
    key_begin(&prefix, SPACE_EVENT);
    end = prefix;
    key_successor(&end);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status status = store_seek_before(cursor, key_slice(&end), &found, NULL);
    if (status == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        struct key_reader reader = key_read(found);
        key_read_u64(&reader, out);
    }
    store_cursor_close(cursor);
    return status == KT_OK || status == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status event_at(struct kt_ctx *ctx, uint64_t number, kt_instant_us *out)
{
    struct key key;
    struct store_slice bytes;
    msgpack_object event;
    size_t offset = 0;
    event_key(&key, number);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    /* In memory of its own: a search looks at many events, and each holds a whole record. */
    msgpack_zone *zone = msgpack_zone_new(4096);
    if (!zone)
        abort();
    bool read =
        msgpack_unpack(bytes.at, bytes.size, &offset, zone, &event) == MSGPACK_UNPACK_SUCCESS &&
        kt_get_instant(&event, "at", out);
    msgpack_zone_free(zone);
    return read ? KT_OK : record_store_failed(ctx, KT_INTERNAL);
}

enum kt_status record_last_event_at(struct kt_ctx *ctx, kt_instant_us *out)
{
    uint64_t last;
    *out = INT64_MIN;
    KT_TRY(record_last_event(ctx, &last));
    return last ? event_at(ctx, last, out) : KT_OK;
}

/* The last event of 1 .. `last` not after the instant; 0 when there is none. */
static enum kt_status find_event(struct kt_ctx *ctx, kt_instant_us at, uint64_t last, uint64_t *out)
{
    uint64_t low = 0, high = last; /* Event `low` is not after it, event `high + 1` is. */
    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        kt_instant_us then = INT64_MIN;
        KT_TRY(event_at(ctx, middle, &then));
        if (then <= at)
            low = middle;
        else
            high = middle - 1;
    }
    *out = low;
    return KT_OK;
}

static enum kt_status refuse(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_INVALID, "as_of",
                   "as_of is the number of an event, an instant or a text like 2026-11-24 or "
                   "2026-11-24T10:00:00Z",
                   "as_of 应为事件序号、时刻，或形如 2026-11-24、2026-11-24T10:00:00Z 的文本");
}

/* A day means its end; the present day, what there is of it. */
static bool read_instant(const struct kt_ctx *ctx, const msgpack_object *given, kt_instant_us *out)
{
    kt_date day;
    if (given->type != MSGPACK_OBJECT_STR)
        return context_instant_of(given, out);
    if (!kt_date_parse(given->via.str.ptr, given->via.str.size, &day))
        return kt_instant_parse(given->via.str.ptr, given->via.str.size, out);
    *out = day == kt_today(ctx) ? ctx->now : ((kt_instant_us)day + 1) * US_PER_DAY - 1;
    return true;
}

static enum kt_status number_of_instant(struct kt_ctx *ctx, kt_instant_us at, uint64_t last,
                                        uint64_t *out)
{
    char text[KT_INSTANT_TEXT_SIZE];
    KT_TRY(find_event(ctx, at, last, out));
    if (*out == last && at > ctx->now) {
        kt_instant_format(ctx->now, text);
        return kt_fail(ctx, KT_INVALID, "as_of",
                       "as_of lies in the future, it is %s: leave it out for the present",
                       "as_of 在将来，现在是 %s：查询当前数据请省略", text);
    }
    if (*out == 0) {
        kt_instant_us first = 0;
        if (last)
            KT_TRY(event_at(ctx, 1, &first));
        kt_instant_format(first, text);
        return kt_fail(ctx, KT_INVALID, "as_of", "as_of is before these data, which begin at %s",
                       "as_of 早于数据的起点 %s", text);
    }
    return KT_OK;
}

enum kt_status record_set_as_of(struct kt_ctx *ctx, const msgpack_object *given)
{
    uint64_t last, number;
    kt_instant_us at = 0;
    KT_TRY(record_last_event(ctx, &last));
    if (given->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        number = given->via.u64;
        if (number == 0 || number > last)
            return kt_fail(ctx, KT_INVALID, "as_of", "there is no event %llu yet: the last is %llu",
                           "尚无事件 %llu：最新为 %llu", (unsigned long long)number,
                           (unsigned long long)last);
        KT_TRY(event_at(ctx, number, &at));
    } else if (read_instant(ctx, given, &at)) {
        KT_TRY(number_of_instant(ctx, at, last, &number));
    } else {
        return refuse(ctx);
    }
    ctx->as_of = number;
    ctx->now = at; /* "Today" is that day: how long an invoice was overdue then. */
    return KT_OK;
}

/* The history of a customer writes itself: what other modules announce becomes interactions, by one
 * table. Announcements about parties that are not customers pass quietly. */
#include "customers.h"

#include <string.h>

struct milestone {
    const char *topic;
    const char *kind;
    const char *direction; /* From the customer's side of the table: "in" comes from them. */
    const char *noun;
    const char *past;
    const char *amount; /* The field that says how much; NULL counts the lines. */
};

static const struct milestone milestones[] = {
    {"sales.order.confirmed", "order", "in", "order", "confirmed", "total"},
    {"sales.order.cancelled", "order", "in", "order", "cancelled", "total"},
    {"sales.delivery.created", "delivery", "out", "delivery", "sent", NULL},
    {"finance.invoice.posted", "invoice", "out", "invoice", "posted", "total"},
    {"finance.invoice.paid", "invoice", "in", "invoice", "paid in full", "total"},
    {"finance.invoice.reopened", "invoice", "in", "invoice", "open again", "total"},
    {"finance.invoice.cancelled", "invoice", "out", "invoice", "cancelled", "total"},
    {"finance.payment.posted", "payment", "in", "payment", "posted", "amount"},
    {"finance.payment.cancelled", "payment", "in", "payment", "cancelled", "amount"},
};

static const struct milestone *milestone_of(const char *topic)
{
    for (size_t i = 0; i < KT_COUNT(milestones); i++)
        if (strcmp(milestones[i].topic, topic) == 0)
            return &milestones[i];
    return NULL;
}

/* "order SO2026-00001 confirmed, total 123.45" */
static const char *subject_of(struct kt_ctx *ctx, const struct milestone *milestone,
                              const msgpack_object *document)
{
    const char *number = kt_get_text(ctx, document, "number");
    size_t lines = kt_count(document, "lines");
    if (!milestone->amount)
        return kt_format(ctx, "%s %s %s, %zu %s", milestone->noun, number, milestone->past, lines,
                         lines == 1 ? "line" : "lines");
    return kt_format(ctx, "%s %s %s, %s %s", milestone->noun, number, milestone->past,
                     milestone->amount, kt_get_text(ctx, document, milestone->amount));
}

/* Documents of sales name the customer, those of finance the party only. */
static enum kt_status customer_of(struct kt_ctx *ctx, const msgpack_object *document, uint64_t *out)
{
    uint64_t party = kt_get_id(document, "party");
    const msgpack_object *customer = NULL;
    *out = kt_get_id(document, "customer");
    if (*out == 0 && party != 0)
        KT_TRY(kt_record_find(ctx, "customers.customer", "party", kt_id(party), &customer));
    if (customer)
        *out = kt_get_id(customer, "id");
    return KT_OK;
}

enum kt_status customers_on_milestone(struct kt_ctx *ctx, const struct kt_event *event)
{
    const struct milestone *milestone = milestone_of(event->topic);
    uint64_t customer;
    KT_TRY(customer_of(ctx, event->record, &customer));
    if (!milestone || customer == 0)
        return KT_OK;
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set_id(values, "customer", customer);
    kt_map_set_text(values, "kind", milestone->kind);
    kt_map_set_text(values, "direction", milestone->direction);
    kt_map_set_text(values, "subject", subject_of(ctx, milestone, event->record));
    kt_map_set_text(values, "topic", milestone->topic);
    kt_map_set_text(values, "source_entity", event->entity);
    kt_map_set_id(values, "source_id", event->id);
    return kt_record_create(ctx, "customers.interaction", values, NULL);
}

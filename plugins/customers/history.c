/* The history of a customer writes itself: each handler turns an announcement of another module
 * into one interaction. Announcements about parties that are not customers pass quietly. */
#include "customers.h"

struct milestone {
    const char *kind;
    const char *direction; /* From the customer's side of the table: "in" comes from them. */
    const char *subject;
};

static enum kt_status write_milestone(struct kt_ctx *ctx, const struct kt_event *event,
                                      uint64_t customer, const struct milestone *milestone)
{
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set_id(values, "customer", customer);
    kt_map_set_text(values, "kind", milestone->kind);
    kt_map_set_text(values, "direction", milestone->direction);
    kt_map_set_text(values, "subject", milestone->subject);
    kt_map_set_text(values, "topic", event->topic);
    if (event->entity)
        kt_map_set_text(values, "source_entity", event->entity);
    kt_map_set_id(values, "source_id", event->id);
    return kt_record_create(ctx, "customers.interaction", values, NULL);
}

/* Documents of the finance module know the party only. */
static enum kt_status write_for_party(struct kt_ctx *ctx, const struct kt_event *event,
                                      const struct milestone *milestone)
{
    uint64_t party = kt_get_id(event->record, "party");
    const msgpack_object *customer = NULL;
    if (party != 0)
        KT_TRY(kt_record_find(ctx, "customers.customer", "party", kt_id(party), &customer));
    return customer ? write_milestone(ctx, event, kt_get_id(customer, "id"), milestone) : KT_OK;
}

static const char *number_of(struct kt_ctx *ctx, const struct kt_event *event)
{
    return kt_get_text(ctx, event->record, "number");
}

enum kt_status customers_on_order_confirmed(struct kt_ctx *ctx, const struct kt_event *event)
{
    const struct milestone milestone = {
        .kind = "order",
        .direction = "in",
        .subject = kt_format(ctx, "order %s confirmed, total %s", number_of(ctx, event),
                             kt_get_text(ctx, event->record, "total"))};
    return write_milestone(ctx, event, kt_get_id(event->record, "customer"), &milestone);
}

enum kt_status customers_on_order_cancelled(struct kt_ctx *ctx, const struct kt_event *event)
{
    const struct milestone milestone = {
        .kind = "order",
        .direction = "in",
        .subject = kt_format(ctx, "order %s cancelled, total %s", number_of(ctx, event),
                             kt_get_text(ctx, event->record, "total"))};
    return write_milestone(ctx, event, kt_get_id(event->record, "customer"), &milestone);
}

enum kt_status customers_on_delivery_created(struct kt_ctx *ctx, const struct kt_event *event)
{
    size_t lines = kt_count(event->record, "lines");
    const struct milestone milestone = {.kind = "delivery",
                                        .direction = "out",
                                        .subject = kt_format(ctx, "delivery %s sent, %zu %s",
                                                             number_of(ctx, event), lines,
                                                             lines == 1 ? "line" : "lines")};
    return write_milestone(ctx, event, kt_get_id(event->record, "customer"), &milestone);
}

enum kt_status customers_on_invoice_posted(struct kt_ctx *ctx, const struct kt_event *event)
{
    const struct milestone milestone = {
        .kind = "invoice",
        .direction = "out",
        .subject = kt_format(ctx, "invoice %s posted, total %s", number_of(ctx, event),
                             kt_get_text(ctx, event->record, "total"))};
    return write_for_party(ctx, event, &milestone);
}

enum kt_status customers_on_invoice_paid(struct kt_ctx *ctx, const struct kt_event *event)
{
    const struct milestone milestone = {
        .kind = "invoice",
        .direction = "in",
        .subject = kt_format(ctx, "invoice %s paid in full, total %s", number_of(ctx, event),
                             kt_get_text(ctx, event->record, "total"))};
    return write_for_party(ctx, event, &milestone);
}

enum kt_status customers_on_payment_posted(struct kt_ctx *ctx, const struct kt_event *event)
{
    const struct milestone milestone = {
        .kind = "payment",
        .direction = "in",
        .subject = kt_format(ctx, "payment %s posted, amount %s", number_of(ctx, event),
                             kt_get_text(ctx, event->record, "amount"))};
    return write_for_party(ctx, event, &milestone);
}

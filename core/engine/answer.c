/* Response messages: [1, msgid, error, result]. */
#include <string.h>

#include "engine/engine_internal.h"

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void begin(msgpack_sbuffer *reply, uint32_t msgid, msgpack_packer *packer)
{
    msgpack_sbuffer_clear(reply);
    msgpack_packer_init(packer, reply, msgpack_sbuffer_write);
    msgpack_pack_array(packer, 4);
    msgpack_pack_int(packer, 1);
    msgpack_pack_uint32(packer, msgid);
}

void answer_result(struct engine_request *request, const msgpack_sbuffer *result)
{
    msgpack_packer packer;
    request->measure.outcome = KT_OK;
    begin(&request->reply, request->msgid, &packer);
    msgpack_pack_nil(&packer);
    if (result->size)
        msgpack_sbuffer_write(&request->reply, result->data, result->size);
    else
        msgpack_pack_nil(&packer);
}

static void pack_error(msgpack_sbuffer *reply, uint32_t msgid, const struct context_error *error)
{
    msgpack_packer packer;
    bool has_details = error->details.type == MSGPACK_OBJECT_MAP;
    size_t count = 3u + (error->entity ? 1u : 0u) + (error->field ? 1u : 0u) +
                   (error->rule ? 1u : 0u) + (has_details ? 1u : 0u);
    begin(reply, msgid, &packer);
    msgpack_pack_map(&packer, count);
    pack_text(&packer, "code");
    pack_text(&packer, kt_status_code(error->status));
    pack_text(&packer, "message");
    pack_text(&packer, error->message ? error->message : "");
    pack_text(&packer, "message_zh");
    pack_text(&packer, error->message_zh ? error->message_zh : "");
    if (error->entity) {
        pack_text(&packer, "entity");
        pack_text(&packer, error->entity);
    }
    if (error->field) {
        pack_text(&packer, "field");
        pack_text(&packer, error->field);
    }
    if (error->rule) {
        pack_text(&packer, "rule");
        pack_text(&packer, error->rule);
    }
    if (has_details) {
        pack_text(&packer, "details");
        msgpack_pack_object(&packer, error->details);
    }
    msgpack_pack_nil(&packer);
}

void answer_error(struct engine_request *request, const struct context_error *error)
{
    request->measure.outcome = error->status;
    pack_error(&request->reply, request->msgid, error);
}

void engine_pack_error(msgpack_sbuffer *reply, uint32_t msgid, enum kt_status status,
                       const char *field, const char *message, const char *message_zh)
{
    struct context_error error = {
        .status = status, .field = field, .message = message, .message_zh = message_zh};
    pack_error(reply, msgid, &error);
}

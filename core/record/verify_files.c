/* Files against what records say of them: each content has the hash it is named by, each file that
 * a record refers to is there with the size it says. */
#include <string.h>

#include "file/file.h"
#include "record/verify.h"

static void content_is_wrong(void *argument, const char *hash, const struct kt_label *what)
{
    verify_problem(argument, VERIFY_FILE, NULL, 0, "the content %s %s%.0s", "内容 %s %.0s%s", hash,
                   what->en, what->zh);
}

static void check_value(struct verify *verify, const struct schema_entity *entity, uint64_t id,
                        const char *name, const msgpack_object *value)
{
    struct file_content content;
    const msgpack_object *hash = kt_get(value, "hash");
    if (!value)
        return;
    if (!hash || hash->type != MSGPACK_OBJECT_STR ||
        file_find(verify->ctx->txn, hash->via.str.ptr, hash->via.str.size, &content) != KT_OK ||
        content.size != kt_get_id(value, "size"))
        verify_problem(verify, VERIFY_FILE, entity, id,
                       "%s of record %llu refers to a content that is not there",
                       "%s（记录 %llu）引用的内容不存在", name, (unsigned long long)id);
}

static enum kt_status check_record(struct verify *verify, void *argument, uint64_t id,
                                   const msgpack_object *record)
{
    const struct schema_entity *entity = argument;
    for (size_t i = 0; record && i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const char *name = field->decl->name;
        if (field->decl->type == KT_FILE)
            check_value(verify, entity, id, name, kt_get(record, name));
        for (size_t p = 0; p < field->line_count; p++)
            for (size_t l = 0; field->lines[p].decl->type == KT_FILE && l < kt_count(record, name);
                 l++)
                check_value(verify, entity, id, field->lines[p].decl->name,
                            kt_get(kt_at(record, name, l), field->lines[p].decl->name));
    }
    return KT_OK;
}

enum kt_status verify_files(struct verify *verify)
{
    const struct schema *schema = verify->ctx->schema;
    for (size_t i = 0; i < schema->entity_count; i++)
        if (schema->entities[i].has_files)
            KT_TRY(
                verify_records(verify, &schema->entities[i], check_record, &schema->entities[i]));
    if (file_check(verify->ctx->txn, content_is_wrong, verify, &verify->files) != KT_OK)
        return record_store_failed(verify->ctx, KT_INTERNAL);
    return KT_OK;
}
